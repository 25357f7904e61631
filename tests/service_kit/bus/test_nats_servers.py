"""Addresses, discovery and credentials of NATS servers."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from service_kit.bus.interface import BusError
from service_kit.bus.nats_servers import Credentials, NatsAddress, ServerPool, parse_address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("nats://a.example", NatsAddress("a.example", 4222, None, None, False, "a.example")),
        ("a.example:5", NatsAddress("a.example", 5, None, None, False, "a.example")),
        ("tls://[::1]:5", NatsAddress("::1", 5, None, None, True, "::1")),
        ("nats://to%40ken@a:5", NatsAddress("a", 5, "to@ken", None, False, "a")),
        ("nats://me:p%2Fw@a:5", NatsAddress("a", 5, "me", "p/w", False, "a")),
    ],
)
def test_url_names_the_server_and_may_hold_credentials(url: str, address: NatsAddress) -> None:
    assert parse_address(url) == address


@pytest.mark.parametrize("url", ["", "nats://", "http://a:5", "nats://a:port", "nats://a:99999"])
def test_other_urls_are_refused_without_repeating_what_may_be_secret(url: str) -> None:
    with pytest.raises(BusError, match="nats://host:port"):
        parse_address(url)


def test_servers_take_turns_until_one_works() -> None:
    pool = ServerPool(["nats://a", "nats://b"])
    assert [pool.next().host for _ in range(3)] == ["a", "b", "a"]
    pool.stay()
    assert pool.next().host == "a"
    with pytest.raises(BusError):
        ServerPool([])


def test_servers_that_the_cluster_tells_of_are_added_and_replaced() -> None:
    pool = ServerPool(["tls://me:pw@a:1", "tls://b:2"])
    told_by = pool.next()
    pool.discover(["a:1", "10.0.0.3:3", "no port:x", "10.0.0.4:4"], told_by)
    assert len(pool) == 4
    later = [pool.next() for _ in range(3)]
    assert [(address.host, address.port) for address in later] == [("b", 2), ("10.0.0.3", 3), ("10.0.0.4", 4)]
    assert later[1] == NatsAddress("10.0.0.3", 3, "me", "pw", True, "a")
    pool.discover([], told_by)
    assert len(pool) == 2
    pool.discover([f"10.0.1.{number}:1" for number in range(200)], told_by)
    assert len(pool) == 2 + 64


def test_credentials_of_the_url_go_before_those_of_the_configuration() -> None:
    configured = Credentials(user="u", password="p", token="t")
    assert configured.connect_fields(parse_address("nats://x:y@a"), "") == {"user": "x", "pass": "y"}
    assert configured.connect_fields(parse_address("nats://x@a"), "") == {"auth_token": "x"}
    assert configured.connect_fields(parse_address("nats://a"), "") == {"user": "u", "pass": "p"}
    assert Credentials(token="t").connect_fields(parse_address("nats://a"), "") == {"auth_token": "t"}
    assert Credentials().connect_fields(parse_address("nats://a"), "") == {}


# The example of the format's documentation is of this shape; the key is made up.
SEED = bytes(range(32))
CREDENTIALS_FILE = """\
-----BEGIN NATS USER JWT-----
eyJ0eXAiOiJKV1QifQ.e30.c2ln
------END NATS USER JWT------

************************* IMPORTANT *************************
NKEY Seed printed below can be used to sign and prove identity.

-----BEGIN USER NKEY SEED-----
{seed}
------END USER NKEY SEED------
"""


def test_credentials_file_signs_the_nonce(tmp_path: Path) -> None:
    # Prefix: seed (18 << 3) of a user (20 << 3), as the nkeys specification packs them into two bytes.
    prefix = bytes([18 << 3 | 20 * 8 >> 5, (20 * 8 & 31) << 3])
    seed = base64.b32encode(prefix + SEED + b"\x00\x00").decode().rstrip("=")
    assert seed.startswith("SU")
    path = tmp_path / "plexus.creds"
    path.write_text(CREDENTIALS_FILE.format(seed=seed))
    fields = Credentials(credentials_file=path).connect_fields(parse_address("nats://a"), "the nonce")
    assert fields["jwt"] == "eyJ0eXAiOiJKV1QifQ.e30.c2ln"
    signature = base64.urlsafe_b64decode(fields["sig"] + "==")
    SigningKey(SEED).verify_key.verify(b"the nonce", signature)


@pytest.mark.parametrize("text", ["", "no credentials", CREDENTIALS_FILE.format(seed="not base32!")])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plexus.creds"
    path.write_text(text)
    with pytest.raises(BusError):
        Credentials(credentials_file=path).connect_fields(parse_address("nats://a"), "")
