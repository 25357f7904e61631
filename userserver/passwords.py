"""Password hashes: argon2id, on a few threads of its own, never on the event loop. See ADR-0004.

A password exists here only as the argument of a call; what is kept is its hash.
"""

from __future__ import annotations

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from matrix_protocol.errors import LimitExceeded

if TYPE_CHECKING:
    from argon2 import PasswordHasher

PASSWORD_BYTES_MAX = 512
WAITING_MAX = 256
"""At 25 to 30 ms each on two threads, the last one waits about four seconds."""
_SALT_BYTES = 16
_HASH_BYTES = 32
ResultT = TypeVar("ResultT")


class Checked(NamedTuple):
    """What came out of a password check against `password_hash`."""

    password_hash: str
    matched: bool
    better_hash: str = ""
    """the same password hashed with today's parameters, if the old hash has others"""


class Passwords:
    """Hashes and checks; shared by all shards of a worker."""

    def __init__(
        self, *, memory_kib: int = 9216, iterations: int = 4, threads: int = 2, waiting_max: int = WAITING_MAX
    ) -> None:
        self._memory_kib = memory_kib
        self._iterations = iterations
        self._threads = threads
        self._waiting_max = waiting_max
        self._waiting = 0
        self._pool: ThreadPoolExecutor | None = None
        self._lazy_hasher: PasswordHasher | None = None
        # Nobody knows a password for it; checking against it takes as long as against a real one.
        salt, digest = (b64encode(secrets.token_bytes(n)).rstrip(b"=").decode() for n in (_SALT_BYTES, _HASH_BYTES))
        self._nobodys_hash = f"$argon2id$v=19$m={memory_kib},t={iterations},p=1${salt}${digest}"

    def warm_up(self) -> None:
        """Import argon2 in the background, so that the first login does not wait for it."""
        self._threads_pool().submit(self._hasher)

    async def hash(self, password: str) -> str:
        """Raises LimitExceeded if too many are waiting."""
        return await self._on_thread(self._hash, "", password)

    async def check(self, password_hash: str, password: str) -> Checked:
        """Takes as long for an empty hash, which nothing matches: the time must not tell whether the account exists.

        Raises LimitExceeded if too many are waiting.
        """
        return await self._on_thread(self._check, password_hash, password)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    async def _on_thread(self, call: Callable[[str, str], ResultT], password_hash: str, password: str) -> ResultT:
        if self._waiting >= self._waiting_max:
            raise LimitExceeded("Too many people are logging in just now, try again in a moment", retry_after_ms=4000)
        self._waiting += 1
        try:
            pool = self._threads_pool()
            return await asyncio.get_running_loop().run_in_executor(pool, call, password_hash, password)
        finally:
            self._waiting -= 1

    def _threads_pool(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="argon2")
        return self._pool

    def _hash(self, _: str, password: str) -> str:
        return self._hasher().hash(password)

    def _check(self, password_hash: str, password: str) -> Checked:
        from argon2.exceptions import InvalidHashError, VerificationError

        hasher = self._hasher()
        try:
            hasher.verify(password_hash or self._nobodys_hash, password)
        except (VerificationError, InvalidHashError):
            return Checked(password_hash, matched=False)
        if not password_hash:
            return Checked("", matched=False)
        better_hash = hasher.hash(password) if hasher.check_needs_rehash(password_hash) else ""
        return Checked(password_hash, matched=True, better_hash=better_hash)

    def _hasher(self) -> PasswordHasher:
        if self._lazy_hasher is None:
            from argon2 import PasswordHasher, Type  # 2 MiB that other components do not need

            self._lazy_hasher = PasswordHasher(
                time_cost=self._iterations,
                memory_cost=self._memory_kib,
                parallelism=1,
                hash_len=_HASH_BYTES,
                salt_len=_SALT_BYTES,
                type=Type.ID,
            )
        return self._lazy_hasher
