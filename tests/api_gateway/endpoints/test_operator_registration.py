import hmac

import pytest
from pydantic import SecretStr

from service_kit.config import RegistrationSettings
from tests.api_gateway.account_gateway import AccountGateway, Answer
from tests.api_gateway.conftest import StartGateway

PATH = "/_synapse/admin/v1/register"
SECRET = "only operators know"


@pytest.fixture
async def gateway(start_gateway: StartGateway) -> AccountGateway:
    return await start_gateway(registration=RegistrationSettings(mode="closed", shared_secret=SecretStr(SECRET)))


async def register(gateway: AccountGateway, *, secret: str = SECRET, nonce: str = "", admin: bool = False) -> Answer:
    nonce = nonce or (await gateway.call("GET", PATH)).body["nonce"]
    parts = [nonce, "root", "correct horse", "admin" if admin else "notadmin"]
    mac = hmac.new(secret.encode(), "\0".join(parts).encode(), "sha1").hexdigest()
    body = {"nonce": nonce, "username": "root", "password": "correct horse", "admin": admin, "mac": mac}
    return await gateway.call("POST", PATH, body)


async def test_who_knows_the_secret_registers_although_registration_is_closed(gateway: AccountGateway) -> None:
    answer = await register(gateway, admin=True)
    assert (answer.status, answer.body["user_id"]) == (200, "@root:a.example")
    who = await gateway.get("account/whoami", token=answer.body["access_token"])
    assert who.body["user_id"] == "@root:a.example"


async def test_another_secret_is_refused(gateway: AccountGateway) -> None:
    answer = await register(gateway, secret="a guess")
    assert (answer.status, answer.body["errcode"]) == (403, "M_FORBIDDEN")


async def test_a_made_up_nonce_is_refused(gateway: AccountGateway) -> None:
    answer = await register(gateway, nonce="1700000000.AAAA")
    assert (answer.status, answer.body["errcode"]) == (403, "M_FORBIDDEN")


async def test_a_nonce_used_again_finds_the_name_taken(gateway: AccountGateway) -> None:
    nonce = (await gateway.call("GET", PATH)).body["nonce"]
    assert (await register(gateway, nonce=nonce)).status == 200
    assert (await register(gateway, nonce=nonce)).body["errcode"] == "M_USER_IN_USE"


async def test_without_a_secret_there_is_no_such_endpoint(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    answer = await gateway.call("GET", PATH)
    assert (answer.status, answer.body["errcode"]) == (404, "M_UNRECOGNIZED")
