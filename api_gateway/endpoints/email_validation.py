"""Where the link in a mail leads, and where a client may submit its token itself.

NOTSPEC: the path is ours; the specification leaves it to the homeserver. The parameters and errors of the JSON form are
those of the identity service's `POST /validate/email/submitToken`.

    GET  ?sid&token                   a page with a button: opening it changes nothing
    POST sid, token (form)            what the button does: proven; then a page, or `next_link` where allowed
    POST {sid, token, client_secret}  {"success": true}
"""

from __future__ import annotations

import msgspec

from api_gateway import validation_pages
from matrix_protocol.errors import InvalidParam, MatrixError, NoValidSession, TokenIncorrect
from service_kit.config import Settings
from service_kit.http.decoding import RawBody, body_decoder
from service_kit.http.endpoint import Auth, endpoint
from service_kit.http.rate_limits import EMAIL_LINK
from service_kit.http.request import Answer, Request, parse_query
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import SubmitValidation, UserCommand, Validation
from service_kit.third_party_ids import SUBMIT_TOKEN_PATH, check_client_secret, shard_of_sid

TOKEN_CHARACTERS_MAX = 255
BODY_BYTES_MAX = 8 * 1024


class SubmitTokenBody(msgspec.Struct):
    sid: str
    client_secret: str
    token: str


_decode_json = body_decoder(SubmitTokenBody)


@endpoint("GET", SUBMIT_TOKEN_PATH, operation="showEmailToken", auth=Auth.NONE, rate_limit=EMAIL_LINK)
async def show_email_token(request: Request, settings: Settings, users: CommandClient) -> Answer:
    app_name = settings.email.app_name
    sid, token = request.query_value("sid"), request.query_value("token")
    try:
        validation = await _submit(users, sid, token, look=True)
    except MatrixError as error:
        return validation_pages.refused(app_name, error.http_status, error.message)
    return validation_pages.question(app_name, validation.purpose, validation.address, sid, token)


@endpoint(
    "POST",
    SUBMIT_TOKEN_PATH,
    operation="submitEmailToken",
    auth=Auth.NONE,
    rate_limit=EMAIL_LINK,
    body_bytes_max=BODY_BYTES_MAX,
)
async def submit_email_token(request: Request, body: RawBody, settings: Settings, users: CommandClient) -> object:
    if request.header(b"content-type").partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        return await _from_page(body, settings, users)
    given = _decode_json(body)
    assert isinstance(given, SubmitTokenBody)
    secret_sha256 = check_client_secret(given.client_secret)
    await _submit(users, given.sid, given.token, secret_sha256)
    return {"success": True}


async def _from_page(body: RawBody, settings: Settings, users: CommandClient) -> Answer:
    app_name = settings.email.app_name
    try:
        form = parse_query(body)
        sid, token = (form.get(name, [""])[0] for name in ("sid", "token"))
        validation = await _submit(users, sid, token)
    except MatrixError as error:
        return validation_pages.refused(app_name, error.http_status, error.message)
    if validation.next_link:
        return validation_pages.elsewhere(validation.next_link)
    return validation_pages.done(app_name)


async def _submit(
    users: CommandClient, sid: str, token: str, client_secret_sha256: bytes = b"", *, look: bool = False
) -> Validation:
    """Raises NoValidSession, SessionExpired, TokenIncorrect, InvalidParam."""
    if not sid or not token:
        raise InvalidParam("The link is not complete: sid and token are needed")
    shard = shard_of_sid(sid, users.shards)
    if shard is None:
        raise NoValidSession("There is no such session")
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise TokenIncorrect("This is not the token that was mailed")
    command = SubmitValidation(sid=sid, token=token, client_secret_sha256=client_secret_sha256, look=look)
    return (await users.shard(shard, sid, UserCommand(submit_validation=command))).validation
