"""What users of this server can do.

Spec: https://spec.matrix.org/v1.19/client-server-api/#capabilities-negotiation
"""

from __future__ import annotations

from api_gateway import delayed_events
from matrix_protocol.room_versions import ROOM_VERSIONS
from service_kit.account_settings import CapabilitySettings
from service_kit.config import Settings
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint


@endpoint("GET", "/_matrix/client/v3/capabilities", operation="getCapabilities", guests=True)
async def get_capabilities(caller: Caller, settings: Settings) -> dict[str, object]:
    capabilities = settings.capabilities
    versions = {version: "stable" if rules.stable else "unstable" for version, rules in ROOM_VERSIONS.items()}
    answer: dict[str, object] = {
        "m.room_versions": {"default": settings.rooms.default_version, "available": versions},
        "m.change_password": {"enabled": capabilities.change_password and settings.login.password},
        "m.profile_fields": _profile_fields(capabilities),
        # "servers that directly or indirectly include the `displayname` profile field in the `m.profile_fields`
        # capability MUST also set this capability accordingly."
        "m.set_displayname": {"enabled": capabilities.may_change_profile_field("displayname")},
        "m.set_avatar_url": {"enabled": capabilities.may_change_profile_field("avatar_url")},
        "m.3pid_changes": {"enabled": capabilities.third_party_id_changes and settings.email.enabled},
        "m.get_login_token": {"enabled": settings.login.token and settings.login.password},
        "m.forget_forced_upon_leave": {"enabled": False},
        delayed_events.CAPABILITY: delayed_events.capability(settings),
    }
    # "This property should be omitted altogether if `suspend` and `lock` would be `false`."
    if caller.admin:
        answer["m.account_moderation"] = {"suspend": True, "lock": True}
    return {"capabilities": answer}


def _profile_fields(capabilities: CapabilitySettings) -> dict[str, object]:
    shown: dict[str, object] = {"enabled": capabilities.profile_fields}
    if capabilities.profile_fields_allowed:
        shown["allowed"] = capabilities.profile_fields_allowed
    elif capabilities.profile_fields_disallowed:
        shown["disallowed"] = capabilities.profile_fields_disallowed
    return shown
