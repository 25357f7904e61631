"""The rule "If type is `m.room.member`", numbered as in version 12 (5; it was 4 in versions 6 to 11)."""

from __future__ import annotations

from matrix_protocol.event_auth.auth_event import AuthEvent, Rejection
from matrix_protocol.event_auth.auth_state import AuthState
from matrix_protocol.event_auth.power_levels import PowerLevels
from matrix_protocol.event_auth.third_party_invite import check_third_party_invite
from matrix_protocol.events.format import Event
from matrix_protocol.identifiers import is_valid_user_id, server_name_of
from matrix_protocol.join_rules import join_rule_of
from matrix_protocol.room_versions import AuthorizationRules


def check_member(
    event: Event, state: AuthState, create_event: AuthEvent, rules: AuthorizationRules
) -> Rejection | None:
    # "5.1 If there is no `state_key` property, or no `membership` property in `content`, reject."
    target = event.state_key
    membership = event.content.get("membership")
    if target is None or not isinstance(membership, str):
        return Rejection("a member event needs a state key and a membership")
    # "5.2 If `content` has a `join_authorised_via_users_server` key: If the event is not validly signed by the
    #  homeserver of the user ID denoted by the key, reject." (version 8 and up)
    if rules.restricted_joins and "join_authorised_via_users_server" in event.content and not names_its_signer(event):
        return Rejection("the server that authorised the join has not signed it")
    match membership:
        case "join":
            return _check_join(event, target, state, create_event, rules)
        case "invite":
            return _check_invite(event, target, state)
        case "leave":
            return _check_leave(event, target, state, rules)
        case "ban":
            return _check_ban(event, target, state)
        case "knock" if rules.knocking:
            return _check_knock(event, target, state, rules)
    # "5.8 Otherwise, the membership is unknown. Reject."
    return Rejection("unknown membership")


def names_its_signer(event: Event) -> bool:
    """Whether the signature is *valid* was found out with the others: `events.signing.servers_that_must_sign`."""
    user_id = event.content["join_authorised_via_users_server"]
    signatures = event.pdu.get("signatures")
    if not isinstance(user_id, str) or not is_valid_user_id(user_id):
        return False
    return isinstance(signatures, dict) and server_name_of(user_id) in signatures


def join_rule_in(state: AuthState) -> str:
    join_rules = state.get("m.room.join_rules", "")
    return join_rule_of(None if join_rules is None else join_rules.content)


def _check_join(
    event: Event, target: str, state: AuthState, create_event: AuthEvent, rules: AuthorizationRules
) -> Rejection | None:
    # "5.3.1 If the only previous event is an `m.room.create` and the `state_key` is the sender of the `m.room.create`
    #  [up to version 10: the creator], allow."
    if event.prev_event_ids == (create_event.event_id,) and target == _first_member(create_event, rules):
        return None
    # "5.3.2 If the `sender` does not match `state_key`, reject."
    if event.sender != target:
        return Rejection("nobody can join for somebody else")
    # "5.3.3 If the `sender` is banned, reject."
    membership = state.membership(target)
    if membership == "ban":
        return Rejection("the user is banned from the room")
    join_rule = join_rule_in(state)
    # "5.3.4 If the `join_rule` is `invite` or [version 7 and up] `knock` then allow if membership state is `invite` or
    #  `join`." and "5.3.5.1 If membership state is `join` or `invite`, allow."
    is_restricted = (join_rule == "restricted" and rules.restricted_joins) or (
        join_rule == "knock_restricted" and rules.knock_restricted_joins
    )
    by_invitation = is_restricted or join_rule == "invite" or (join_rule == "knock" and rules.knocking)
    if by_invitation and membership in ("invite", "join"):
        return None
    # "5.3.5 If the `join_rule` is `restricted` or [version 10 and up] `knock_restricted`:"
    if is_restricted:
        return _check_restricted_join(event, state)
    # "5.3.6 If the `join_rule` is `public`, allow."
    if join_rule == "public":
        return None
    # "5.3.7 Otherwise, reject."
    return Rejection("the room can be joined by invitation only")


def _first_member(create_event: AuthEvent, rules: AuthorizationRules) -> object:
    return create_event.content.get("creator") if rules.creator_in_create_content else create_event.sender


def _check_restricted_join(event: Event, state: AuthState) -> Rejection | None:
    # "5.3.5.2 If the `join_authorised_via_users_server` key in `content` is not a user with sufficient permission to
    #  invite other users or is not a joined member of the room, reject."
    authorising_user = event.content.get("join_authorised_via_users_server")
    if not isinstance(authorising_user, str):
        return Rejection("the join was authorised by nobody")
    levels = state.power_levels()
    if state.membership(authorising_user) != "join" or levels.user_level(authorising_user) < levels.invite:
        return Rejection("the join was authorised by a user who may not invite")
    # "5.3.5.3 Otherwise, allow."
    return None


def _check_invite(event: Event, target: str, state: AuthState) -> Rejection | None:
    # "5.4.1 If `content` has a `third_party_invite` property:"
    if "third_party_invite" in event.content:
        return check_third_party_invite(event, state)
    # "5.4.2 If the `sender`'s current membership state is not `join`, reject."
    if state.membership(event.sender) != "join":
        return Rejection("the sender is not in the room")
    # "5.4.3 If *target user*'s current membership state is `join` or `ban`, reject."
    membership = state.membership(target)
    if membership in ("join", "ban"):
        return Rejection("the user is banned" if membership == "ban" else "the user is in the room already")
    # "5.4.4 If the `sender`'s power level is greater than or equal to the *invite level*, allow."
    levels = state.power_levels()
    if levels.user_level(event.sender) >= levels.invite:
        return None
    # "5.4.5 Otherwise, reject."
    return Rejection("the sender's power level is below the invite level")


def _check_leave(event: Event, target: str, state: AuthState, rules: AuthorizationRules) -> Rejection | None:
    # "5.5.1 If the `sender` matches `state_key`, allow if and only if that user's current membership state is
    #  `invite`, `join`, or [version 7 and up] `knock`."
    sender_membership = state.membership(event.sender)
    if event.sender == target:
        if sender_membership in ("invite", "join") or (sender_membership == "knock" and rules.knocking):
            return None
        return Rejection(f"the user cannot leave: the membership is {sender_membership}")
    # "5.5.2 If the `sender`'s current membership state is not `join`, reject."
    if sender_membership != "join":
        return Rejection("the sender is not in the room")
    # "5.5.3 If the *target user*'s current membership state is `ban`, and the `sender`'s power level is less than the
    #  *ban level*, reject."
    levels = state.power_levels()
    if state.membership(target) == "ban" and levels.user_level(event.sender) < levels.ban:
        return Rejection("the sender's power level is below the ban level")
    # "5.5.4 If the `sender`'s power level is greater than or equal to the *kick level*, and the *target user*'s power
    #  level is less than the `sender`'s power level, allow. 5.5.5 Otherwise, reject."
    return _check_power_over(event.sender, target, levels.kick, levels)


def _check_ban(event: Event, target: str, state: AuthState) -> Rejection | None:
    # "5.6.1 If the `sender`'s current membership state is not `join`, reject."
    if state.membership(event.sender) != "join":
        return Rejection("the sender is not in the room")
    # "5.6.2 If the `sender`'s power level is greater than or equal to the *ban level*, and the *target user*'s power
    #  level is less than the `sender`'s power level, allow. 5.6.3 Otherwise, reject."
    levels = state.power_levels()
    return _check_power_over(event.sender, target, levels.ban, levels)


def _check_power_over(sender: str, target: str, required_level: int, levels: PowerLevels) -> Rejection | None:
    sender_level = levels.user_level(sender)
    if sender_level < required_level:
        return Rejection(f"the sender's power level {sender_level} is below {required_level}")
    if levels.user_level(target) >= sender_level:
        return Rejection("the user's power level is not below the sender's")
    return None


def _check_knock(event: Event, target: str, state: AuthState, rules: AuthorizationRules) -> Rejection | None:
    # "5.7.1 If the `join_rule` is anything other than `knock` or [version 10 and up] `knock_restricted`, reject."
    join_rule = join_rule_in(state)
    if join_rule != "knock" and not (join_rule == "knock_restricted" and rules.knock_restricted_joins):
        return Rejection("nobody can knock on this room")
    # "5.7.2 If `sender` does not match `state_key`, reject."
    if event.sender != target:
        return Rejection("nobody can knock for somebody else")
    # "5.7.3 If the `sender`'s current membership is not `ban`, `invite`, or `join`, allow. 5.7.4 Otherwise, reject."
    membership = state.membership(target)
    if membership in ("ban", "invite", "join"):
        return Rejection(f"the user cannot knock: the membership is {membership}")
    return None
