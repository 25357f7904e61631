"""A MatrixError on its way through a reply, and back."""

from __future__ import annotations

import orjson

from matrix_protocol.errors import LimitExceeded, MatrixError, error_from
from service_kit.rpc.pb.commands_pb2 import Reply
from service_kit.rpc.pb.common_pb2 import CommandError

EXTRA_JSON_BYTES_MAX = 65536
OVERLOAD_RETRY_AFTER_MS = 1000


def command_error(error: MatrixError) -> CommandError:
    return CommandError(
        errcode=error.errcode,
        message=error.message,
        http_status=error.http_status,
        extra_json=orjson.dumps(error.extra) if error.extra else b"",
    )


def refusal(error: MatrixError) -> bytes:
    """The serialised Reply that refuses a command."""
    return Reply(error=command_error(error)).SerializeToString()


def overloaded() -> bytes:
    """The serialised Reply of an owner that has more to do than it takes on."""
    message = "Too many commands wait for this part of the server"
    return refusal(LimitExceeded(message, retry_after_ms=OVERLOAD_RETRY_AFTER_MS))


def as_matrix_error(error: CommandError) -> MatrixError:
    extra = orjson.loads(error.extra_json) if error.extra_json else None
    return error_from(error.errcode, error.message, error.http_status, extra)
