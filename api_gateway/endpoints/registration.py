"""Registering accounts.

In the order of the specification: what is wrong with the name is said before
authentication, and the name is taken after it; two who want it at the same time
may both authenticate, and one of them is told M_USER_IN_USE then.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import Struct

from api_gateway.email_validation import REGISTER, EmailValidation, RequestTokenBody
from api_gateway.msisdn import RequestMsisdnTokenBody, no_phone_numbers
from api_gateway.registration_stages import RegistrationStages, accepted_policies
from api_gateway.registration_tokens import Known, RegistrationTokens
from api_gateway.third_party_ids import ThirdPartyIds
from api_gateway.user_commands import check_new_password, new_session, new_tokens, session_body, user_exists
from api_gateway.user_identifiers import new_user_id, random_user_id
from api_gateway.user_interactive_auth import EMAIL, REGISTRATION_TOKEN, TERMS, Passed, UserInteractiveAuth
from matrix_protocol.errors import (
    AppserviceLoginUnsupported,
    Forbidden,
    GuestAccessForbidden,
    InvalidParam,
    MatrixError,
    MissingParam,
    ThreepidDenied,
    UserInUse,
)
from matrix_protocol.identifiers import server_name_of
from service_kit.access_tokens import shard_of_access_token, token_sha256
from service_kit.config import Settings
from service_kit.hosted_servers import HostedServers
from service_kit.http.endpoint import Auth, endpoint
from service_kit.http.rate_limits import EMAIL as EMAIL_LIMIT
from service_kit.http.rate_limits import REGISTRATION
from service_kit.http.request import Request
from service_kit.registration_settings import RegistrationSettings
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.facts_pb2 import ThirdPartyId
from service_kit.rpc.pb.user_commands_pb2 import Address, LookUpToken, RegisterUser, UserCommand, UserReply

RANDOM_NAME_TRIES_MAX = 3
APPLICATION_SERVICE = "m.login.application_service"


class RegisterRequest(Struct):
    auth: dict[str, Any] | None = None
    username: str | None = None
    password: str | None = None
    device_id: str | None = None
    initial_device_display_name: str | None = None
    inhibit_login: bool = False
    refresh_token: bool = False
    type: str | None = None
    guest_access_token: str | None = None
    """of a guest who becomes an ordinary user, under the same name"""


class Registrar(NamedTuple):
    """What making an account takes, and for whom."""

    settings: Settings
    users: CommandClient
    tokens: RegistrationTokens
    third_party_ids: ThirdPartyIds
    server_name: str
    client_ip: str

    async def make(self, body: RegisterRequest, passed: Passed) -> dict[str, object]:
        """An account, after what there was to prove was proven."""
        token = _token_of(passed)
        if token is None:
            return await self._register(body, passed)
        await self.tokens.take(token)
        try:
            return await self._register(body, passed)
        except MatrixError as error:
            if error.http_status < 500:  # else there may be an account after all
                await self.tokens.give_back(token)
            raise

    async def make_guest(self, body: RegisterRequest) -> dict[str, object]:
        """ "All parameters in the request body with the exception of `initial_device_display_name` MUST BE ignored"."""
        if not self.settings.registration.guests:
            raise GuestAccessForbidden("This server has no guest accounts")
        kept = RegisterRequest(initial_device_display_name=body.initial_device_display_name)
        return await self._register(kept, {}, guest=True)

    async def _register(self, body: RegisterRequest, passed: Passed, *, guest: bool = False) -> dict[str, object]:
        command = RegisterUser(password=body.password or "", guest=guest)
        if body.guest_access_token:
            command.guest_token_sha256 = token_sha256(body.guest_access_token)
        if TERMS in passed:
            command.accepted_policies.extend(accepted_policies(self.settings.registration))
        if EMAIL in passed:
            command.third_party_id.CopyFrom(_address_of(passed))
        if body.username is not None:
            command.user_id = new_user_id(body.username, self.server_name)
            return await self._send(command, body)
        for _ in range(RANDOM_NAME_TRIES_MAX - 1):
            command.user_id = random_user_id(self.server_name)
            try:
                return await self._send(command, body)
            except UserInUse:
                continue
        command.user_id = random_user_id(self.server_name)
        return await self._send(command, body)

    async def _send(self, command: RegisterUser, body: RegisterRequest) -> dict[str, object]:
        user_id, users = command.user_id, self.users
        shard = users.shards.of_user(user_id)
        tokens = new_tokens(shard, self.settings.sessions, with_refresh_token=body.refresh_token)
        if not body.inhibit_login:
            name = body.initial_device_display_name
            command.session.CopyFrom(new_session(tokens, body.device_id, name, client_ip=self.client_ip))
        reply = await self._send_with_address(command)
        answer: dict[str, object] = {"user_id": user_id, "home_server": server_name_of(user_id)}
        return answer if body.inhibit_login else answer | session_body(reply.session, tokens)

    async def _send_with_address(self, command: RegisterUser) -> UserReply:
        """The address is claimed first, for the user who is to be. Raises ThreepidInUse."""
        if not command.HasField("third_party_id"):
            return await self.users.user(command.user_id, UserCommand(register_user=command))
        proven = command.third_party_id
        address = Address(server_name=self.server_name, medium=proven.medium, address=proven.address)
        claim = await self.third_party_ids.claim(address, command.user_id)
        try:
            return await self.users.user(command.user_id, UserCommand(register_user=command))
        except MatrixError as error:
            if error.http_status < 500:  # else there may be an account after all
                await self.third_party_ids.release(address, claim)
            raise


@endpoint("POST", "/_matrix/client/v3/register", operation="register", auth=Auth.NONE, rate_limit=REGISTRATION)
async def register(
    body: RegisterRequest,
    request: Request,
    settings: Settings,
    hosted: HostedServers,
    users: CommandClient,
    tokens: RegistrationTokens,
    stages: RegistrationStages,
    third_party_ids: ThirdPartyIds,
    validation: EmailValidation,
    interactive_auth: UserInteractiveAuth,
) -> dict[str, object]:
    server_name = hosted.for_host(request.header(b"host"))
    registrar = Registrar(settings, users, tokens, third_party_ids, server_name, request.client_ip)
    kind = request.query_value("kind", "user")
    if kind == "guest":
        return await registrar.make_guest(body)
    if kind != "user":
        raise InvalidParam("kind must be user or guest")
    if body.type == APPLICATION_SERVICE:
        raise AppserviceLoginUnsupported("This server does not support application services")
    _check_open(settings.registration)
    await _check_name(body, server_name, users, settings)
    if body.password is not None:
        check_new_password(body.password, settings.passwords)
    demand = stages.demand(server_name, request.client_ip)
    passed = await interactive_auth.demand(demand, body.auth)
    check_new_password(body.password, settings.passwords)
    answer = await registrar.make(body, passed)
    if EMAIL in passed:
        await validation.end((body.auth or {}).get("threepid_creds"), REGISTER)
    return answer


@endpoint(
    "POST",
    "/_matrix/client/v3/register/email/requestToken",
    operation="requestTokenToRegisterEmail",
    auth=Auth.NONE,
    rate_limit=EMAIL_LIMIT,
)
async def request_token_to_register_email(
    body: RequestTokenBody, request: Request, settings: Settings, hosted: HostedServers, validation: EmailValidation
) -> dict[str, object]:
    _check_open(settings.registration)
    if settings.email.enabled and settings.registration.email == "never":
        raise ThreepidDenied("Accounts are made without e-mail addresses here")
    return await validation.begin(REGISTER, body, hosted.for_host(request.header(b"host")))


@endpoint(
    "POST",
    "/_matrix/client/v3/register/msisdn/requestToken",
    operation="requestTokenToRegisterMSISDN",
    auth=Auth.NONE,
    rate_limit=EMAIL_LIMIT,
)
async def request_token_to_register_msisdn(body: RequestMsisdnTokenBody) -> bytes:
    raise no_phone_numbers()


@endpoint("GET", "/_matrix/client/v3/register/available", operation="checkUsernameAvailability", auth=Auth.NONE)
async def check_username_availability(
    request: Request, settings: Settings, hosted: HostedServers, users: CommandClient
) -> dict[str, object]:
    _check_open(settings.registration)
    username = request.query_value("username")
    if not username:
        raise MissingParam("Which username?")
    await _check_available(users, new_user_id(username, hosted.for_host(request.header(b"host"))), settings)
    return {"available": True}


# In registration_tokens.yaml; "Servers should be sure to rate limit this endpoint to avoid brute force attacks."
@endpoint(
    "GET",
    "/_matrix/client/v1/register/m.login.registration_token/validity",
    operation="registrationTokenValidity",
    auth=Auth.NONE,
    rate_limit=REGISTRATION,
)
async def registration_token_validity(
    request: Request, settings: Settings, tokens: RegistrationTokens
) -> dict[str, object]:
    if settings.registration.mode != "token":
        raise Forbidden("This server does not take registration tokens")
    token = request.query_value("token")
    if not token:
        raise MissingParam("Which token?")
    return {"valid": await tokens.holds(token) is not None}


def _check_open(settings: RegistrationSettings) -> None:
    if settings.mode == "closed":
        raise Forbidden("Registration is disabled on this server")


async def _check_name(body: RegisterRequest, server_name: str, users: CommandClient, settings: Settings) -> None:
    """Whether the name can be had. Guests who become ordinary users "are also required to specify the `username`
    parameter to the value of the local part of their username": theirs is taken, by themselves.
    """
    if body.guest_access_token is not None:
        if body.username is None:
            raise MissingParam("Guests who want to keep their account have to give its name as username")
        guest_id = await _guest_of(body.guest_access_token, users)
        if guest_id != new_user_id(body.username, server_name):
            raise Forbidden("This is not the access token of that guest")
    elif body.username is not None:
        await _check_available(users, new_user_id(body.username, server_name), settings)


async def _guest_of(access_token: str, users: CommandClient) -> str:
    """The guest's user ID; "" if it is no guest's token. Raises UnknownToken."""
    shard = shard_of_access_token(access_token, users.shards)
    if shard is None:
        return ""
    command = LookUpToken(token_sha256=token_sha256(access_token))
    owner = (await users.shard(shard, command.token_sha256.hex(), UserCommand(look_up_token=command))).token_owner
    return owner.user_id if owner.guest and not owner.soft_logged_out else ""


async def _check_available(users: CommandClient, user_id: str, settings: Settings) -> None:
    notices = settings.server_notices
    is_reserved = bool(notices.localpart) and user_id == notices.sender(server_name_of(user_id))
    if is_reserved or await user_exists(users, user_id):
        raise UserInUse("This user name is taken")


def _address_of(passed: Passed) -> ThirdPartyId:
    detail = passed[EMAIL]
    assert isinstance(detail, dict)
    return ThirdPartyId(medium="email", address=detail["address"], validated_at_ms=detail["validated_at_ms"])


def _token_of(passed: Passed) -> Known | None:
    """The registration token that the client came with."""
    detail = passed.get(REGISTRATION_TOKEN)
    return Known(bytes.fromhex(detail["sha256"]), detail["uses_max"]) if isinstance(detail, dict) else None
