"""`tallystick models` without a subcommand: the table of what this node serves or could serve."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import typer

from tallystick_shared.errors import LocalError

from .flags import Here
from .shown import print_table, show_amount
from .terminal import out

if TYPE_CHECKING:
    from .settings import Settings

TIMEOUT = 5.0


def list_models(context: typer.Context, at: Here) -> None:
    """The models of this machine: what this node serves, or would serve once it runs, with state, load and prices.

    JSON: running (does the node run), models, each with model, engine, kind, unit, state (loaded, leaving, unloaded,
    not running), context, quantisation, price_in and price_out (smallest units per 1,000,000 units), announced,
    slots, running, queue, waiting (null where it does not run), fits (green, amber, red or empty).
    """
    if context.invoked_subcommand is not None:
        return
    settings = at.settings()
    running, rows = at.call(lambda: rows_of(settings))
    if at.as_json:
        at.say({"running": running, "models": rows})
    elif not rows:
        at.say({}, "No model is set. `tallystick up --engine gguf` serves the demo model.")
    else:
        heads = ("model", "engine", "state", "running", "waiting", "context", "in / 1M", "out / 1M")
        print_table(out, heads, table_of(rows, settings.chain.symbol))


def rows_of(settings: Settings) -> tuple[bool, list[dict[str, Any]]]:
    """Does a node with these settings run, and the rows: by its word, else by the settings. Raises LocalError."""
    asked = _asked(settings)
    if asked is not None:
        return True, asked
    from .model_list import servable

    return False, [row.values() for row in servable(settings)]


def table_of(rows: list[dict[str, Any]], symbol: str) -> list[list[str]]:
    """The cells of the table for people."""
    return [_cells(row, symbol) for row in rows]


def _asked(settings: Settings) -> list[dict[str, Any]] | None:
    """What the running node says; None where none runs on this data directory."""
    import httpx2

    from .gateway.key import ApiKey
    from .running import RunningNode

    key, node = ApiKey(settings.data_dir, "metrics"), RunningNode.find(settings.data_dir)
    if node is None or not key.path.exists():
        return None
    try:
        headers = {"Authorization": f"Bearer {key.text()}"}
        answer = httpx2.get(f"{node.origin}/models", headers=headers, timeout=TIMEOUT, trust_env=False)
        rows: list[dict[str, Any]] = answer.raise_for_status().json()["models"]
    except (httpx2.HTTPError, LocalError, ValueError, KeyError):
        return None
    return rows


def _cells(row: dict[str, Any], symbol: str) -> list[str]:
    def load(now: str, most: str) -> str:
        return "" if row[now] is None else f"{row[now]} of {row[most]}"

    state = row["state"] + (f" ({row['fits']})" if row["fits"] else "")
    prices = [show_amount(int(Decimal(row[price])), symbol) for price in ("price_in", "price_out")]
    loads = [load("running", "slots"), load("waiting", "queue")]
    return [row["model"], row["engine"], state, *loads, str(row["context"] or ""), *prices]
