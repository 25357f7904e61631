"""Keeps the directory of local users: who there is, and by which words of their names they are found.

Only local users yet: remote ones come with federation, from their membership events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from matrix_protocol.errors import NotFound
from matrix_protocol.identifiers import parse_user_id
from satellites.search.tables import DIRECTORY_USERS, DIRECTORY_WORDS, DirectoryUserRow, DirectoryWordRow
from service_kit.ledger.consumers import PositionedFact
from service_kit.ledger.tables import SHARD_PROGRESS
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import GetProfile, ListUsers, UserCommand
from service_kit.shards import Shard
from service_kit.store.interface import Delete, Put, Store, Write
from service_kit.words import words_of

BEGINNING_CHARACTERS = 2
WORDS_PER_USER_MAX = 40
USERS_PER_PAGE = 500


class DirectoryWork:
    """Implements `service_kit.ledger.consumers.ShardWork` for a shard of users: the only writer of their rows."""

    def __init__(self, shard: Shard, store: Store, commands: CommandClient) -> None:
        self._shard = shard
        self._store = store
        self._commands = commands

    async def open(self, recorded_position: int) -> int:
        return recorded_position

    async def take(self, facts: Sequence[PositionedFact]) -> None:
        """As each user is after all of these: what was in between nobody has to know."""
        users: dict[str, DirectoryUserRow] = {}
        for _, fact in facts:
            kind = fact.WhichOneof("body")
            if kind not in ("account", "profile"):
                continue
            user_id = fact.user_id
            known = users.get(user_id) or await self._standing(user_id)
            if kind == "profile":
                # The profile of somebody who is gone stays hidden, whatever becomes of it.
                is_there = bool(known.words)
                users[user_id] = _row(user_id, fact.profile.profile_json, is_there=is_there)
            elif fact.account.deactivated:
                users[user_id] = DirectoryUserRow(user_id, "", "", "")
            elif not known.words:
                users[user_id] = _row(user_id, b"", is_there=True)
        await self._write(list(users.values()), facts[-1].position)

    async def rebuild(self) -> int:
        progress = await self._store.get(SHARD_PROGRESS, (str(self._shard),))
        position = progress.applied_through if progress else 0
        after = ""
        while True:
            command = UserCommand(list_users=ListUsers(after_user_id=after, limit=USERS_PER_PAGE))
            users = (await self._commands.shard(self._shard, str(self._shard), command)).users
            rows = [await self._read(user.user_id, is_there=not user.deactivated) for user in users]
            await self._write(rows, position)
            if len(users) < USERS_PER_PAGE:
                return position
            after = users[-1].user_id

    async def close(self) -> None:
        """Nothing is kept."""

    async def _standing(self, user_id: str) -> DirectoryUserRow:
        row = await self._store.get(DIRECTORY_USERS, (user_id,))
        return row or DirectoryUserRow(user_id, "", "", "")

    async def _read(self, user_id: str, *, is_there: bool) -> DirectoryUserRow:
        try:
            reply = await self._commands.user(user_id, UserCommand(get_profile=GetProfile(user_id=user_id)))
        except NotFound:
            return DirectoryUserRow(user_id, "", "", "")
        return _row(user_id, reply.json, is_there=is_there)

    async def _write(self, rows: Sequence[DirectoryUserRow], position: int) -> None:
        writes: list[Write] = []
        for row in rows:
            former = await self._standing(row.user_id)
            if former == row:
                continue
            writes.extend(Put(DIRECTORY_WORDS, word) for word in _word_rows(row))
            gone = _word_rows(former) - _word_rows(row)
            writes.extend(Delete(DIRECTORY_WORDS, DIRECTORY_WORDS.key_of(word)) for word in gone)
            # Last: it is from this row that a repetition sees what is left to do.
            writes.append(Put(DIRECTORY_USERS, row))
        if writes:
            await self._store.write(writes, as_of=position)


def _row(user_id: str, profile_json: bytes, *, is_there: bool) -> DirectoryUserRow:
    if not is_there:
        return DirectoryUserRow(user_id, "", "", "")
    profile = orjson.loads(profile_json or b"{}")
    displayname = _text(profile, "displayname")
    words = [*words_of(displayname), *words_of(parse_user_id(user_id).localpart)]
    # A name without a single letter or digit: nobody finds it, but it is there.
    shown = dict.fromkeys(words[:WORDS_PER_USER_MAX] or [user_id])
    return DirectoryUserRow(user_id, displayname, _text(profile, "avatar_url"), " ".join(shown))


def _word_rows(row: DirectoryUserRow) -> set[DirectoryWordRow]:
    return {DirectoryWordRow(word[:BEGINNING_CHARACTERS], word, row.user_id) for word in row.words.split()}


def _text(profile: Mapping[str, object], field: str) -> str:
    value = profile.get(field)
    return value if isinstance(value, str) else ""
