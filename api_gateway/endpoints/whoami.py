"""Whom an access token belongs to."""

from __future__ import annotations

from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint


@endpoint("GET", "/_matrix/client/v3/account/whoami", operation="getTokenOwner", guests=True)
async def get_token_owner(caller: Caller) -> dict[str, object]:
    return {"user_id": caller.user_id, "device_id": caller.device_id, "is_guest": caller.guest}
