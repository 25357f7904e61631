from __future__ import annotations

import pytest

from service_kit.http.proxies import TrustedProxies

PROXY, CLIENT, STRANGER = "10.0.0.1", "203.0.113.7", "198.51.100.9"


def forwarded(*hops: str) -> list[tuple[bytes, bytes]]:
    return [(b"x-forwarded-for", ", ".join(hops).encode())]


def test_header_of_a_stranger_is_not_believed() -> None:
    assert TrustedProxies(["10.0.0.0/8"]).client_ip(STRANGER, forwarded(CLIENT)) == STRANGER


def test_nobody_is_trusted_by_default() -> None:
    assert TrustedProxies([]).client_ip(PROXY, forwarded(CLIENT)) == PROXY


def test_last_hop_that_is_no_proxy_of_ours_is_the_client() -> None:
    proxies = TrustedProxies(["10.0.0.0/8", "::1"])
    assert proxies.client_ip(PROXY, forwarded("1.2.3.4", CLIENT, "10.9.9.9")) == CLIENT
    assert proxies.client_ip("::1", forwarded(CLIENT)) == CLIENT


@pytest.mark.parametrize("value", [b"", b"nonsense", b"\xff\xfe", b"1.2.3.4:80", b"," * 50, b"1" * 5000])
def test_nonsense_in_the_header_leaves_the_peer(value: bytes) -> None:
    assert TrustedProxies([PROXY]).client_ip(PROXY, [(b"x-forwarded-for", value)]) == PROXY


def test_wrong_setting_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="proxy"):
        TrustedProxies(["proxy.example"])
