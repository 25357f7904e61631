"""Push rules, changed one at a time, in the `m.push_rules` account data; the rules are those of `matrix_protocol`.

Spec: https://spec.matrix.org/v1.19/client-server-api/#push-rules-api
"""

from __future__ import annotations

import orjson

from matrix_protocol.errors import BadJson
from matrix_protocol.json_types import JsonObject
from matrix_protocol.push_rules import PUSH_RULES, delete_rule, put_rule, set_actions, set_enabled
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.user_commands_pb2 import ChangePushRule, UserReply
from userserver.account_data import AccountData, Edit, told_content


class PushRules:
    def __init__(self, account_data: AccountData) -> None:
        self._account_data = account_data

    async def prepare(self, command: ChangePushRule) -> Edit:
        return await self._account_data.begin_edit(command.user_id, "", PUSH_RULES)

    def change(self, command: ChangePushRule, edit: Edit, batch: Batch) -> UserReply:
        """Raises NotFound, InvalidParam, MissingParam, TooLarge."""
        document = edit.document
        former_json = told_content(*document.key, document.content_json)
        changed_json = orjson.dumps(_changed(orjson.loads(former_json), command))
        if changed_json != former_json:
            self._account_data.put(batch, edit, changed_json)
        return UserReply()


def _changed(rules: JsonObject, command: ChangePushRule) -> JsonObject:
    kind, rule_id = command.kind, command.rule_id
    match command.WhichOneof("change"):
        case "put":
            put = command.put
            before = put.before if put.HasField("before") else None
            after = put.after if put.HasField("after") else None
            return put_rule(rules, kind, rule_id, orjson.loads(put.body_json), before, after)
        case "remove":
            return delete_rule(rules, kind, rule_id)
        case "set_enabled":
            return set_enabled(rules, kind, rule_id, command.set_enabled)
        case "set_actions_json":
            return set_actions(rules, kind, rule_id, orjson.loads(command.set_actions_json))
        case _:
            raise BadJson("There is no such change of a push rule")
