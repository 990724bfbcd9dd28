"""`tallystick status`, `pause`, `resume`, `drain`, `deny`, `allow`: words to the node that runs here."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tallystick_shared.errors import Code, LocalError

from .flags import AsJson, ConfigFile, DataDir
from .shown import print_sheet, show_moment
from .status_lines import money_rows, show_sum
from .terminal import err, fail, load_settings, out, run, say

if TYPE_CHECKING:
    from .settings import Settings

app = typer.Typer()
_TIME = re.compile(r"(\d+)([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
Account = Annotated[str, typer.Argument(help="The wallet's address.", metavar="ADDRESS")]
Act = Callable[["Settings"], Coroutine[Any, Any, dict[str, Any]]]


def seconds_of(text: str | None, as_json: bool) -> int | None:
    """`90`, `30m`, `2h`, `1d`: seconds; None stays None. Another text ends the command."""
    if text is None:
        return None
    found = _TIME.fullmatch(text.strip())
    if found is None:
        fail(LocalError(Code.BAD_SETTINGS, time=text, reason="write it like 90, 30m, 2h or 1d"), as_json)
        raise AssertionError
    return int(found[1]) * _UNITS[found[2]]


def _do(config: Path | None, data_dir: Path | None, as_json: bool, act: Act) -> None:
    settings = load_settings(config, {"data_dir": data_dir}, as_json)
    state = run(act(settings), as_json)
    say(as_json, state, "" if state.get("pid") else _quiet(state))
    if not as_json and state.get("pid"):
        print_sheet(out, _sheet(state))


def _quiet(state: dict[str, Any]) -> str:
    renting = "takes nothing new" if state["resting"] else "rents out"
    if state["resting"] == "paused":
        renting += " until `tallystick resume`"
    begun = "The node was stopped" if state.get("stopped") else "No node runs here now"
    return f"{begun}; when one starts it {renting}."


def _sheet(state: dict[str, Any]) -> list[tuple[str, str]]:
    now = int(time.time())
    renting = {"paused": "no: paused", "hours": "no: outside of its hours"}.get(state["resting"] or "", "yes")
    if state["resting"] == "paused" and state["until"]:
        renting += f" until {show_moment(state['until'], now)}"
    rows = [("Rents out", renting), ("Running", f"since {show_moment(state['since'], now)}, process {state['pid']}")]
    if load := state["load"]:
        rows.append(("Engine", f"{load['running']} of {load['slots']} slots busy, {load['waiting']} waiting"))
    for name, one in state["chains"].items():
        rows.append((f"Chain {name}".strip(), _chain(one)))
        rows += [("  offers", _offer(offer, one["token"], one["symbol"])) for offer in one.get("offers", ())]
    if state["denied"]:
        rows.append(("Denied", ", ".join(state["denied"])))
    return rows + (money_rows(state["money"]) if "money" in state else [])


def _offer(offer: dict[str, str], token: str, symbol: str) -> str:
    price_in, price_out = (show_sum(offer[name], token, symbol) for name in ("price_in", "price_out"))
    return f"{offer['model']}: {price_in} in, {price_out} out, for a million units"


def _chain(one: dict[str, Any]) -> str:
    if not one["serving"]:
        return "announced, but not serving: see the log" if one["announced"] else "not announced: `tallystick provide`"
    return (
        f"{one['provider']} at {', '.join(one['endpoints'])}, block {one['block']}: "
        f"{one['connections']} connections, {one['requests']} requests"
    )


def _kept(change: Callable[[Any], None], path: str, **body: Any) -> Act:
    """Said to the node that runs, else kept for the next one."""

    async def act(settings: Settings) -> dict[str, Any]:
        from .renting import Renting
        from .running import RunningNode

        if (node := RunningNode.find(settings.data_dir)) is not None:
            return await node.command(path, **body)
        renting = Renting(settings.data_dir, settings.renting)
        change(renting)
        return {"pid": None, **renting.values()}

    return act


@app.command()
def status(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show how the node that runs here is doing, what it earned, and what is still to be claimed.

    JSON: pid, since, paused, until, resting (paused, hours or null), denied, models, load (slots, running, queue,
    waiting), chains (by name: serving, provider, operator, endpoints, epoch, block, connections, requests, symbol,
    token, offers), money: earnings (chain, token, symbol, today, yesterday, week, month, paid), chains (by name:
    symbol, claims (token, pays, fee, worth, channels, threshold; or error), gas (operator, held, claim, send,
    claims); null where not known).
    """

    async def act(settings: Settings) -> dict[str, Any]:
        from .running import RunningNode

        node = RunningNode.need(settings.data_dir)
        return {**await node.ask(), "money": await node.command("/purse")}

    _do(config, data_dir, as_json, act)


@app.command()
def pause(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    for_: Annotated[str | None, typer.Option("--for", help="Resume by itself after 30m, 2h, 1d.")] = None,
    as_json: AsJson = False,
) -> None:
    """Take no new requests. What runs goes on, and what is owed is still claimed; a restart does not forget it.

    JSON: as `status`, but for money.
    """
    seconds = seconds_of(for_, as_json)
    _do(config, data_dir, as_json, _kept(lambda renting: renting.pause(seconds), "/pause", seconds=seconds))


@app.command()
def resume(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Rent out again.

    JSON: as `status`, but for money.
    """
    _do(config, data_dir, as_json, _kept(lambda renting: renting.resume(), "/resume"))


@app.command()
def drain(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    within: Annotated[str | None, typer.Option("--within", help="Wait no longer than 90, 30m, 2h.")] = None,
    stop: Annotated[bool, typer.Option("--stop", help="End the node when nothing runs any more.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take no new requests, and wait until the last one is over.

    JSON: as `status`, but for money.
    """
    seconds = seconds_of(within, as_json)

    async def act(settings: Settings) -> dict[str, Any]:
        from .running import RunningNode

        node = RunningNode.need(settings.data_dir)
        with err.status("Waiting for the last request …") if err.is_terminal and not as_json else nullcontext():
            state = await node.command("/drain", seconds=seconds)
        if stop:
            os.kill(int(state["pid"]), signal.SIGTERM)
            while RunningNode.find(settings.data_dir) is not None:  # noqa: ASYNC110 another process's end
                await asyncio.sleep(0.1)
            return {**state, "pid": None, "stopped": True}
        return state

    _do(config, data_dir, as_json, act)


@app.command()
def deny(account: Account, config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Refuse the requests of a wallet. Its deposits can still be closed.

    JSON: as `status`, but for money.
    """
    from .control import address_of

    _do(config, data_dir, as_json, _kept(lambda renting: renting.deny(address_of(account)), "/deny", account=account))


@app.command()
def allow(account: Account, config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Serve a wallet again that was denied.

    JSON: as `status`, but for money.
    """
    from .control import address_of

    _do(config, data_dir, as_json, _kept(lambda renting: renting.allow(address_of(account)), "/allow", account=account))
