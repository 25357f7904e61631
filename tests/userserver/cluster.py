"""Userserver workers over a memory store and bus, and a client that sends them commands."""

from __future__ import annotations

from service_kit.access_tokens import Token, new_access_token, new_refresh_token
from service_kit.bus.interface import Message
from service_kit.bus.memory import MemoryBus
from service_kit.bus.streams import TOKEN_REVOKED
from service_kit.clock import ManualClock
from service_kit.config import PasswordSettings
from service_kit.email_settings import EmailSettings
from service_kit.ledger.tables import LEDGER_TABLES
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.facts_pb2 import TokenRevoked
from service_kit.rpc.pb.user_commands_pb2 import (
    LoginWithPassword,
    LookUpToken,
    NewSession,
    RefreshToken,
    RegisterUser,
    Session,
    TokenOwner,
    UserCommand,
    UserReply,
)
from service_kit.shards import ShardMap
from service_kit.store.memory import MemoryStore
from service_kit.third_party_ids import ValidationCodes
from userserver.service import UserserverService
from userserver.tables import TABLES

ALICE = "@alice:a.example"
BOB = "@bob:a.example"
SHARDS = ShardMap(room_shards=1, user_shards=2)
CHEAP = PasswordSettings(argon2_memory_kib=8, argon2_iterations=1)
"""The real parameters cost 20 ms a password."""
CODES = ValidationCodes(b"key of the tests")


class UserCluster:
    """One store, one bus, one clock, and as many workers as were started."""

    def __init__(self, *, atomic_tables: bool = True) -> None:
        self.email = EmailSettings()
        self.clock = ManualClock()
        self.hub = MemoryBus(clock=self.clock)
        self.store = MemoryStore([*TABLES, *LEDGER_TABLES], atomic_tables=atomic_tables, clock=self.clock)
        self.workers: list[UserserverService] = []
        self.users = CommandClient(self.hub.connect(), SHARDS, self.clock)
        self.revoked: list[bytes] = []

    async def start_worker(self, settings: PasswordSettings = CHEAP) -> UserserverService:
        worker = UserserverService(
            self.hub.connect(),
            self.store,
            self.clock,
            shards=SHARDS,
            worker=f"userserver-{len(self.workers)}",
            settings=settings,
            codes=CODES,
            email=self.email,
        )
        self.workers.append(worker)
        await worker.start()
        return worker

    async def restart(self) -> None:
        """All workers end at once, without a chance to finish, and one comes anew."""
        for worker in self.workers:
            await worker.stop()
        self.workers.clear()
        await self.start_worker()

    async def listen_for_revoked_tokens(self) -> None:
        async def remember(message: Message) -> None:
            self.revoked += TokenRevoked.FromString(message.payload).token_sha256

        await self.hub.connect().subscribe(TOKEN_REVOKED, remember)

    async def stop(self) -> None:
        for worker in self.workers:
            await worker.stop()

    # --- what tests do all the time

    async def send(self, user_id: str, **command: object) -> UserReply:
        return await self.users.user(user_id, UserCommand(**command))  # type: ignore[arg-type]

    async def register(self, user_id: str = ALICE, password: str = "correct horse") -> UserReply:
        return await self.send(user_id, register_user=RegisterUser(user_id=user_id, password=password))

    async def login(
        self, user_id: str = ALICE, password: str = "correct horse", *, device_id: str = "", lifetime_ms: int = 0
    ) -> tuple[Session, Token, Token]:
        """The session, its access token, its refresh token (only given if there is a lifetime)."""
        shard = SHARDS.of_user(user_id)
        access, refresh = new_access_token(shard), new_refresh_token(shard)
        session = NewSession(
            device_id=device_id,
            access_token_sha256=access.sha256,
            refresh_token_sha256=refresh.sha256 if lifetime_ms else b"",
            access_token_lifetime_ms=lifetime_ms,
        )
        command = LoginWithPassword(user_id=user_id, password=password, session=session)
        return (await self.send(user_id, login_with_password=command)).session, access, refresh

    async def look_up(self, token: Token, user_id: str = ALICE) -> TokenOwner:
        reply = await self.send(user_id, look_up_token=LookUpToken(token_sha256=token.sha256))
        return reply.token_owner

    async def refresh(self, token: Token, user_id: str = ALICE, *, lifetime_ms: int = 60_000) -> tuple[Token, Token]:
        """The new access and refresh tokens."""
        access, refresh = new_access_token(SHARDS.of_user(user_id)), new_refresh_token(SHARDS.of_user(user_id))
        command = RefreshToken(
            refresh_token_sha256=token.sha256,
            new_access_token_sha256=access.sha256,
            new_refresh_token_sha256=refresh.sha256,
            access_token_lifetime_ms=lifetime_ms,
        )
        await self.send(user_id, refresh_token=command)
        return access, refresh
