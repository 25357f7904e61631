"""Sessions in which somebody proves that an address is theirs, by a token that is mailed there.

    begin     the session, and the mail as a chore, in one commit: what was answered 200 will be sent
    submit    the token came back: the address is proven, for whoever has the client secret
    get       is it? once more when it was used, with `end`

The token is made from the session and a key of the cluster: neither it nor the client secret is kept anywhere.
"""

from __future__ import annotations

import hmac
from typing import NamedTuple

from matrix_protocol.errors import LimitExceeded, NoValidSession, SessionExpired, SessionNotValidated, TokenIncorrect
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import ChoreFact, Fact, Mail, MailCountFact, ValidationFact
from service_kit.rpc.pb.user_commands_pb2 import (
    BeginValidation,
    GetValidation,
    SubmitValidation,
    UserReply,
    Validation,
)
from service_kit.store.interface import Store
from service_kit.third_party_ids import ValidationCodes
from userserver.chores import Chores
from userserver.credential_tables import (
    MAIL_COUNTS,
    VALIDATIONS,
    MailCountRow,
    ValidationRow,
    validation_fact,
)
from userserver.live_rows import LiveRow, LiveRows
from userserver.unapplied import Unapplied

HOUR_MS = 3600 * 1000
UNKNOWN = "There is no such session, or the client secret is not the one that it began with"


class Beginning(NamedTuple):
    session: LiveRow[ValidationRow]
    mail_count: LiveRow[MailCountRow]


class Validations:
    def __init__(self, store: Store, unapplied: Unapplied, codes: ValidationCodes, chores: Chores) -> None:
        self._rows = LiveRows(store, VALIDATIONS, unapplied)
        self._counts = LiveRows(store, MAIL_COUNTS, unapplied)
        self._codes = codes
        self._chores = chores

    async def prepare_begin(self, command: BeginValidation) -> Beginning:
        return Beginning(await self._rows.load(command.sid), await self._counts.load(command.address_code))

    def begin(self, command: BeginValidation, prepared: Beginning, batch: Batch) -> UserReply:
        """ "The server will only send an email if the `send_attempt` is a number greater than the most recent one which
        it has seen". Raises LimitExceeded.
        """
        session, count = prepared
        row = session.row
        if row is not None and row.expires_at_ms > batch.now_ms and row.validated_at_ms == 0:
            if command.send_attempt <= row.send_attempt:
                return UserReply()
            row = row._replace(send_attempt=command.send_attempt)
        elif row is not None and row.expires_at_ms > batch.now_ms:
            return UserReply()  # proven already: no more to do
        else:
            row = _new_row(command, batch)
        self._chores.check_room()
        self._count_mail(command, count, batch)
        self._write(session, row, batch)
        mail = Mail(
            kind=command.mail_kind,
            server_name=row.server_name,
            address=row.address,
            base_url=command.base_url,
            sid=row.sid,
            created_at_ms=row.created_at_ms,
        )
        batch.add(Fact(chore=ChoreFact(expires_at_ms=row.expires_at_ms, mail=mail)))
        return UserReply()

    async def prepare(self, command: SubmitValidation | GetValidation) -> LiveRow[ValidationRow]:
        return await self._rows.load(command.sid)

    def submit(self, command: SubmitValidation, session: LiveRow[ValidationRow], batch: Batch) -> UserReply:
        row = _existing(session, command.client_secret_sha256, batch)
        token = self._codes.token(row.sid, row.created_at_ms).encode()
        if not hmac.compare_digest(token, command.token.encode("utf-8", "surrogatepass")):
            raise TokenIncorrect("This is not the token that was mailed last")
        if not row.validated_at_ms and not command.look:
            # Whoever began has as long again to go on from here.
            lifetime_ms = row.expires_at_ms - row.created_at_ms
            row = row._replace(validated_at_ms=batch.now_ms, expires_at_ms=batch.now_ms + lifetime_ms)
            self._write(session, row, batch)
        return UserReply(validation=_shown(row))

    def get(self, command: GetValidation, session: LiveRow[ValidationRow], batch: Batch) -> UserReply:
        """Raises NoValidSession, SessionExpired, SessionNotValidated."""
        row = _existing(session, command.client_secret_sha256, batch)
        if not command.client_secret_sha256 or row.purpose != command.purpose:
            raise NoValidSession(UNKNOWN)
        if not row.validated_at_ms:
            raise SessionNotValidated("Follow the link in the mail first")
        if command.end:
            self._rows.changed(session, None, batch.add(Fact(validation=ValidationFact(sid=row.sid))))
        return UserReply(validation=_shown(row))

    def _write(self, session: LiveRow[ValidationRow], row: ValidationRow, batch: Batch) -> None:
        self._rows.changed(session, row, batch.add(Fact(validation=validation_fact(row))))

    def _count_mail(self, command: BeginValidation, count: LiveRow[MailCountRow], batch: Batch) -> None:
        row = count.row
        if row is None or row.since_ms + HOUR_MS <= batch.now_ms:
            row = MailCountRow(command.address_code, batch.now_ms, 0)
        if row.mails >= command.mails_per_hour_max:
            wait_ms = row.since_ms + HOUR_MS - batch.now_ms
            raise LimitExceeded("Enough mails went to this address for now", retry_after_ms=wait_ms)
        row = row._replace(mails=row.mails + 1)
        self._counts.changed(count, row, batch.add(Fact(mail_count=MailCountFact(**row._asdict()))))


def _new_row(command: BeginValidation, batch: Batch) -> ValidationRow:
    return ValidationRow(
        sid=command.sid,
        server_name=command.address.server_name,
        medium=command.address.medium,
        address=command.address.address,
        purpose=command.purpose,
        client_secret_sha256=command.client_secret_sha256,
        created_at_ms=batch.now_ms,
        validated_at_ms=0,
        expires_at_ms=batch.now_ms + command.lifetime_ms,
        send_attempt=command.send_attempt,
        next_link=command.next_link,
    )


def _existing(session: LiveRow[ValidationRow], client_secret_sha256: bytes, batch: Batch) -> ValidationRow:
    row = session.row
    if row is None or (client_secret_sha256 and client_secret_sha256 != row.client_secret_sha256):
        raise NoValidSession(UNKNOWN)
    if row.expires_at_ms <= batch.now_ms:
        raise SessionExpired("This took too long; begin again")
    return row


def _shown(row: ValidationRow) -> Validation:
    return Validation(
        medium=row.medium,
        address=row.address,
        validated_at_ms=row.validated_at_ms,
        next_link=row.next_link,
        server_name=row.server_name,
        purpose=row.purpose,
    )
