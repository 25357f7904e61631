"""`POST /user_directory/search`: people whom the user may know of, by the beginnings of their names.

Spec: https://spec.matrix.org/v1.19/client-server-api/#user-directory
"""

from __future__ import annotations

import msgspec

from matrix_protocol.errors import InvalidParam
from service_kit.clock import Clock
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.rpc.pb.search_queries_pb2 import UserSearchHit, UserSearchRequest
from service_kit.rpc.queries import SEARCH_USERS, Asker, answer_within

LIMIT_MAX = 100
SEARCH_TERM_CHARACTERS_MAX = 300
ANSWER_WITHIN_S = 20.0


class UserSearchBody(msgspec.Struct):
    search_term: str
    limit: int = 10


@endpoint("POST", "/_matrix/client/v3/user_directory/search", operation="searchUserDirectory", suspended=True)
async def search_user_directory(body: UserSearchBody, caller: Caller, asker: Asker, clock: Clock) -> dict[str, object]:
    if len(body.search_term) > SEARCH_TERM_CHARACTERS_MAX:
        raise InvalidParam(f"search_term may have {SEARCH_TERM_CHARACTERS_MAX} characters")
    if body.limit < 0:
        raise InvalidParam("limit must not be negative")
    limit = max(1, min(body.limit, LIMIT_MAX))
    request = UserSearchRequest(as_user_id=caller.user_id, search_term=body.search_term, limit=limit)
    with answer_within(ANSWER_WITHIN_S, clock):
        found = await asker.single(SEARCH_USERS, request)
    return {"results": [_user(user) for user in found.users], "limited": found.limited}


def _user(user: UserSearchHit) -> dict[str, str]:
    fields = {"user_id": user.user_id, "display_name": user.displayname, "avatar_url": user.avatar_url}
    return {name: value for name, value in fields.items() if value}
