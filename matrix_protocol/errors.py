"""Every errcode of the client-server API and its siblings, once, in alphabetical order: an exception class each.

Raise sites give only the human message (whose fault it is, and what to do),
and the further members of the error object as keywords:

    raise LimitExceeded("Too many requests from this device", retry_after_ms=1200)

`errcode` and `http_status` are class attributes; an instance carries its own
`http_status` only if the error came from elsewhere with another one (`error_from`).
The identity service API has some more errcodes, which are not here.

Spec: https://spec.matrix.org/v1.19/client-server-api/#standard-error-response
"""

from __future__ import annotations

from collections.abc import Mapping


class MatrixError(Exception):
    """An error in the words of the client-server API, on its way to whoever asked."""

    errcode: str = "M_UNKNOWN"
    http_status: int = 500

    def __init__(self, message: str, /, **extra: object) -> None:
        super().__init__(message)
        self.message = message
        self.extra: dict[str, object] = extra

    def body(self) -> dict[str, object]:
        """The JSON object to answer with."""
        return {**self.extra, "errcode": self.errcode, "error": self.message}

    def __str__(self) -> str:
        return f"{self.errcode}: {self.message}"


class AppserviceLoginUnsupported(MatrixError):
    """The homeserver does not let application services log in so."""

    errcode = "M_APPSERVICE_LOGIN_UNSUPPORTED"
    http_status = 400


class BadAlias(MatrixError):
    """An alias in an `m.room.canonical_alias` event does not point to the room."""

    errcode = "M_BAD_ALIAS"
    http_status = 400


class BadJson(MatrixError):
    """Valid JSON, but malformed: missing keys, wrong types or values."""

    errcode = "M_BAD_JSON"
    http_status = 400


class BadState(MatrixError):
    """The change of state cannot be made, such as unbanning somebody who is not banned."""

    errcode = "M_BAD_STATE"
    http_status = 403


class BadStatus(MatrixError):
    """An application service answered a third-party lookup with an error."""

    errcode = "M_BAD_STATUS"
    http_status = 502


class CannotLeaveServerNoticeRoom(MatrixError):
    """The invitation to the server notices room cannot be refused."""

    errcode = "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM"
    http_status = 403


class CannotOverwriteMedia(MatrixError):
    """The media ID has its content already."""

    errcode = "M_CANNOT_OVERWRITE_MEDIA"
    http_status = 409


class CaptchaInvalid(MatrixError):
    """The captcha did not match."""

    errcode = "M_CAPTCHA_INVALID"
    http_status = 400


class CaptchaNeeded(MatrixError):
    """A captcha is required."""

    errcode = "M_CAPTCHA_NEEDED"
    http_status = 401


class ConnectionFailed(MatrixError):
    """An application service could not be reached for a third-party lookup."""

    errcode = "M_CONNECTION_FAILED"
    http_status = 503


class ConnectionTimeout(MatrixError):
    """An application service did not answer a third-party lookup in time."""

    errcode = "M_CONNECTION_TIMEOUT"
    http_status = 504


class DuplicateAnnotation(MatrixError):
    """The same reaction by the same user on the same event."""

    errcode = "M_DUPLICATE_ANNOTATION"
    http_status = 400


class Exclusive(MatrixError):
    """The name belongs to an application service, or not to the one that asked."""

    errcode = "M_EXCLUSIVE"
    http_status = 400


class Forbidden(MatrixError):
    """Not allowed: no permission in the room, failed login."""

    errcode = "M_FORBIDDEN"
    http_status = 403


class GuestAccessForbidden(MatrixError):
    """Guests may not come here."""

    errcode = "M_GUEST_ACCESS_FORBIDDEN"
    http_status = 403


class IncompatibleRoomVersion(MatrixError):
    """The room has a version that the other side does not support; `room_version` says which."""

    errcode = "M_INCOMPATIBLE_ROOM_VERSION"
    http_status = 400


class InvalidParam(MatrixError):
    """A parameter has the wrong value."""

    errcode = "M_INVALID_PARAM"
    http_status = 400


class InvalidRoomState(MatrixError):
    """The initial state given to createRoom cannot be."""

    errcode = "M_INVALID_ROOM_STATE"
    http_status = 400


class InvalidSignature(MatrixError):
    """A signature on uploaded keys does not match."""

    errcode = "M_INVALID_SIGNATURE"
    http_status = 400


class InvalidUsername(MatrixError):
    """The wanted user ID is not a valid one."""

    errcode = "M_INVALID_USERNAME"
    http_status = 400


class InviteBlocked(MatrixError):
    """The invited user does not want invitations from this one."""

    errcode = "M_INVITE_BLOCKED"
    http_status = 403


class KeyTooLarge(MatrixError):
    """A profile field's name is longer than 255 bytes."""

    errcode = "M_KEY_TOO_LARGE"
    http_status = 400


class LimitExceeded(MatrixError):
    """Too many requests; `retry_after_ms` says when to come again."""

    errcode = "M_LIMIT_EXCEEDED"
    http_status = 429


class MissingParam(MatrixError):
    """A required parameter is missing."""

    errcode = "M_MISSING_PARAM"
    http_status = 400


class MissingToken(MatrixError):
    """The request needs an access token and has none."""

    errcode = "M_MISSING_TOKEN"
    http_status = 401


class NotFound(MatrixError):
    """There is no such thing, or the asking user may not know of it."""

    errcode = "M_NOT_FOUND"
    http_status = 404


class NotJson(MatrixError):
    """The request's body is not JSON."""

    errcode = "M_NOT_JSON"
    http_status = 400


class NotYetUploaded(MatrixError):
    """The media ID exists, its content does not yet."""

    errcode = "M_NOT_YET_UPLOADED"
    http_status = 504


class NoValidSession(MatrixError):
    """No validated third-party session with these secrets."""

    errcode = "M_NO_VALID_SESSION"
    http_status = 400


class ProfileTooLarge(MatrixError):
    """The whole profile would exceed 64 KiB."""

    errcode = "M_PROFILE_TOO_LARGE"
    http_status = 400


class ResourceLimitExceeded(MatrixError):
    """The homeserver has reached a limit imposed on it; `admin_contact` is required."""

    errcode = "M_RESOURCE_LIMIT_EXCEEDED"
    http_status = 403


class RoomInUse(MatrixError):
    """The room alias is taken."""

    errcode = "M_ROOM_IN_USE"
    http_status = 400


class ServerNotTrusted(MatrixError):
    """A third-party server that this homeserver does not trust."""

    errcode = "M_SERVER_NOT_TRUSTED"
    http_status = 400


class SessionExpired(MatrixError):
    """The third-party validation session is too old."""

    errcode = "M_SESSION_EXPIRED"
    http_status = 400


class SessionNotValidated(MatrixError):
    """The third-party validation session is not validated yet."""

    errcode = "M_SESSION_NOT_VALIDATED"
    http_status = 400


class TermsNotSigned(MatrixError):
    """The user must agree to terms first."""

    errcode = "M_TERMS_NOT_SIGNED"
    http_status = 403


class ThreepidAuthFailed(MatrixError):
    """The third-party identifier's owner could not be proven."""

    errcode = "M_THREEPID_AUTH_FAILED"
    http_status = 403


class ThreepidDenied(MatrixError):
    """Third-party identifiers of this kind or domain are not accepted."""

    errcode = "M_THREEPID_DENIED"
    http_status = 403


class ThreepidInUse(MatrixError):
    """The third-party identifier belongs to an account already."""

    errcode = "M_THREEPID_IN_USE"
    http_status = 400


class ThreepidMediumNotSupported(MatrixError):
    """Identifiers of this medium cannot be added here."""

    errcode = "M_THREEPID_MEDIUM_NOT_SUPPORTED"
    http_status = 400


class ThreepidNotFound(MatrixError):
    """No account has this third-party identifier."""

    errcode = "M_THREEPID_NOT_FOUND"
    http_status = 400


class TokenIncorrect(MatrixError):
    """A validation token that the user typed does not match."""

    errcode = "M_TOKEN_INCORRECT"
    http_status = 400


class TooLarge(MatrixError):
    """The request or the event is too large."""

    errcode = "M_TOO_LARGE"
    http_status = 413


class UnableToAuthoriseJoin(MatrixError):
    """This server cannot tell whether the join's conditions hold; ask another resident server."""

    errcode = "M_UNABLE_TO_AUTHORISE_JOIN"
    http_status = 400


class UnableToGrantJoin(MatrixError):
    """The conditions hold, but no user of this server may invite; ask another resident server."""

    errcode = "M_UNABLE_TO_GRANT_JOIN"
    http_status = 400


class Unauthorized(MatrixError):
    """The request was not correctly authorised (server-server signatures, login)."""

    errcode = "M_UNAUTHORIZED"
    http_status = 401


class Unknown(MatrixError):
    """Something went wrong, and it is our fault."""

    errcode = "M_UNKNOWN"
    http_status = 500


class Unavailable(Unknown):
    """Cannot be done right now, and trying again may help (a shard is moving, the store is away)."""

    http_status = 503


class NotRelatable(Unknown):
    """The event relates to another one in a way that is not possible; there is no errcode for it."""

    http_status = 400


class UnknownDevice(MatrixError):
    """The device that an application service asserts does not belong to the user."""

    errcode = "M_UNKNOWN_DEVICE"
    http_status = 400


class UnknownToken(MatrixError):
    """The access or refresh token is not (or no longer) valid; `soft_logout` may tell more."""

    errcode = "M_UNKNOWN_TOKEN"
    http_status = 401


class Unrecognized(MatrixError):
    """There is no such endpoint."""

    errcode = "M_UNRECOGNIZED"
    http_status = 404


class UnrecognizedMethod(Unrecognized):
    """The endpoint exists, with other methods."""

    http_status = 405


class UnsupportedRoomVersion(MatrixError):
    """This server cannot create rooms of the wanted version."""

    errcode = "M_UNSUPPORTED_ROOM_VERSION"
    http_status = 400


class UrlNotSet(MatrixError):
    """The application service has no URL to be pinged at."""

    errcode = "M_URL_NOT_SET"
    http_status = 400


class UserDeactivated(MatrixError):
    """The account was deactivated."""

    errcode = "M_USER_DEACTIVATED"
    http_status = 403


class UserInUse(MatrixError):
    """The wanted user ID is taken."""

    errcode = "M_USER_IN_USE"
    http_status = 400


class UserLimitExceeded(MatrixError):
    """The user has reached a limit of the account; `info_uri` is required."""

    errcode = "M_USER_LIMIT_EXCEEDED"
    http_status = 403


class UserLocked(MatrixError):
    """The account is locked; `soft_logout: true` goes with it."""

    errcode = "M_USER_LOCKED"
    http_status = 401


class UserSuspended(MatrixError):
    """The account is suspended and may do only a few things."""

    errcode = "M_USER_SUSPENDED"
    http_status = 403


class WeakPassword(MatrixError):
    """The password was refused by the server's rules."""

    errcode = "M_WEAK_PASSWORD"
    http_status = 400


class WrongRoomKeysVersion(MatrixError):
    """The key backup's version is not the current one; `current_version` says which is."""

    errcode = "M_WRONG_ROOM_KEYS_VERSION"
    http_status = 403


def all_errors() -> list[type[MatrixError]]:
    """Every class above, in the file's order."""
    found = [value for value in globals().values() if isinstance(value, type) and issubclass(value, MatrixError)]
    return [error for error in found if error is not MatrixError]


_ERRORS_BY_CODE_AND_STATUS = {(error.errcode, error.http_status): error for error in all_errors()}
_ERRORS_BY_CODE = {error.errcode: error for error in reversed(all_errors())}


def error_from(
    errcode: str, message: str, http_status: int = 0, extra: Mapping[str, object] | None = None
) -> MatrixError:
    """The error that travelled from another process or server, as an exception again.

    `http_status` 0 means: the errcode's usual one.
    """
    kind = _ERRORS_BY_CODE_AND_STATUS.get((errcode, http_status)) or _ERRORS_BY_CODE.get(errcode, MatrixError)
    error = kind(message)
    error.extra = dict(extra or {})
    error.errcode = errcode
    if http_status:
        error.http_status = http_status
    return error
