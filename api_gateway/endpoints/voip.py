"""TURN servers for calls.

With a shared secret, credentials are made for each user and end by themselves, as in
"A REST API For Access To TURN Services" (draft-uberti-behave-turn-rest-00), which TURN servers implement:

    username = <when it ends, Unix seconds>:<user ID>      password = base64(HMAC-SHA1(secret, username))
"""

from __future__ import annotations

import hmac
from base64 import b64encode

from matrix_protocol.errors import Forbidden, NotFound
from service_kit.clock import Clock
from service_kit.config import Settings
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint


@endpoint("GET", "/_matrix/client/v3/voip/turnServer", operation="getTurnServer", guests=True)
async def get_turn_server(caller: Caller, settings: Settings, clock: Clock) -> dict[str, object]:
    turn = settings.turn
    if not turn.uris:
        # The specification leaves out servers that have none. An empty list would be taken for a server by clients.
        raise NotFound("This server has no TURN server")
    if caller.guest and not turn.guests:
        raise Forbidden("Guests cannot use this server's TURN server")
    username, password = turn.username, turn.password.get_secret_value()
    if secret := turn.shared_secret.get_secret_value():
        username = f"{clock.now_ms() // 1000 + turn.credentials_lifetime_s}:{caller.user_id}"
        password = b64encode(hmac.digest(secret.encode(), username.encode(), "sha1")).decode("ascii")
    return {"username": username, "password": password, "uris": turn.uris, "ttl": turn.credentials_lifetime_s}
