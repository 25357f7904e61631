"""Whom users of this server turn to."""

from __future__ import annotations

from matrix_protocol.errors import NotFound
from service_kit.account_settings import SupportContactSettings
from service_kit.config import Settings
from service_kit.http.endpoint import Auth, endpoint


@endpoint("GET", "/.well-known/matrix/support", operation="getWellknownSupport", auth=Auth.NONE)
async def get_wellknown_support(settings: Settings) -> dict[str, object]:
    support = settings.support
    answer: dict[str, object] = {}
    if support.contacts:
        answer["contacts"] = [_contact(contact) for contact in support.contacts]
    if support.page:
        answer["support_page"] = support.page
    if not answer:
        raise NotFound("This server says nothing about support")
    return answer


def _contact(contact: SupportContactSettings) -> dict[str, str]:
    return {name: value for name, value in contact if value}
