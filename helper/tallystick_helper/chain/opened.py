"""Who opened which channel: an index of `Opened` by payer, for those who lost their own notes.

It lives in the ledger's file and is filled by the follower's logs. A channel whose end is old enough to stay is taken
out: nothing can be recovered from it. Everything here is public on chain.
"""

from __future__ import annotations

import sqlite3

from tallystick_shared.chains import Deployment
from tallystick_shared.evm.channels import ChannelLog
from tallystick_shared.messages import ConfigBody, decode, encode
from tallystick_shared.recovery import MAX_RECORDS, OpenedAsk, OpenedRecord, make_opened

from ..ledger import Ledger
from .ranges import Change

KEPT_AFTER_END = 1000  # blocks; no reorganisation reaches that far
SCHEMA = """
CREATE TABLE opened (
    id BLOB PRIMARY KEY CHECK (length(id) = 32), payer BLOB NOT NULL CHECK (length(payer) = 20), config BLOB NOT NULL,
    deposit BLOB NOT NULL CHECK (length(deposit) = 16), expiry INTEGER NOT NULL, block INTEGER NOT NULL,
    hash BLOB NOT NULL, closed INTEGER
) STRICT, WITHOUT ROWID
"""
INDICES = (
    "CREATE INDEX opened_payer ON opened (payer, block)",
    "CREATE INDEX opened_block ON opened (block)",
    "CREATE INDEX opened_closed ON opened (closed) WHERE closed IS NOT NULL",
)


class OpenedIndex:
    """The index of one contract. `block`: how far its logs are read."""

    def __init__(self, ledger: Ledger, where: Deployment) -> None:
        self._ledger, self._where = ledger, where
        self._begun = False
        self.block = 0

    async def prepare(self) -> None:
        """Makes the table. A ledger from before it had one is followed from the start again. Call this before the
        follower's `prepare`.
        """

        def job(db: sqlite3.Connection) -> None:
            if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'opened'").fetchone():
                return
            for statement in (SCHEMA, *INDICES):
                db.execute(statement)
            db.execute("DELETE FROM cursor")

        await self._ledger.run(job)

    async def take(self, change: Change[ChannelLog]) -> None:
        """What a look of the follower found. The blocks it read are written anew, so that a reorganisation leaves
        nothing behind, also one that came while the node was down.
        """
        if change or not self._begun:
            await self._ledger.run(lambda db: _write(db, change))
        self._begun, self.block = True, change.last

    async def answer(self, ask: OpenedAsk) -> bytes:
        """The bytes of `channels.opened`: a payer's channels that have not ended, newest first."""

        def job(db: sqlite3.Connection) -> tuple[int, list[OpenedRecord]]:
            count = db.execute(
                "SELECT count(*) FROM opened WHERE payer = ? AND closed IS NULL", (ask.payer,)
            ).fetchone()
            rows = db.execute(
                "SELECT config, deposit, expiry, block, hash FROM opened WHERE payer = ? AND closed IS NULL"
                " ORDER BY block DESC, id LIMIT ? OFFSET ?",
                (ask.payer, MAX_RECORDS, ask.start),
            )
            return count[0], [OpenedRecord(decode(ConfigBody, config), *rest) for config, *rest in rows]

        count, records = await self._ledger.run(job)
        return make_opened(self._where, self.block, count, ask.start, records)


def _write(db: sqlite3.Connection, change: Change[ChannelLog]) -> None:
    db.execute("DELETE FROM opened WHERE block >= ?", (change.first,))
    db.execute("UPDATE opened SET closed = NULL WHERE closed >= ?", (change.first,))
    records = [(log.channel_id, OpenedRecord.of(log)) for log in change.entries if log.name == "Opened"]
    db.executemany(
        "INSERT OR REPLACE INTO opened VALUES (?,?,?,?,?,?,?,NULL)",
        [
            (one, record.config.payer, encode(record.config), record.deposit, record.expiry, record.block,
             record.transaction)
            for one, record in records
        ],
    )  # fmt: skip
    ended = [(log.block, log.channel_id) for log in change.entries if log.name == "Closed"]
    db.executemany("UPDATE opened SET closed = ? WHERE id = ?", ended)
    db.execute("DELETE FROM opened WHERE closed < ?", (change.last - KEPT_AFTER_END,))
