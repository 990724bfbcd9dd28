"""Everything ever paid, entry by entry: each transaction of the person's own, each answer, each end of a deposit.

Amounts are the money's smallest unit, as decimal text; times are Unix seconds.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from ..figures import plain

DEPOSIT, TOP_UP, APPROVAL, ANSWER, CLOSE, ASK_BACK, WITHDRAWAL = KINDS = (
    "deposit",
    "top_up",
    "approval",
    "answer",
    "close",
    "ask_back",
    "withdrawal",
)
SENT, SEEN, CONFIRMED, REPLACED, DROPPED, FAILED, LEFT, DONE = STATES = (
    "sent",
    "seen",
    "confirmed",
    "replaced",
    "dropped",
    "failed",
    "left",
    "done",
)
OPEN = (SENT, SEEN, DROPPED)
"""Those that have no end yet."""


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One line. `key` tells it apart; `amount` went out (of the wallet, or for an answer of the deposit), `back` came
    back. `state` is DONE for what is no transaction.
    """

    key: str
    at: int
    kind: str
    amount: str = "0"
    back: str = "0"
    symbol: str = "ETH"
    decimals: int = 18
    chain_id: int = 0
    chain: str = ""
    provider: str = ""
    who: str = ""
    channel: str = ""
    transaction: str = ""
    state: str = DONE
    input_units: int = 0
    output_units: int = 0


@dataclass(frozen=True)
class Book:
    """All entries, oldest first."""

    entries: tuple[Entry, ...] = ()

    def find(self, key: str) -> Entry | None:
        return next((entry for entry in reversed(self.entries) if entry.key == key), None)

    def noted(self, entry: Entry) -> Book:
        """With this entry, in the place of one that bears its key."""
        for place in range(len(self.entries) - 1, -1, -1):
            if self.entries[place].key == entry.key:
                return Book((*self.entries[:place], entry, *self.entries[place + 1 :]))
        return Book((*self.entries, entry))

    def under_way(self) -> tuple[Entry, ...]:
        """Transactions without an end."""
        return tuple(entry for entry in self.entries if entry.state in OPEN)

    def spent(self, chain_id: int, symbol: str) -> int:
        """What all answers cost, on one chain in one money."""
        return sum(
            int(entry.amount)
            for entry in self.entries
            if entry.kind == ANSWER and (entry.chain_id, entry.symbol) == (chain_id, symbol)
        )


COLUMNS = (
    "time",
    "kind",
    "out",
    "back",
    "money",
    "chain",
    "chain_id",
    "provider",
    "model",
    "tokens_read",
    "tokens_written",
    "transaction",
    "state",
    "channel",
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(entries: Iterable[Entry]) -> str:
    """RFC 4180 with CRLF; times in UTC (ISO 8601), amounts in whole coins, exact. Text that a spreadsheet would take
    for a formula gets an apostrophe.
    """
    out = io.StringIO()
    sheet = csv.writer(out)
    sheet.writerow(COLUMNS)
    for entry in entries:
        sheet.writerow(_line(entry))
    return out.getvalue()


def _line(entry: Entry) -> list[str]:
    moment = datetime.fromtimestamp(entry.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        moment,
        entry.kind,
        plain(int(entry.amount), entry.decimals),
        plain(int(entry.back), entry.decimals),
        _safe(entry.symbol),
        _safe(entry.chain),
        str(entry.chain_id),
        _safe(entry.provider),
        _safe(entry.who),
        str(entry.input_units),
        str(entry.output_units),
        entry.transaction,
        entry.state,
        entry.channel,
    ]


def _safe(text: str) -> str:
    """Names come from strangers."""
    return "'" + text if text.startswith(FORMULA) else text
