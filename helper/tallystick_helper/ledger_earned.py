"""What was earned by day, token, model and device: counted in the same transaction as the end of each request.

No request, no wallet and no prompt can be told from it: only sums are kept. Days are UTC.
"""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass

from tallystick_shared.channel import NATIVE, Config
from tallystick_shared.messages import ConfigBody, amount_bytes, amount_int, decode

DAY = 86400
TABLE = """
CREATE TABLE IF NOT EXISTS earned (
    day INTEGER NOT NULL, token BLOB NOT NULL, model TEXT NOT NULL, device TEXT NOT NULL, requests INTEGER NOT NULL,
    input_units INTEGER NOT NULL, units INTEGER NOT NULL, amount BLOB NOT NULL CHECK (length(amount) = 16),
    PRIMARY KEY (day, token, model, device)
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Earned:
    """What a request came to: units and smallest units of its token (20 bytes). `input_units` is 0 where it ended
    without a connection, which does not tell them.
    """

    token: bytes
    model: str
    device: str
    units: int
    amount: int
    input_units: int = 0


@dataclass(frozen=True)
class EarnedRow:
    """A day's sum; `day` in days since 1970 (UTC)."""

    day: int
    token: bytes
    model: str
    device: str
    requests: int
    input_units: int
    units: int
    amount: int


@dataclass(frozen=True)
class PaidRow:
    """A claim or close that was mined: sent at that Unix second, in that token, paid that much."""

    transaction: bytes
    kind: str
    sent: int
    block: int
    token: bytes
    paid: int


def add(db: sqlite3.Connection, earned: Earned, now: float | None = None) -> None:
    """Counts one request."""
    key = (int(time.time() if now is None else now) // DAY, earned.token, earned.model, earned.device)
    query = "SELECT amount FROM earned WHERE day = ? AND token = ? AND model = ? AND device = ?"
    found = db.execute(query, key).fetchone()
    total = amount_bytes((amount_int(found[0]) if found else 0) + earned.amount)
    db.execute(
        "INSERT INTO earned VALUES (?1,?2,?3,?4,1,?5,?6,?7) ON CONFLICT (day, token, model, device) DO UPDATE SET"
        " requests = requests + 1, input_units = input_units + ?5, units = units + ?6, amount = ?7",
        (*key, earned.input_units, earned.units, total),
    )


def since(db: sqlite3.Connection, first: int) -> list[EarnedRow]:
    """From that day on, oldest first."""
    rows = db.execute("SELECT * FROM earned WHERE day >= ? ORDER BY day, token, model, device", (first,))
    return [
        EarnedRow(day, token, model, device, requests, inputs, units, amount_int(amount))
        for day, token, model, device, requests, inputs, units, amount in rows
    ]


def paid_since(db: sqlite3.Connection, moment: int) -> list[PaidRow]:
    """What was mined of what was sent since then, oldest first."""
    rows = db.execute(
        "SELECT hash, kind, sent, block, paid, substr(channels, 1, 32) FROM claims"
        " WHERE block IS NOT NULL AND sent >= ? ORDER BY sent",
        (moment,),
    ).fetchall()
    return [PaidRow(row[0], row[1], row[2], row[3], _token(db, row[5]), amount_int(row[4])) for row in rows]


def _token(db: sqlite3.Connection, channel: bytes) -> bytes:
    """Of a channel of this ledger; the coin where it is not there."""
    row = db.execute("SELECT config FROM channels WHERE id = ?", (channel,)).fetchone()
    return Config.from_body(decode(ConfigBody, row[0])).token if row else NATIVE
