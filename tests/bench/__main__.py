"""`./run bench [--json FILE] [--only NAME …]`: measures and prints the table. NAME may be a pattern: `page_seal_*`."""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.engines import (
    cancel_to_free_slot,
    cpu_per_1k_tokens,
    first_token_fast,
    many_streams,
    swap_two_models,
)
from tests.bench.frames import longest_frame
from tests.bench.gas import gas_1000_prompts, provider_gas
from tests.bench.live import live_streams
from tests.bench.market import market_1000
from tests.bench.market_filter import market_filter
from tests.bench.newcomer import newcomer
from tests.bench.page_ready import page_ready
from tests.bench.protocol import names, page_protocol, protocol
from tests.bench.row import Row
from tests.bench.sessions import tx_100_sessions
from tests.bench.start import demo_second_start
from tests.bench.strangers import strangers
from tests.bench.streams import streams
from tests.bench.visit import NAMES as VISIT
from tests.bench.visit import visit
from tests.bench.wire import wire_bytes

MEASUREMENTS: dict[Callable[[], list[Row]], tuple[str, ...]] = {
    page_ready: ("page_ready",),
    visit: VISIT,
    longest_frame: ("longest_frame",),
    streams: ("tokens_1", "first_token_shaped"),
    many_streams: ("tokens_4", "tokens_8"),
    first_token_fast: ("first_token_fast",),
    cpu_per_1k_tokens: ("cpu_per_1k_tokens",),
    cancel_to_free_slot: ("cancel_to_free_slot",),
    swap_two_models: ("swap_two_models",),
    gas_1000_prompts: ("gas_1000_prompts",),
    provider_gas: ("gas_go_live", "gas_reprice"),
    tx_100_sessions: ("tx_100_sessions",),
    newcomer: ("newcomer",),
    demo_second_start: ("demo_second_start",),
    market_1000: ("market_1000",),
    market_filter: ("market_filter",),
    protocol: names(page=False),
    page_protocol: names(page=True),
    wire_bytes: ("wire_bytes",),
    live_streams: ("live_streams",),
    strangers: ("strangers",),
}


def figure(value: float | None, unit: str = "") -> str:
    if value is None:
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".strip()


def show(rows: list[Row]) -> None:
    table = Table("row", "value", "against", "ratio", "goal", "", "spread", "note")
    for row in rows:
        mark = {True: "ok", False: "missed", None: "not run"}[row.ok]
        table.add_row(
            row.name,
            figure(row.value, row.unit),
            row.against,
            figure(row.ratio),
            row.goal,
            mark,
            figure(row.spread),
            row.note,
        )
    Console(width=180).print(table)


def main() -> int:
    known = [name for held in MEASUREMENTS.values() for name in held]
    parser = argparse.ArgumentParser(prog="bench", description="Every figure of the performance goals.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to a file")
    parser.add_argument("--only", action="append", metavar="NAME", help=f"a row, or a pattern: {', '.join(known)}")
    options = parser.parse_args()
    for pattern in options.only or ():
        if not fnmatch.filter(known, pattern):
            parser.error(f"no such row: {pattern}")
    wanted = [name for name in known if any(fnmatch.fnmatch(name, pattern) for pattern in options.only or "*")]
    rows: list[Row] = []
    for measure, held in MEASUREMENTS.items():
        if set(held) & set(wanted):
            rows += [row for row in measure() if row.name in wanted]
    show(rows)
    if options.json:
        options.json.write_text(json.dumps([row.as_json() for row in rows], indent=2, ensure_ascii=False) + "\n")
    return 0 if all(row.ok is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
