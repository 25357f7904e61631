"""The addresses that an account has: listed, added once they were proven, removed. There is no identity server.

Spec: https://spec.matrix.org/v1.19/client-server-api/#adding-account-administrative-contact-information
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from api_gateway.email_validation import ADD, EmailValidation, RequestTokenBody
from api_gateway.msisdn import RequestMsisdnTokenBody, no_phone_numbers
from api_gateway.password_stage import PasswordAuth
from api_gateway.third_party_ids import ThirdPartyIds
from matrix_protocol.errors import (
    Forbidden,
    ServerNotTrusted,
    ThreepidAuthFailed,
    ThreepidDenied,
)
from matrix_protocol.identifiers import server_name_of
from service_kit.config import Settings
from service_kit.hosted_servers import HostedServers
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import Auth, endpoint
from service_kit.http.rate_limits import EMAIL
from service_kit.http.request import Request
from service_kit.rpc.pb.user_commands_pb2 import Address
from service_kit.third_party_ids import EMAIL as EMAIL_MEDIUM
from service_kit.third_party_ids import canonical_email

EMPTY = b"{}"
NO_SUPPORT = {"id_server_unbind_result": "no-support"}
""" "`no-support` indicates that […] the homeserver was not able to determine an identity server to unbind from." """


class ThreePidCredentials(Struct):
    client_secret: str
    sid: str


class Post3PidsRequest(Struct):
    three_pid_creds: ThreePidCredentials
    auth: dict[str, Any] | None = None


class AddThreePidRequest(Struct):
    client_secret: str
    sid: str
    auth: dict[str, Any] | None = None


class BindThreePidRequest(Struct):
    client_secret: str
    id_server: str
    id_access_token: str
    sid: str


class ThreePidRequest(Struct):
    medium: str
    address: str
    id_server: str | None = None


@endpoint("GET", "/_matrix/client/v3/account/3pid", operation="getAccount3PIDs")
async def get_account_3pids(caller: Caller, third_party_ids: ThirdPartyIds) -> dict[str, object]:
    return {
        "threepids": [
            {
                "medium": each.medium,
                "address": each.address,
                "validated_at": each.validated_at_ms,
                "added_at": each.added_at_ms,
            }
            for each in await third_party_ids.of_user(caller.user_id)
        ]
    }


# Deprecated. NOTSPEC: as for `/3pid/add`, the password is asked for, with `auth` in the body as there: whoever got hold
# of an access token must not be able to have a new password sent to an address of their own.
@endpoint("POST", "/_matrix/client/v3/account/3pid", operation="post3PIDs", suspended=True)
async def post_3pids(
    body: Post3PidsRequest,
    caller: Caller,
    settings: Settings,
    password_auth: PasswordAuth,
    validation: EmailValidation,
    third_party_ids: ThirdPartyIds,
) -> bytes:
    _check_may_change(settings)
    await password_auth.demand("add3PID", caller, body.auth)
    return await _add(body.three_pid_creds, caller, validation, third_party_ids)


@endpoint("POST", "/_matrix/client/v3/account/3pid/add", operation="add3PID", suspended=True)
async def add_3pid(
    body: AddThreePidRequest,
    caller: Caller,
    settings: Settings,
    password_auth: PasswordAuth,
    validation: EmailValidation,
    third_party_ids: ThirdPartyIds,
) -> bytes:
    _check_may_change(settings)
    await password_auth.demand("add3PID", caller, body.auth)
    return await _add(ThreePidCredentials(body.client_secret, body.sid), caller, validation, third_party_ids)


@endpoint("POST", "/_matrix/client/v3/account/3pid/bind", operation="bind3PID", suspended=True)
async def bind_3pid(body: BindThreePidRequest, caller: Caller) -> bytes:
    raise ServerNotTrusted("This server works with no identity server")


# Suspended users may "change or add admin contacts, but not remove".
@endpoint("POST", "/_matrix/client/v3/account/3pid/delete", operation="delete3pidFromAccount")
async def delete_3pid_from_account(
    body: ThreePidRequest, caller: Caller, settings: Settings, third_party_ids: ThirdPartyIds
) -> dict[str, str]:
    _check_may_change(settings)
    if body.medium == EMAIL_MEDIUM:
        server_name = server_name_of(caller.user_id)
        address = Address(server_name=server_name, medium=EMAIL_MEDIUM, address=canonical_email(body.address))
        await third_party_ids.remove(caller.user_id, address)
    return NO_SUPPORT


@endpoint("POST", "/_matrix/client/v3/account/3pid/unbind", operation="unbind3pidFromAccount")
async def unbind_3pid_from_account(body: ThreePidRequest, caller: Caller) -> dict[str, str]:
    return NO_SUPPORT


@endpoint(
    "POST",
    "/_matrix/client/v3/account/3pid/email/requestToken",
    operation="requestTokenTo3PIDEmail",
    auth=Auth.NONE,
    rate_limit=EMAIL,
)
async def request_token_to_3pid_email(
    body: RequestTokenBody, request: Request, settings: Settings, hosted: HostedServers, validation: EmailValidation
) -> dict[str, object]:
    if not settings.capabilities.third_party_id_changes:
        raise ThreepidDenied("Addresses cannot be added to accounts here")
    return await validation.begin(ADD, body, hosted.for_host(request.header(b"host")))


@endpoint(
    "POST",
    "/_matrix/client/v3/account/3pid/msisdn/requestToken",
    operation="requestTokenTo3PIDMSISDN",
    auth=Auth.NONE,
    rate_limit=EMAIL,
)
async def request_token_to_3pid_msisdn(body: RequestMsisdnTokenBody) -> bytes:
    raise no_phone_numbers()


def _check_may_change(settings: Settings) -> None:
    if not settings.capabilities.third_party_id_changes:
        raise Forbidden("Addresses of accounts cannot be changed here")


async def _add(
    credentials: ThreePidCredentials, caller: Caller, validation: EmailValidation, third_party_ids: ThirdPartyIds
) -> bytes:
    given = {"sid": credentials.sid, "client_secret": credentials.client_secret}
    proven = await validation.proven(given, ADD)
    if proven.server_name != server_name_of(caller.user_id):
        raise ThreepidAuthFailed("This address was proven to another server")
    address = Address(server_name=proven.server_name, medium=proven.medium, address=proven.address)
    await third_party_ids.add(caller.user_id, address, proven.validated_at_ms)
    await validation.end(given, ADD)
    return EMPTY
