"""The rules of one owned user shard: which command goes to which family of rules, and what follows a commit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from matrix_protocol.errors import Unrecognized
from service_kit.bus.streams import TOKEN_REVOKED
from service_kit.config import PresenceSettings
from service_kit.ledger.domain import Batch
from service_kit.ledger.progress import Progress
from service_kit.rpc.pb.commands_pb2 import Command, Reply
from service_kit.rpc.pb.facts_pb2 import Fact, TokenRevoked
from service_kit.rpc.pb.user_commands_pb2 import UserReply
from service_kit.shards import Shard
from service_kit.store.interface import Store, Write
from service_kit.third_party_ids import ValidationCodes
from userserver.account_data import AccountData
from userserver.accounts import Accounts
from userserver.addresses import Addresses
from userserver.auth_sessions import AuthSessions
from userserver.chores import Chores, Doing
from userserver.content_reports import ContentReports
from userserver.devices import Devices
from userserver.filters import Filters
from userserver.login_tokens import LoginTokens
from userserver.moderation import Moderation
from userserver.notice_rooms import NoticeRooms
from userserver.passwords import Passwords
from userserver.presence import Presences
from userserver.profiles import Profiles
from userserver.push_rules import PushRules
from userserver.registration_tokens import RegistrationTokens
from userserver.sessions import Sessions
from userserver.tables import writes_for
from userserver.tags import Tags
from userserver.third_party_ids import ThirdPartyIds
from userserver.to_device import ToDevice
from userserver.unapplied import Unapplied
from userserver.users import RecentUsers, Users, revoked_by
from userserver.validations import Validations


class Rule(NamedTuple):
    """See `service_kit.ledger.domain`: prepare may wait and changes nothing, execute may change and never waits."""

    prepare: Callable[[Any], Awaitable[object] | object]
    execute: Callable[[Any, Any, Batch], UserReply]


class UserShardDomain:
    """Implements `service_kit.ledger.domain.ShardDomain`."""

    def __init__(
        self,
        shard: Shard,
        store: Store,
        passwords: Passwords,
        recent: RecentUsers,
        progress: Progress,
        codes: ValidationCodes,
        doing: Doing,
        presence: PresenceSettings,
    ) -> None:
        self._shard = shard
        unapplied = Unapplied(progress)
        self._users = Users(store, unapplied, recent)
        account_data = AccountData(store, unapplied, self._users)
        accounts = Accounts(shard, store, unapplied, self._users, passwords, account_data)
        sessions = Sessions(self._users, passwords)
        devices = Devices(self._users)
        profiles = Profiles(self._users)
        tags = Tags(account_data)
        push_rules = PushRules(account_data)
        presences = Presences(store, unapplied, self._users, presence)
        self.presence_board = presences.board
        to_device = ToDevice(shard, store, unapplied, self._users)
        filters = Filters(store, unapplied)
        content_reports = ContentReports(store, shard)
        notice_rooms = NoticeRooms(store, unapplied)
        self._chores = Chores(shard, store, doing)
        self._rules: dict[str, Rule] = {
            "register_user": Rule(accounts.prepare_register, accounts.register),
            "check_username": Rule(accounts.prepare_check_username, accounts.check_username),
            "check_password": Rule(accounts.prepare_check_password, accounts.check_password),
            "set_password": Rule(accounts.prepare_set_password, accounts.set_password),
            "deactivate_user": Rule(accounts.prepare_deactivate, accounts.deactivate),
            "list_users": Rule(accounts.prepare_list, accounts.list_users),
            "login_with_password": Rule(sessions.prepare_login, sessions.login),
            "look_up_token": Rule(sessions.prepare_look_up, sessions.look_up),
            "refresh_token": Rule(sessions.prepare_refresh, sessions.refresh),
            "logout": Rule(sessions.prepare_logout, sessions.logout),
            "list_devices": Rule(devices.prepare, devices.list_devices),
            "update_device": Rule(devices.prepare, devices.update),
            "delete_devices": Rule(devices.prepare, devices.delete),
            "get_profile": Rule(profiles.prepare, profiles.get),
            "set_profile_field": Rule(profiles.prepare, profiles.set_field),
            "set_account_data": Rule(account_data.prepare_set, account_data.set),
            "get_account_data": Rule(account_data.prepare_get, account_data.get),
            "save_filter": Rule(filters.prepare_save, filters.save),
            "get_filter": Rule(filters.prepare_get, filters.get),
            "change_push_rule": Rule(push_rules.prepare, push_rules.change),
            "set_tag": Rule(tags.prepare, tags.set),
            "report_content": Rule(content_reports.prepare, content_reports.report),
            "list_content_reports": Rule(content_reports.prepare_list, content_reports.list_reports),
            "send_to_device": Rule(to_device.prepare_send, to_device.send),
            "delivered_to_device": Rule(to_device.prepare_delivered, to_device.delivered),
            "claim_notice_room": Rule(notice_rooms.prepare, notice_rooms.claim),
            "report_presence": Rule(presences.prepare_report, presences.report),
            "set_presence": Rule(presences.prepare_set, presences.set),
            "get_presence": Rule(presences.prepare_get, presences.get),
            **self._proof_rules(store, unapplied, codes),
        }

    def _proof_rules(self, store: Store, unapplied: Unapplied, codes: ValidationCodes) -> dict[str, Rule]:
        """About what proves who somebody is, and whether they may do anything."""
        moderation = Moderation(self._users)
        login_tokens = LoginTokens(store, unapplied, self._users)
        auth_sessions = AuthSessions(store, unapplied)
        registration_tokens = RegistrationTokens(store, unapplied)
        addresses = Addresses(store, unapplied)
        third_party_ids = ThirdPartyIds(self._users)
        validations = Validations(store, unapplied, codes, self._chores)
        return {
            "set_moderation": Rule(moderation.prepare, moderation.set),
            "get_account": Rule(moderation.prepare, moderation.get),
            "new_login_token": Rule(login_tokens.prepare_new, login_tokens.new),
            "login_with_token": Rule(login_tokens.prepare_login, login_tokens.login),
            "pass_stage": Rule(auth_sessions.prepare, auth_sessions.pass_stage),
            "get_stages": Rule(auth_sessions.prepare, auth_sessions.get),
            "use_registration_token": Rule(registration_tokens.prepare, registration_tokens.use),
            "claim_address": Rule(addresses.prepare, addresses.claim),
            "release_address": Rule(addresses.prepare, addresses.release),
            "get_address": Rule(addresses.prepare, addresses.get),
            "begin_validation": Rule(validations.prepare_begin, validations.begin),
            "submit_validation": Rule(validations.prepare, validations.submit),
            "get_validation": Rule(validations.prepare, validations.get),
            "add_third_party_id": Rule(third_party_ids.prepare, third_party_ids.add),
            "remove_third_party_id": Rule(third_party_ids.prepare, third_party_ids.remove),
            "finish_chore": Rule(self._chores.prepare_finish, self._chores.finish),
        }

    async def recover(self, position: int) -> None:
        """Go on with what is to be done in the background; users are read from the tables when they are needed."""
        await self._chores.recover()

    def prepare(self, command: Command) -> Awaitable[object] | object:
        kind = command.user.WhichOneof("command")
        if kind is None or kind not in self._rules:
            raise Unrecognized("The userserver does not know this command: its version may be older than the sender's")
        return self._rules[kind].prepare(getattr(command.user, kind))

    def execute(self, command: Command, prepared: object, batch: Batch) -> Reply:
        kind = command.user.WhichOneof("command")
        assert kind is not None  # or prepare had refused it
        return Reply(user=self._rules[kind].execute(getattr(command.user, kind), prepared, batch))

    def tables_for(self, position: int, fact: Fact) -> Sequence[Write]:
        return writes_for(self._shard, position, fact)

    def committed(self, first_position: int, facts: Sequence[Fact]) -> Sequence[tuple[str, bytes]]:
        """Everybody hears of revoked tokens before the logout is answered, and of tokens that may do less or more."""
        changes: dict[str, TokenRevoked] = {}
        for position, fact in enumerate(facts, first_position):
            self._chores.committed(position, fact)
            sha256s, callers_changed = revoked_by(fact), fact.account.callers_changed
            if sha256s or callers_changed:
                message = changes.setdefault(fact.user_id, TokenRevoked(user_id=fact.user_id))
                message.token_sha256.extend(sha256s)
                message.account_changed |= callers_changed
        return [(TOKEN_REVOKED, message.SerializeToString()) for message in changes.values()]

    async def close(self) -> None:
        await self._chores.close()
        await self._users.close()
