"""What a ledger comes to, all channels together, by the token that they are in."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from tallystick_shared.messages import amount_int

from .ledger import Ledger


@dataclass
class TokenTotals:
    """Smallest units of one token (20 bytes; zero is the coin): what is owed, and what vouchers on disk promise."""

    channels: int = 0
    owed: int = 0
    durable: int = 0


@dataclass
class Totals:
    """`claims` counts by (kind, mined); `paid` is what mined claims and closes paid, in smallest units, all tokens."""

    live: dict[bytes, TokenTotals] = field(default_factory=dict)
    claims: dict[tuple[str, bool], int] = field(default_factory=dict)
    paid: int = 0


async def totals(ledger: Ledger) -> Totals:
    """Of the channels that are not ended; claims of all times."""
    found = Totals()
    for row in await ledger.live_channels():
        one = found.live.setdefault(row.config.token, TokenTotals())
        one.channels, one.owed, one.durable = one.channels + 1, one.owed + row.owed, one.durable + row.voucher.amount

    def job(db: sqlite3.Connection) -> list[tuple[str, bool, bytes | None]]:
        return [
            (kind, block is not None, paid) for kind, block, paid in db.execute("SELECT kind, block, paid FROM claims")
        ]

    for kind, mined, paid in await ledger.run(job):
        found.claims[kind, mined] = found.claims.get((kind, mined), 0) + 1
        found.paid += amount_int(paid) if paid else 0
    return found
