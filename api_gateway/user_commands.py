"""Commands to userservers that take more than one line: sessions with their tokens, and those that come in parts."""

from __future__ import annotations

from typing import NamedTuple

from matrix_protocol.errors import InvalidParam, MatrixError, MissingParam, Unavailable, WeakPassword
from service_kit.access_tokens import Token, new_access_token, new_refresh_token
from service_kit.config import PasswordSettings, SessionSettings
from service_kit.http.authentication import Caller
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import CheckPassword, CheckUsername, NewSession, Session, UserCommand
from service_kit.shards import Shard

PARTS_MAX = 100
PASSWORD_BYTES_MAX = 512
DEVICE_ID_CHARACTERS_MAX = 255
DEVICE_NAME_CHARACTERS_MAX = 255


class Tokens(NamedTuple):
    """New tokens. Only their hashes go any further than the client."""

    access: Token
    refresh: Token | None
    lifetime_ms: int
    """of the access token; 0 = never expires"""


def new_tokens(shard: Shard, settings: SessionSettings, *, with_refresh_token: bool) -> Tokens:
    """Tokens expire only for clients that can refresh them."""
    if not with_refresh_token:
        return Tokens(new_access_token(shard), None, 0)
    return Tokens(new_access_token(shard), new_refresh_token(shard), settings.access_token_lifetime_s * 1000)


def new_session(tokens: Tokens, device_id: str | None, device_name: str | None, *, client_ip: str) -> NewSession:
    """Raises InvalidParam for what is too long."""
    check_device_id(device_id or "")
    check_device_name(device_name or "")
    return NewSession(
        device_id=device_id or "",
        initial_device_display_name=device_name or "",
        access_token_sha256=tokens.access.sha256,
        refresh_token_sha256=tokens.refresh.sha256 if tokens.refresh else b"",
        access_token_lifetime_ms=tokens.lifetime_ms,
        client_ip=client_ip,
    )


def session_body(session: Session, tokens: Tokens) -> dict[str, object]:
    """The members that the answers of registration, login and refresh have in common."""
    body: dict[str, object] = {"access_token": tokens.access.text}
    if session.device_id:
        body |= {"user_id": session.user_id, "device_id": session.device_id}
    if tokens.refresh is not None:
        body["refresh_token"] = tokens.refresh.text
    if tokens.lifetime_ms:
        body["expires_in_ms"] = tokens.lifetime_ms
    return body


def check_device_id(device_id: str) -> None:
    if len(device_id) > DEVICE_ID_CHARACTERS_MAX or "\x00" in device_id:
        raise InvalidParam(f"A device ID may have {DEVICE_ID_CHARACTERS_MAX} characters")


def check_device_name(name: str) -> None:
    if len(name) > DEVICE_NAME_CHARACTERS_MAX:
        raise InvalidParam(f"A device's display name may have {DEVICE_NAME_CHARACTERS_MAX} characters")


def check_new_password(password: str | None, settings: PasswordSettings) -> str:
    """The password, if it may be set. Raises MissingParam, WeakPassword, InvalidParam."""
    if not password:
        raise MissingParam("Give a password")
    if len(password) < settings.length_min:
        raise WeakPassword(f"Passwords here have at least {settings.length_min} characters")
    if len(password) > settings.length_max:
        raise InvalidParam(f"Passwords here have at most {settings.length_max} characters")
    if len(password.encode("utf-8", "replace")) > PASSWORD_BYTES_MAX:
        raise InvalidParam(f"Passwords may have {PASSWORD_BYTES_MAX} bytes")
    return password


async def user_exists(users: CommandClient, user_id: str) -> bool:
    try:
        await users.user(user_id, UserCommand(check_username=CheckUsername(user_id=user_id)))
    except MatrixError as error:
        if error.errcode != "M_USER_IN_USE":
            raise
        return True
    return False


async def is_password_of(users: CommandClient, caller: Caller, password: object) -> bool:
    if not isinstance(password, str) or len(password) > PASSWORD_BYTES_MAX:
        return False
    check = CheckPassword(user_id=caller.user_id, password=password)
    return (await users.user(caller.user_id, UserCommand(check_password=check))).matched


async def send_until_done(users: CommandClient, user_id: str, command: UserCommand) -> None:
    """Send a command that removes many records until its owner says that nothing is left."""
    for _ in range(PARTS_MAX):
        if not (await users.user(user_id, command)).more:
            return
    raise Unavailable("There is more to remove than can be done at once; send the same request again")
