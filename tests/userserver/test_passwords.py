import asyncio
import subprocess
import sys

import pytest

from matrix_protocol.errors import LimitExceeded
from userserver.passwords import Passwords


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(memory_kib=8, iterations=1, threads=1, waiting_max=2)


async def test_a_hash_matches_its_password_alone(passwords: Passwords) -> None:
    hashed = await passwords.hash("pässword")
    assert (await passwords.check(hashed, "pässword")).matched
    assert not (await passwords.check(hashed, "password")).matched
    assert hashed != await passwords.hash("pässword")


async def test_nothing_matches_an_account_without_password(passwords: Passwords) -> None:
    assert not (await passwords.check("", "")).matched
    assert not (await passwords.check("", "password")).matched
    assert not (await passwords.check("not a hash", "password")).matched


async def test_only_a_right_password_gives_a_better_hash(passwords: Passwords) -> None:
    old = await Passwords(memory_kib=16, iterations=2).hash("password")
    assert (await passwords.check(old, "wrong")).better_hash == ""
    better = (await passwords.check(old, "password")).better_hash
    assert "m=8,t=1,p=1" in better
    assert (await passwords.check(better, "password")) == (better, True, "")


async def test_too_many_at_once_are_refused(passwords: Passwords) -> None:
    results = await asyncio.gather(*(passwords.hash("x") for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results].count(LimitExceeded) == 3
    await passwords.hash("x")


async def test_the_defaults_are_what_owasp_asks_for() -> None:
    assert "$argon2id$v=19$m=9216,t=4,p=1$" in await Passwords().hash("password")


@pytest.mark.slow
def test_argon2_is_imported_only_where_a_userserver_starts() -> None:
    code = "import sys, userserver.service; sys.exit('argon2' in sys.modules or 'grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
