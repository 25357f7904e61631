"""Account data: what a client keeps on the server for itself, for all rooms ("") or for one.

Some of it the server changes itself, a part at a time: tags (`tags`) and push
rules (`push_rules`). Two such changes at once must not undo each other, so all
commands in flight share one `Document` for each piece, which is as of all
commands executed so far; nothing else of the content is held in memory.

Push rules are told as account data too: until a user has changed theirs, nothing is
stored, and everybody is told the rules of the specification (`told_content`).
"""

from __future__ import annotations

from typing import NamedTuple
from weakref import WeakValueDictionary

import orjson

from matrix_protocol.errors import NotFound, TooLarge
from matrix_protocol.push_rules import PUSH_RULES, default_push_rules, with_predefined_rules
from service_kit.ledger.domain import Batch
from service_kit.limits import ACCOUNT_DATA_BYTES_MAX, ACCOUNT_DATA_ENTRIES_MAX
from service_kit.rpc.pb.facts_pb2 import AccountDataFact, Fact
from service_kit.rpc.pb.user_commands_pb2 import GetAccountData, SetAccountData, UserReply
from service_kit.store.interface import Store
from userserver.tables import ACCOUNT_DATA
from userserver.unapplied import Unapplied
from userserver.users import AccountDataSize, User, Users

DEFAULT_POSITION = 1
"""Where default account data stands in the ledger of the user's shard: before whatever they set themselves."""

DocumentKey = tuple[str, str, str]
"""(user ID, room ID or "", type)"""


class Document:
    """One piece of a user's account data, as of all commands executed so far."""

    __slots__ = ("__weakref__", "content_json", "is_known", "key")

    def __init__(self, key: DocumentKey) -> None:
        self.key = key
        self.is_known = False
        self.content_json = b""
        """b"" = there is none"""


class Edit(NamedTuple):
    """What a command needs that changes account data."""

    user: User
    document: Document


def told_content(user_id: str, room_id: str, event_type: str, content_json: bytes) -> bytes:
    """What the user is told, given what is stored; b"" = nothing, in both places."""
    if room_id or event_type != PUSH_RULES:
        return content_json
    if not content_json:
        return orjson.dumps(default_push_rules(user_id))
    return orjson.dumps(with_predefined_rules(orjson.loads(content_json), user_id))


class AccountData:
    def __init__(self, store: Store, unapplied: Unapplied, users: Users) -> None:
        self._store = store
        self._unapplied = unapplied
        self._users = users
        self._documents: WeakValueDictionary[DocumentKey, Document] = WeakValueDictionary()

    async def prepare_set(self, command: SetAccountData) -> Edit:
        return await self.begin_edit(command.user_id, command.room_id, command.type)

    def set(self, command: SetAccountData, edit: Edit, batch: Batch) -> UserReply:
        self.put(batch, edit, command.content_json)
        return UserReply()

    async def prepare_get(self, command: GetAccountData) -> Document:
        return await self._document((command.user_id, command.room_id, command.type))

    def get(self, command: GetAccountData, document: Document, batch: Batch) -> UserReply:
        content_json = told_content(*document.key, document.content_json)
        if not content_json:
            raise NotFound("There is no account data of this type")
        return UserReply(json=content_json)

    # --- for whoever changes a part of it

    async def begin_edit(self, user_id: str, room_id: str, event_type: str) -> Edit:
        user = await self._users.load(user_id)
        if user.account_data_size is None:
            size = await self._read_size(user_id)
            if user.account_data_size is None:  # nobody was faster
                user.account_data_size = size
        return Edit(user, await self._document((user_id, room_id, event_type)))

    def put(self, batch: Batch, edit: Edit, content_json: bytes) -> None:
        """Raises TooLarge if the user has too much of it, and then has changed nothing."""
        user, document = edit
        size = user.account_data_size
        if size is not None:  # erased a moment ago otherwise
            user.account_data_size = _checked_size(size, document, content_json)
        self._record(batch, user, document.key, content_json)
        document.content_json, document.is_known = content_json, True

    def erase(self, batch: Batch, user: User, room_id: str, event_type: str) -> None:
        key = (user.user_id, room_id, event_type)
        user.account_data_size = None
        self._record(batch, user, key, b"")
        if (document := self._documents.get(key)) is not None:
            document.content_json, document.is_known = b"", True

    def _record(self, batch: Batch, user: User, key: DocumentKey, content_json: bytes) -> None:
        fact = AccountDataFact(room_id=key[1], type=key[2], content_json=content_json)
        position = self._users.record(batch, user, Fact(account_data=fact))
        self._unapplied.note(key, position)

    async def _document(self, key: DocumentKey) -> Document:
        document = self._documents.get(key)
        if document is None:
            document = self._documents[key] = Document(key)
        if not document.is_known:
            await self._unapplied.wait_for(key)
            row = await self._store.get(ACCOUNT_DATA, key)
            if not document.is_known:  # it was neither read nor set meanwhile
                document.is_known = True
                document.content_json = b"" if row is None else row.content_json
        return document

    async def _read_size(self, user_id: str) -> AccountDataSize:
        await self._unapplied.wait_for(user_id)
        entries = size_bytes = 0
        async for page in self._store.pages(ACCOUNT_DATA, (user_id,)):
            entries += len(page)
            size_bytes += sum(len(row.content_json) for row in page)
        return AccountDataSize(entries, size_bytes)


def _checked_size(size: AccountDataSize, document: Document, content_json: bytes) -> AccountDataSize:
    more_entries = (not document.content_json) + size.entries
    more_bytes = size.bytes + len(content_json) - len(document.content_json)
    # What is too much from before may still shrink.
    if more_entries > max(ACCOUNT_DATA_ENTRIES_MAX, size.entries):
        raise TooLarge(f"A user may have {ACCOUNT_DATA_ENTRIES_MAX} pieces of account data")
    if more_bytes > max(ACCOUNT_DATA_BYTES_MAX, size.bytes):
        raise TooLarge(f"The account data of a user may have {ACCOUNT_DATA_BYTES_MAX} bytes")
    return AccountDataSize(more_entries, more_bytes)
