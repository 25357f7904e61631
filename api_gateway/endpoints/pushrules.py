"""Push rules, read: which events a user is to be notified of.

Nobody can change theirs yet, so everybody has those that the specification predefines.
Spec: https://spec.matrix.org/v1.19/client-server-api/#push-rules-api
"""

from __future__ import annotations

from typing import Any

import orjson

from matrix_protocol.errors import NotFound
from matrix_protocol.push_rules import PUSH_RULES
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import GetAccountData, UserCommand

_GLOBAL = "/_matrix/client/v3/pushrules/global/"
_RULE = _GLOBAL + "{kind}/{ruleId}"


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


async def _rules_json(users: CommandClient, caller: Caller) -> bytes:
    command = GetAccountData(user_id=caller.user_id, type=PUSH_RULES)
    return (await users.user(caller.user_id, UserCommand(get_account_data=command))).json


async def _rule(users: CommandClient, caller: Caller, kind: str, rule_id: str) -> dict[str, Any]:
    rulesets = orjson.loads(await _rules_json(users, caller))["global"]
    found: dict[str, Any] | None = next((rule for rule in rulesets.get(kind, ()) if rule["rule_id"] == rule_id), None)
    if found is None:
        raise NotFound("There is no such push rule")
    return found
