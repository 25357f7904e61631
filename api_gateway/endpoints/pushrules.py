"""Push rules: which events a user is to be notified of.

The user's shard changes them (`userserver.push_rules`); what is wrong with a change is found there, where the
rules are.
Spec: https://spec.matrix.org/v1.19/client-server-api/#push-rules-api
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
from msgspec import UNSET, Struct, UnsetType

from api_gateway.checks import EMPTY
from matrix_protocol.errors import NotFound
from matrix_protocol.push_rules import PUSH_RULES
from matrix_protocol.push_rules.changes import RULE_BYTES_MAX
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import ChangePushRule, GetAccountData, PutPushRule, UserCommand

_GLOBAL = "/_matrix/client/v3/pushrules/global/"
_RULE = _GLOBAL + "{kind}/{ruleId}"

BODY_BYTES_MAX = 8 * RULE_BYTES_MAX
"""A rule that fits may come with six bytes (`\\u0041`) for each of its own, and with members that are not kept."""


class Place(Struct, frozen=True):
    """Rule IDs of the same kind."""

    before: str | None = None
    after: str | None = None


class RuleBody(Struct, omit_defaults=True):
    """What belongs to the rule's kind is checked with the rules."""

    actions: list[str | dict[str, Any]]
    conditions: list[dict[str, Any]] | UnsetType = UNSET
    pattern: str | UnsetType = UNSET


class EnabledBody(Struct):
    enabled: bool


class ActionsBody(Struct):
    actions: list[str | dict[str, Any]]


@endpoint("GET", "/_matrix/client/v3/pushrules/", operation="getPushRules")
async def get_push_rules(caller: Caller, users: CommandClient) -> bytes:
    return await _rules_json(users, caller)


@endpoint("GET", _GLOBAL, operation="getPushRulesGlobal")
async def get_push_rules_global(caller: Caller, users: CommandClient) -> Any:
    return orjson.loads(await _rules_json(users, caller))["global"]


@endpoint("GET", _RULE, operation="getPushRule")
async def get_push_rule(kind: str, rule_id: str, caller: Caller, users: CommandClient) -> Any:
    return await _rule(users, caller, kind, rule_id)


@endpoint("GET", _RULE + "/enabled", operation="isPushRuleEnabled")
async def is_push_rule_enabled(kind: str, rule_id: str, caller: Caller, users: CommandClient) -> dict[str, object]:
    return {"enabled": (await _rule(users, caller, kind, rule_id))["enabled"]}


@endpoint("GET", _RULE + "/actions", operation="getPushRuleActions")
async def get_push_rule_actions(kind: str, rule_id: str, caller: Caller, users: CommandClient) -> dict[str, object]:
    return {"actions": (await _rule(users, caller, kind, rule_id))["actions"]}


@endpoint("PUT", _RULE, operation="setPushRule", suspended=True, body_bytes_max=BODY_BYTES_MAX)
async def set_push_rule(
    kind: str, rule_id: str, query: Place, body: RuleBody, caller: Caller, users: CommandClient
) -> bytes:
    put = PutPushRule(body_json=msgspec.json.encode(body), before=query.before, after=query.after)
    return await _change(users, ChangePushRule(user_id=caller.user_id, kind=kind, rule_id=rule_id, put=put))


@endpoint("DELETE", _RULE, operation="deletePushRule", suspended=True)
async def delete_push_rule(kind: str, rule_id: str, caller: Caller, users: CommandClient) -> bytes:
    return await _change(users, ChangePushRule(user_id=caller.user_id, kind=kind, rule_id=rule_id, remove=True))


@endpoint("PUT", _RULE + "/enabled", operation="setPushRuleEnabled", suspended=True)
async def set_push_rule_enabled(
    kind: str, rule_id: str, body: EnabledBody, caller: Caller, users: CommandClient
) -> bytes:
    change = ChangePushRule(user_id=caller.user_id, kind=kind, rule_id=rule_id, set_enabled=body.enabled)
    return await _change(users, change)


@endpoint("PUT", _RULE + "/actions", operation="setPushRuleActions", suspended=True, body_bytes_max=BODY_BYTES_MAX)
async def set_push_rule_actions(
    kind: str, rule_id: str, body: ActionsBody, caller: Caller, users: CommandClient
) -> bytes:
    actions_json = orjson.dumps(body.actions)
    change = ChangePushRule(user_id=caller.user_id, kind=kind, rule_id=rule_id, set_actions_json=actions_json)
    return await _change(users, change)


async def _change(users: CommandClient, change: ChangePushRule) -> bytes:
    await users.user(change.user_id, UserCommand(change_push_rule=change))
    return EMPTY


async def _rules_json(users: CommandClient, caller: Caller) -> bytes:
    command = GetAccountData(user_id=caller.user_id, type=PUSH_RULES)
    return (await users.user(caller.user_id, UserCommand(get_account_data=command))).json


async def _rule(users: CommandClient, caller: Caller, kind: str, rule_id: str) -> dict[str, Any]:
    rulesets = orjson.loads(await _rules_json(users, caller))["global"]
    found: dict[str, Any] | None = next((rule for rule in rulesets.get(kind, ()) if rule["rule_id"] == rule_id), None)
    if found is None:
        raise NotFound("There is no such push rule")
    return found
