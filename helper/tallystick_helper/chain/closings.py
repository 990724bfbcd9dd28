"""Which payers asked for the end of their channel, also of channels that this node never served.

The contract's word does not tell it, and logs are read once. So a request is kept in the ledger's file until a later
end undoes it or the channel is ended: else a channel that is looked up after a restart would be served although its
payer asked for the end before.
"""

from __future__ import annotations

import sqlite3

from tallystick_shared.evm.channels import ChannelLog

from ..ledger import Ledger
from .ranges import Change

SCHEMA = """
CREATE TABLE closings (
    id BLOB NOT NULL CHECK (length(id) = 32), block INTEGER NOT NULL, place INTEGER NOT NULL, expiry INTEGER NOT NULL,
    closing INTEGER NOT NULL, PRIMARY KEY (id, block, place)
) STRICT, WITHOUT ROWID
"""
INDEX = "CREATE INDEX closings_block ON closings (block)"
LATEST = "SELECT closing, expiry FROM closings WHERE id = ? ORDER BY block DESC, place DESC LIMIT 1"


class Closings:
    """The index of one contract, filled by the follower's logs."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._begun = False

    async def prepare(self) -> None:
        """Makes the table, once. A ledger from before it had one is followed from the start again."""

        def job(db: sqlite3.Connection) -> None:
            if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'closings'").fetchone():
                return
            db.execute(SCHEMA)
            db.execute(INDEX)
            db.execute("DELETE FROM cursor")

        await self._ledger.run(job)

    async def take(self, change: Change[ChannelLog]) -> None:
        """What a look found. The blocks it read are written anew, so that a reorganisation leaves nothing behind."""
        if not self._begun:
            await self.prepare()
        if change or not self._begun:
            await self._ledger.run(lambda db: _write(db, change))
        self._begun = True

    async def of(self, channel_id: bytes) -> bool:
        """Did its payer ask for the end, and extend it no more since?"""

        def job(db: sqlite3.Connection) -> bool:
            row = db.execute(LATEST, (channel_id,)).fetchone()
            return bool(row and row[0])

        return await self._ledger.run(job)


def _write(db: sqlite3.Connection, change: Change[ChannelLog]) -> None:
    db.execute("DELETE FROM closings WHERE block >= ?", (change.first,))
    for place, log in enumerate(change.entries):
        if log.name == "Closed":
            db.execute("DELETE FROM closings WHERE id = ?", (log.channel_id,))
            continue
        if log.name not in ("CloseRequested", "ToppedUp"):
            continue
        before = db.execute(LATEST, (log.channel_id,)).fetchone()
        asked = log.name == "CloseRequested"
        if asked or (before and before[0] and log.values["expiry"] > before[1]):
            row = (log.channel_id, log.block, place, log.values["expiry"], asked)
            db.execute("INSERT INTO closings VALUES (?,?,?,?,?)", row)
