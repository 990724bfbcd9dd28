"""What was earned, by day, model and device, and what was paid out: rows, sums, CSV."""

from __future__ import annotations

import csv
import io
import sqlite3
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tallystick_shared.evm.rpc import to_hex

from ..ledger_earned import DAY, EarnedRow, PaidRow, paid_since, since
from ..place import Place

MOST_DAYS = 366
COLUMNS = ("day", "chain", "token", "model", "device", "requests", "input_units", "output_units", "amount")
Books = list[tuple[str, list[EarnedRow], list[PaidRow]]]


async def earnings(places: Sequence[Place], days: int = 30, now: float | None = None) -> dict[str, Any]:
    """Of the last so many days, today among them (UTC). `rows` are sums of a day; `paid` what was mined; `sums` by
    chain and token: today, yesterday, 7 and 30 days. Amounts are decimal text in smallest units.
    """
    today = int(time.time() if now is None else now) // DAY
    days = max(1, min(days, MOST_DAYS))
    books = await _books(places, today - max(days, 30) + 1)
    first = today - days + 1
    symbols = {place.name: place.settings.chain.symbol for place in places}
    return {
        "days": days,
        "today": _date(today),
        "symbols": symbols,
        "rows": [_row(chain, row) for chain, rows, _ in books for row in rows if row.day >= first],
        "paid": [_paid(chain, one) for chain, _, paid in books for one in paid if one.sent // DAY >= first],
        "sums": _sums(books, today),
    }


async def _books(places: Sequence[Place], first: int) -> Books:
    def job(db: sqlite3.Connection) -> tuple[list[EarnedRow], list[PaidRow]]:
        return since(db, first), paid_since(db, first * DAY)

    return [(place.name, *await place.running.ledger.run(job)) for place in places if place.running is not None]


def _row(chain: str, row: EarnedRow) -> dict[str, Any]:
    return {
        "day": _date(row.day),
        "chain": chain,
        "token": to_hex(row.token),
        "model": row.model,
        "device": row.device,
        "requests": row.requests,
        "input_units": row.input_units,
        "output_units": row.units,
        "amount": str(row.amount),
    }


def _paid(chain: str, one: PaidRow) -> dict[str, Any]:
    return {
        "day": _date(one.sent // DAY),
        "sent": one.sent,
        "chain": chain,
        "token": to_hex(one.token),
        "kind": one.kind,
        "transaction": to_hex(one.transaction),
        "amount": str(one.paid),
    }


def _sums(books: Books, today: int) -> list[dict[str, Any]]:
    spans = {"today": (today, today), "yesterday": (today - 1, today - 1), "week": (today - 6, today),
             "month": (today - 29, today)}  # fmt: skip
    sums: dict[tuple[str, bytes], dict[str, int]] = defaultdict(lambda: {**dict.fromkeys(spans, 0), "paid": 0})
    for chain, rows, paid in books:
        for row in rows:
            for name, (first, last) in spans.items():
                if first <= row.day <= last:
                    sums[chain, row.token][name] += row.amount
        for one in paid:
            sums[chain, one.token]["paid"] += one.paid
    return [
        {"chain": chain, "token": to_hex(token), **{name: str(value) for name, value in of.items()}}
        for (chain, token), of in sorted(sums.items())
    ]


def as_csv(found: dict[str, Any]) -> str:
    """The rows, for a spreadsheet. A model's name that a spreadsheet would take for a formula gets an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180
    writer.writerow(COLUMNS)
    for row in found["rows"]:
        writer.writerow([_harmless(str(row[name])) for name in COLUMNS])
    return out.getvalue()


def _harmless(cell: str) -> str:
    return "'" + cell if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _date(day: int) -> str:
    return datetime.fromtimestamp(day * DAY, UTC).strftime("%Y-%m-%d")
