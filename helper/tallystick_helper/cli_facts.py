"""`tallystick earnings`, `logs`, `bundle`: what the console shows, in a terminal."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tallystick_shared.errors import Code, LocalError

from .flags import AsJson, ConfigFile, DataDir
from .shown import plain_text, print_table
from .status_lines import show_sum
from .terminal import fail, load_settings, out, run, say

if TYPE_CHECKING:
    from .settings import Settings

app = typer.Typer()


async def _ask(settings: Settings, path: str, **body: Any) -> dict[str, Any]:
    from .running import RunningNode

    return await RunningNode.need(settings.data_dir).command(path, **body)


@app.command()
def earnings(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    days: Annotated[int, typer.Option("--days", help="How far back, today among them.", min=1, max=366)] = 30,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a table for spreadsheets.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what the node that runs here earned: by day, model and device, and the claims that were paid.

    JSON: days, today, symbols, rows (day, chain, token, model, device, requests, input_units, output_units, amount),
    paid (day, sent, chain, token, kind, transaction, amount), sums (chain, token, today, yesterday, week, month, paid).
    """
    settings = load_settings(config, {"data_dir": data_dir}, as_json)
    found = run(_ask(settings, "/earnings", days=days), as_json)
    if as_json:
        say(True, found)
    elif as_csv:
        from .console.earnings import as_csv as table

        typer.echo(table(found).replace("\r\n", "\n"), nl=False)
    else:
        _print_earnings(found)


def _print_earnings(found: dict[str, Any]) -> None:
    rows = [
        [row["day"], row["model"], row["device"], str(row["requests"]), f"{row['output_units']:,}", _money(row, found)]
        for row in found["rows"]
    ]
    if not rows:
        say(False, {}, f"Nothing was earned in the last {found['days']} days.")
        return
    print_table(out, ["Day", "Model", "Device", "Requests", "Units out", "Earned"], rows)
    for one in found["sums"]:
        shown = {name: _money({**one, "amount": one[name]}, found) for name in ("today", "week", "month", "paid")}
        say(False, {}, f"Today {shown['today']}, 7 days {shown['week']}, 30 days {shown['month']}; "
            f"paid out {shown['paid']}")  # fmt: skip


def _money(row: dict[str, Any], found: dict[str, Any]) -> str:
    return show_sum(row["amount"], row["token"], found["symbols"].get(row["chain"], ""))


@app.command()
def logs(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    level: Annotated[str, typer.Option("--level", help="At least: debug, info, warning, error.")] = "debug",
    search: Annotated[str, typer.Option("--search", help="Only lines that have all of these words.")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl+C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the last lines of the log of the node that runs here. Prompts and answers are never in it.

    JSON: lines (number, at, level, says, values); with --follow one such object for each look.
    """
    if level not in ("debug", "info", "warning", "error"):
        fail(LocalError(Code.BAD_SETTINGS, level=level, reason="it is debug, info, warning or error"), as_json)
    settings = load_settings(config, {"data_dir": data_dir}, as_json)
    after = 0
    while True:
        found = run(_ask(settings, "/logs", level=level, search=search, after=after), as_json)
        lines = found["lines"]
        if lines or not follow:
            say(as_json, found, "\n".join(map(_line, lines)) or _no_line(level, search))
        after = max([after, *(line["number"] for line in lines)])
        if not follow:
            return
        time.sleep(1)


def _no_line(level: str, search: str) -> str:
    if search or level != "debug":
        return "Nothing like this is in the log of the node that runs here."
    return "The node that runs here has logged nothing yet."


def _line(line: dict[str, Any]) -> str:
    values = " ".join(f"{name}={value}" for name, value in line["values"].items())
    from rich.markup import escape

    return escape(plain_text(f"{line['at'][:19]} {line['level']:<8} {line['says']} {values}".rstrip()))


@app.command()
def bundle(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    to: Annotated[Path, typer.Option("--to", help="The file to write.")] = Path("tallystick-support.zip"),
    as_json: AsJson = False,
) -> None:
    """Write what somebody who helps needs to see into a zip file: versions, settings, state, log.

    Keys, wallets, addresses of machines and paths of the home folder are replaced; look through it all the same.

    JSON: file, bytes.
    """
    from .ledger_file import write_private

    settings = load_settings(config, {"data_dir": data_dir}, as_json)
    data = base64.b64decode(run(_ask(settings, "/bundle"), as_json)["zip"])
    try:
        write_private(to, data)
    except OSError as error:
        fail(LocalError(Code.BAD_SETTINGS, file=str(to), reason=error.strerror), as_json)
    say(as_json, {"file": str(to), "bytes": len(data)}, f"Wrote {to}. Look through it before you send it on.")
