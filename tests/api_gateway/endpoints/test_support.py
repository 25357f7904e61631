import pytest
from pydantic import ValidationError

from service_kit.account_settings import SupportContactSettings
from tests.api_gateway.account_gateway import AccountGateway
from tests.api_gateway.conftest import StartGateway

PATH = "/.well-known/matrix/support"


async def test_contacts_and_page_are_told_to_anybody(start_gateway: StartGateway) -> None:
    contacts = [
        {"role": "m.role.admin", "matrix_id": "@root:elsewhere.example"},
        {"role": "m.role.security", "email_address": "security@a.example"},
    ]
    gateway = await start_gateway(support={"contacts": contacts, "page": "https://a.example/help"})
    answer = await gateway.call("GET", PATH)
    assert (answer.status, answer.body) == (200, {"contacts": contacts, "support_page": "https://a.example/help"})


async def test_without_configuration_there_is_nothing(gateway: AccountGateway) -> None:
    assert (await gateway.call("GET", PATH)).body["errcode"] == "M_NOT_FOUND"


def test_somebody_who_cannot_be_reached_is_no_contact() -> None:
    with pytest.raises(ValidationError, match="matrix_id or an email_address"):
        SupportContactSettings(role="m.role.admin")
