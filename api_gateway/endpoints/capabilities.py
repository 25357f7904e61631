"""What users of this server can do.

Spec: https://spec.matrix.org/v1.19/client-server-api/#capabilities-negotiation
"""

from __future__ import annotations

from matrix_protocol.room_versions import ROOM_VERSIONS
from service_kit.config import Settings
from service_kit.http.endpoint import endpoint


@endpoint("GET", "/_matrix/client/v3/capabilities", operation="getCapabilities", guests=True)
async def get_capabilities(settings: Settings) -> dict[str, object]:
    versions = {version: "stable" if rules.stable else "unstable" for version, rules in ROOM_VERSIONS.items()}
    return {
        "capabilities": {
            "m.room_versions": {"default": settings.rooms.default_version, "available": versions},
            "m.change_password": {"enabled": True},
            "m.profile_fields": {"enabled": True},
            "m.set_displayname": {"enabled": True},
            "m.set_avatar_url": {"enabled": True},
            "m.3pid_changes": {"enabled": False},
            "m.get_login_token": {"enabled": False},
            "m.forget_forced_upon_leave": {"enabled": False},
        }
    }
