"""Reports of events, rooms and users, kept for those who look after the server (`plexus reports`).

What is reported is logged, what was said about it is not.
"""

from __future__ import annotations

import logging

from msgspec import Struct

from api_gateway.checks import EMPTY, check_event_id, check_room_id
from api_gateway.user_commands import user_exists
from matrix_protocol.errors import InvalidParam, NotFound
from matrix_protocol.identifiers import is_valid_user_id, server_name_of
from service_kit.hosted_servers import HostedServers
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.http.rate_limits import REPORT
from service_kit.http.request import Request
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_directory_pb2 import StandingRequest
from service_kit.rpc.pb.room_queries_pb2 import EventRequest
from service_kit.rpc.pb.user_commands_pb2 import ReportContent, UserCommand
from service_kit.rpc.queries import GET_EVENT, GET_STANDING, Asker

REASON_CHARS_MAX = 2000
"""More of it is cut off: a report that is refused would be made by nobody."""

log = logging.getLogger(__name__)


class Report(Struct):
    reason: str


class EventReport(Struct):
    reason: str = ""


@endpoint("POST", "/_matrix/client/v3/rooms/{roomId}/report/{eventId}", operation="reportEvent", rate_limit=REPORT)
async def report_event(
    room_id: str, event_id: str, body: EventReport, caller: Caller, request: Request, users: CommandClient, asker: Asker
) -> bytes:
    check_room_id(room_id)
    check_event_id(event_id)
    # "servers MUST verify that the reporting user is currently joined to the room the event is in before accepting"
    standing = await asker.single(GET_STANDING, StandingRequest(room_id=room_id, user_id=caller.user_id))
    if standing.membership != "join":
        raise NotFound("The event was not found or you are not joined to the room.")
    await asker.single(GET_EVENT, EventRequest(room_id=room_id, event_id=event_id, as_user_id=caller.user_id))
    report = ReportContent(room_id=room_id, event_id=event_id, reason=body.reason)
    return await _keep(report, caller, request, users)


@endpoint("POST", "/_matrix/client/v3/rooms/{roomId}/report", operation="reportRoom", rate_limit=REPORT)
async def report_room(
    room_id: str, body: Report, caller: Caller, request: Request, users: CommandClient, asker: Asker
) -> bytes:
    # "servers MUST NOT restrict room reports based on whether or not the reporting user is joined to the room"
    await asker.single(GET_STANDING, StandingRequest(room_id=check_room_id(room_id), user_id=caller.user_id))
    return await _keep(ReportContent(room_id=room_id, reason=body.reason), caller, request, users)


@endpoint("POST", "/_matrix/client/v3/users/{userId}/report", operation="reportUser", rate_limit=REPORT)
async def report_user(
    user_id: str, body: Report, caller: Caller, request: Request, users: CommandClient, hosted: HostedServers
) -> bytes:
    if not is_valid_user_id(user_id):
        raise InvalidParam("This is not a user ID")
    if hosted.is_ours(server_name_of(user_id)) and not await user_exists(users, user_id):
        raise NotFound("The user was not found.")
    return await _keep(ReportContent(user_id=user_id, reason=body.reason), caller, request, users)


async def _keep(report: ReportContent, caller: Caller, request: Request, users: CommandClient) -> bytes:
    report.reporter = caller.user_id
    report.reason = report.reason[:REASON_CHARS_MAX]
    command = UserCommand(report_content=report)
    await users.user(caller.user_id, command, timeout_s=request.timeout_s)
    what = " ".join(filter(None, (report.event_id, report.room_id, report.user_id)))
    log.info("%s reported %s", caller.user_id, what)
    return EMPTY
