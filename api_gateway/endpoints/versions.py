"""Which versions of the specification the server follows."""

from __future__ import annotations

import orjson

from service_kit.http.endpoint import Auth, endpoint

SPECIFICATION_VERSIONS = tuple(f"v1.{minor}" for minor in range(1, 20))

UNSTABLE_FEATURES = {
    "org.matrix.msc4140": True,  # delayed events
    "uk.half-shot.msc2666.query_mutual_rooms": True,  # by its name from before it was specified
    "org.matrix.msc4222": True,  # `state_after` in /sync, by its name from before version 1.16
}

_ANSWER = orjson.dumps({"versions": SPECIFICATION_VERSIONS, "unstable_features": UNSTABLE_FEATURES})


# Answered before anybody has an account, and by health checks: without authentication, the same for everybody.
@endpoint("GET", "/_matrix/client/versions", operation="getVersions", auth=Auth.NONE, rate_limit=None)
async def get_versions() -> bytes:
    return _ANSWER
