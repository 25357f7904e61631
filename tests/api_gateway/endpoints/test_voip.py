import hmac
from base64 import b64encode

import pytest
from pydantic import ValidationError

from service_kit.account_settings import TurnSettings
from tests.api_gateway.conftest import StartGateway

URIS = ["turn:turn.example.org?transport=udp"]


async def test_credentials_are_made_with_the_secret_and_end(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(turn={"uris": URIS, "shared_secret": "sesame", "credentials_lifetime_s": 600})
    session = await gateway.register()
    answer = (await gateway.get("voip/turnServer", token=session.token)).body
    ends_at_s = gateway.cluster.clock.now_ms() // 1000 + 600
    assert (answer["username"], answer["uris"], answer["ttl"]) == (f"{ends_at_s}:@alice:a.example", URIS, 600)
    assert answer["password"] == b64encode(hmac.digest(b"sesame", answer["username"].encode(), "sha1")).decode()


async def test_without_a_secret_everybody_gets_the_configured_name(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(turn={"uris": URIS, "username": "u", "password": "p", "guests": False})
    session = await gateway.register()
    answer = (await gateway.get("voip/turnServer", token=session.token)).body
    assert (answer["username"], answer["password"]) == ("u", "p")


async def test_guests_get_credentials_only_where_configured(start_gateway: StartGateway) -> None:
    for guests, status in ((False, 403), (True, 200)):
        turn = {"uris": URIS, "shared_secret": "sesame", "guests": guests}
        gateway = await start_gateway(turn=turn, registration={"mode": "open", "guests": True})
        token = (await gateway.post("register?kind=guest")).body["access_token"]
        assert (await gateway.get("voip/turnServer", token=token)).status == status


async def test_a_server_without_turn_says_so(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    session = await gateway.register()
    answer = await gateway.get("voip/turnServer", token=session.token)
    assert (answer.status, answer.body["errcode"]) == (404, "M_NOT_FOUND")


def test_servers_without_credentials_are_a_mistake_of_the_configuration() -> None:
    with pytest.raises(ValidationError, match=r"needs turn\.shared_secret"):
        TurnSettings(uris=URIS, username="u")
