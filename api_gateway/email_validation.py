"""Proving that an e-mail address is one's own: what the requestToken endpoints do, and who may rely on it.

    …/email/requestToken       a session (`sid`), and a mail with a link
    the link                   the address is proven, for whoever has the session and its client secret
    `threepid_creds`           session and secret, as proof: at registration, for a new password, to add the address

A session serves the purpose that it began with and no other, for the mail said which. Kept by the userserver shard that
the address hashes to (`userserver.validations`).
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from api_gateway.third_party_ids import ThirdPartyIds
from api_gateway.user_interactive_auth import AuthData, StageFailed
from matrix_protocol.errors import (
    MatrixError,
    NoValidSession,
    ThreepidDenied,
    ThreepidInUse,
    ThreepidMediumNotSupported,
    ThreepidNotFound,
)
from service_kit.config import Settings
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import (
    Address,
    BeginValidation,
    GetValidation,
    UserCommand,
    Validation,
)
from service_kit.third_party_ids import (
    EMAIL,
    ValidationCodes,
    canonical_email,
    check_client_secret,
    shard_key,
    shard_of_sid,
)

NEXT_LINK_CHARACTERS_MAX = 2000
SID_CHARACTERS_MAX = 255


class RequestTokenBody(Struct):
    """`id_server` and `id_access_token` are "ignored when the homeserver handles 3PID verification"."""

    client_secret: str
    email: str
    send_attempt: Annotated[int, Meta(ge=0, le=2**53)]
    next_link: str | None = None


class Purpose(NamedTuple):
    """What an address is proven for."""

    name: str
    must_be_used: bool
    """Whether the address must belong to an account, or must not."""
    other_mail: str
    """The mail's kind where it is otherwise."""


REGISTER = Purpose("register", False, "register_in_use")
ADD = Purpose("add", False, "add_in_use")
RESET = Purpose("reset", True, "reset_unknown")


class EmailValidation:
    def __init__(
        self, settings: Settings, users: CommandClient, third_party_ids: ThirdPartyIds, codes: ValidationCodes
    ) -> None:
        self._settings = settings
        self._users = users
        self._third_party_ids = third_party_ids
        self._codes = codes

    async def begin(self, purpose: Purpose, body: RequestTokenBody, server_name: str) -> dict[str, object]:
        """The answer of a requestToken endpoint.

        Raises ThreepidMediumNotSupported, ThreepidDenied, ThreepidInUse, ThreepidNotFound, InvalidParam, LimitExceeded.
        """
        settings = self._settings.email
        if not settings.enabled:
            raise ThreepidMediumNotSupported("This server sends no mails")
        secret_sha256 = check_client_secret(body.client_secret)
        address = self._address(body.email, server_name)
        is_used = await self._third_party_ids.owner_of(address) is not None
        mail_kind = purpose.name
        if is_used != purpose.must_be_used:
            # "it is recommended that the server instead send an email […]. This prevents malicious parties from being
            # able to determine if a given email address has an account on the homeserver in question."
            if not settings.hide_accounts:
                raise _used_otherwise(is_used)
            mail_kind = purpose.other_mail
        command = BeginValidation(
            sid=self._codes.sid(address, purpose.name, secret_sha256, self._users.shards),
            address=address,
            purpose=purpose.name,
            client_secret_sha256=secret_sha256,
            send_attempt=body.send_attempt,
            next_link=self._allowed_link(body.next_link),
            lifetime_ms=settings.link_lifetime_s * 1000,
            mail_kind=mail_kind,
            base_url=base_url(self._settings, server_name),
            address_code=self._codes.address_code(address),
            mails_per_hour_max=settings.mails_per_hour_max,
        )
        await self._users.user(shard_key(address), UserCommand(begin_validation=command))
        return {"sid": command.sid}

    async def proven(self, credentials: object, purpose: Purpose, *, end: bool = False) -> Validation:
        """What was proven with this session and secret (`threepid_creds`).

        Raises NoValidSession, SessionExpired, SessionNotValidated, InvalidParam.
        """
        if not isinstance(credentials, dict):
            raise NoValidSession("threepid_creds are missing")
        sid, secret = credentials.get("sid"), credentials.get("client_secret")
        shard = shard_of_sid(sid, self._users.shards) if isinstance(sid, str) else None
        if shard is None or not isinstance(secret, str):
            raise NoValidSession("There is no such session")
        command = GetValidation(
            sid=str(sid), client_secret_sha256=check_client_secret(secret), purpose=purpose.name, end=end
        )
        return (await self._users.shard(shard, command.sid, UserCommand(get_validation=command))).validation

    async def end(self, credentials: object, purpose: Purpose) -> None:
        """It was used. Best effort: it ends by itself."""
        try:
            await self.proven(credentials, purpose, end=True)
        except MatrixError:
            return

    async def stage(self, auth: AuthData, purpose: Purpose, server_name: str) -> dict[str, Any]:
        """The stage `m.login.email.identity`: answers what was proven. Raises StageFailed."""
        # Clients of before the specification's release 0.5 write it so.
        credentials = auth.get("threepid_creds", auth.get("threepidCreds"))
        try:
            validation = await self.proven(credentials, purpose)
        except MatrixError as error:
            if error.http_status >= 500:
                raise
            # Clients ask again and again until the link was followed: they expect this errcode.
            raise StageFailed("M_UNAUTHORIZED", error.message) from error
        if validation.server_name != server_name:
            raise StageFailed("M_UNAUTHORIZED", "There is no such session")
        return {"address": validation.address, "validated_at_ms": validation.validated_at_ms}

    def _address(self, email: str, server_name: str) -> Address:
        address = canonical_email(email)
        domains = self._settings.email.allowed_domains
        if domains and address.rpartition("@")[2] not in {domain.lower() for domain in domains}:
            raise ThreepidDenied("Addresses of this domain are not accepted here")
        return Address(server_name=server_name, medium=EMAIL, address=address)

    def _allowed_link(self, next_link: str | None) -> str:
        """Where to send people after the link: "" unless the configuration allows it. It must not be used to make our
        mails lead anywhere.
        """
        if not next_link or len(next_link) > NEXT_LINK_CHARACTERS_MAX or not next_link.isascii():
            return ""
        try:
            parts = urlsplit(next_link)
            host = parts.hostname
        except ValueError:
            return ""
        is_plain = next_link.isprintable() and " " not in next_link and "\\" not in next_link
        allowed = {host.lower() for host in self._settings.email.next_link_hosts}
        return next_link if is_plain and parts.scheme in ("https", "http") and host in allowed else ""


def base_url(settings: Settings, server_name: str) -> str:
    """Where clients reach a server name of ours: from the configuration alone, never from a request."""
    urls = {server.server_name: server.public_base_url for server in settings.further_servers}
    return (urls.get(server_name) or settings.client_base_url).rstrip("/")


def _used_otherwise(is_used: bool) -> MatrixError:
    if is_used:
        return ThreepidInUse("This address belongs to an account already")
    return ThreepidNotFound("No account has this address")
