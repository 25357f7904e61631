"""MatrixErrors over gRPC: a status for gRPC's tools, and the whole error in the trailing metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from matrix_protocol.errors import MatrixError
from service_kit.rpc.errors import as_matrix_error, command_error
from service_kit.rpc.pb.common_pb2 import CommandError

if TYPE_CHECKING:
    import grpc

ERROR_KEY = "plexus-error-bin"
ERROR_BYTES_MAX = 4096
"""gRPC's peers refuse more than 8 KiB of metadata."""
_STATUS_BY_HTTP_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


def status_of(error: MatrixError) -> grpc.StatusCode:
    import grpc

    status: grpc.StatusCode = getattr(grpc.StatusCode, _STATUS_BY_HTTP_STATUS.get(error.http_status, "INTERNAL"))
    return status


def metadata_of(error: MatrixError) -> tuple[tuple[str, bytes]]:
    packed = command_error(error)
    if packed.ByteSize() > ERROR_BYTES_MAX:
        packed.extra_json = b""
        packed.message = packed.message[: ERROR_BYTES_MAX // 8]
    return ((ERROR_KEY, packed.SerializeToString()),)


def matrix_error_in(metadata: Any) -> MatrixError | None:
    """The error that `metadata_of` packed; None if the failure was gRPC's own."""
    for key, value in metadata or ():
        if key == ERROR_KEY:
            try:
                return as_matrix_error(CommandError.FromString(value))
            except (DecodeError, ValueError):
                return None
    return None
