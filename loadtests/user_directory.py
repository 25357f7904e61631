"""What a search of the user directory costs in a large one.

    python -m loadtests.user_directory [--users 100000]

The directory is filled as its component fills it, from facts, in a database of its own; then it is searched as the
component searches, for somebody who may know of everybody (`search.directory_shows_all_users`). CPU of this process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import cast

import orjson

from satellites.search.directory import DirectoryWork
from satellites.search.tables import TABLES
from satellites.search.users import find_users
from service_kit.ledger.consumers import PositionedFact
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.facts_pb2 import AccountFact, Fact, ProfileFact
from service_kit.shards import USER, Shard
from service_kit.store.sqlite import SqliteStore

BATCH = 500
LIMIT = 10
SEARCHES = 200
SYLLABLES = ("al", "be", "cor", "dan", "el", "fin", "gus", "han", "io", "ju", "kat", "lin", "mar", "nor", "ot", "pia")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plexus-directory-") as directory:
        asyncio.run(measure(Path(directory), arguments.users))


async def measure(directory: Path, users: int) -> None:
    store = await SqliteStore.open(directory / "directory.sqlite3", TABLES, fsync=False)
    # It is asked only by a rebuild.
    work = DirectoryWork(Shard(USER, 0), store, cast(CommandClient, None))
    random = Random(1)
    names = [f"{_name(random)} {_name(random)}".title() for _ in range(users)]
    started = time.process_time()
    for first in range(0, users, BATCH):
        facts = [
            PositionedFact(2 * number + offset + 1, fact)
            for number in range(first, min(first + BATCH, users))
            for offset, fact in enumerate(_facts(number, names[number]))
        ]
        await work.take(facts)
    _tell("a user who is new in the directory", (time.process_time() - started) / users)
    somebody = [names[random.randrange(users)] for _ in range(SEARCHES)]
    for what, terms in (
        ("a whole name", somebody),
        ("the first word of a name", [name.split()[0] for name in somebody]),
        ("three characters", [name[:3] for name in somebody]),
        ("a user ID", [f"@user{random.randrange(users)}:example.org" for _ in range(SEARCHES)]),
        ("a name that nobody has", [f"zz{number}" for number in range(SEARCHES)]),
    ):
        await _search(store, what, terms)
    await store.close()


async def _search(store: SqliteStore, what: str, terms: Sequence[str]) -> None:
    async def everybody(user_ids: Sequence[str]) -> Sequence[str]:
        return user_ids

    found = 0
    started = time.process_time()
    for term in terms:
        found += len((await find_users(store, term, LIMIT, everybody)).users)
    _tell(what, (time.process_time() - started) / len(terms), found=round(found / len(terms), 1))


def _name(random: Random) -> str:
    return "".join(random.choice(SYLLABLES) for _ in range(random.choice((2, 2, 3))))


def _facts(number: int, name: str) -> tuple[Fact, Fact]:
    user_id = f"@user{number}:example.org"
    account = Fact(user_id=user_id, account=AccountFact(user_id=user_id))
    return account, Fact(user_id=user_id, profile=ProfileFact(profile_json=orjson.dumps({"displayname": name})))


def _tell(what: str, seconds: float, **more: float) -> None:
    print(json.dumps({"what": what, "cpu_ms": round(seconds * 1000, 3), **more}), flush=True)


if __name__ == "__main__":
    main()
