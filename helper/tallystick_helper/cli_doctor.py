"""`tallystick doctor`: what must be right for a provider to earn, and how to mend what is not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.status import Status

from tallystick_shared.errors import LocalError

from .shown import parse_amount, plain_text
from .terminal import (
    AsJson,
    ChannelsAt,
    ConfigFile,
    Consent,
    DataDir,
    OnChain,
    Registry,
    RpcUrls,
    Yes,
    chain_flags,
    err,
    fail,
    load_settings,
    out,
    read_key,
    run,
    say,
)

if TYPE_CHECKING:
    from .doctor import Check, Told
    from .keys import Secret
    from .settings import Settings

app = typer.Typer()
MARKS = {
    "ok": ("ok  ", "green"),
    "doubt": ("look", "yellow"),
    "bad": ("BAD ", "red"),
    "skipped": ("–   ", "dim"),
}


class Lines:
    """Shows each check as it ends, and which one is looked at meanwhile."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._status: Status | None = None

    def begin(self, check: Check) -> None:
        if err.is_terminal and not self._as_json:
            self._status = err.status(f"{check.title} …", spinner="line")
            self._status.start()

    def end(self, told: Told) -> None:
        self.stop()
        if self._as_json:
            return
        finding, (mark, style) = told.finding, MARKS[told.finding.state.value]
        says = escape(plain_text(finding.says))
        out.print(f"[{style}]{mark}[/{style}]  {told.check.title.ljust(13)}{says}")
        if finding.mend:
            out.print(f"{' ' * 19}{escape(finding.mend)}")

    def stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


async def _examine(
    settings: Settings, key: Secret | None, paying: Consent | None, amount: int, lines: Lines
) -> list[Told]:
    from .chain.rpc import HttpRpc
    from .crypto import NativeCrypto
    from .doctor import CHECKS, Patient, examine
    from .doctor.paid import OwnPayer
    from .running import RunningNode

    chain = settings.chain
    rpc = HttpRpc(chain.rpc, chain_id=chain.id, rest=chain.rest) if chain.rpc else None
    payer = OwnPayer(settings, key, amount, paying) if paying is not None else None
    patient = Patient(settings, NativeCrypto(), rpc, payer=payer, node=RunningNode.find(settings.data_dir))
    try:
        return await examine(CHECKS, patient, lines)
    finally:
        lines.stop()
        await patient.aclose()


@app.command()
def doctor(
    rpc: RpcUrls = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    registry: Registry = None,
    channels: ChannelsAt = None,
    endpoint: Annotated[str | None, typer.Option("--endpoint", help="Address under which others reach it.")] = None,
    engine: Annotated[str | None, typer.Option("--engine", help="gguf, echo or another engine's name.")] = None,
    paid: Annotated[bool, typer.Option("--paid", help="Also ask one question, and pay for it.")] = False,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", help="Opens a deposit for --paid, after asking, where there is none.")
    ] = None,
    deposit: Annotated[str, typer.Option("--deposit", help="How much to put down then: 0.01, or 5000wei.")] = "0.01",
    yes: Yes = False,
    chain: OnChain = None,
    as_json: AsJson = False,
) -> None:
    """Look through everything that a provider needs, and say how to mend what is not right.

    Exit code 0: nothing is broken (what deserves a look may remain); 1: something is.

    JSON: ok, checks (each: check, state as ok, doubt, bad or skipped, says, mend, seconds, and its own values).
    """
    flags = {
        "data_dir": data_dir,
        "chain": chain_flags(rpc, registry, channels),
        "listen": {"endpoint": endpoint},
        "engine": {"kind": engine},
    }
    settings = load_settings(config, flags, as_json, chain)
    key = read_key(key_file, as_json) if paid and key_file else None
    try:
        amount = parse_amount(deposit)
    except LocalError as error:
        fail(error, as_json)
        raise
    paying = Consent(yes, as_json) if paid else None
    told = run(_examine(settings, key, paying, amount, Lines(as_json)), as_json)
    broken = [one.check.name for one in told if one.finding.state.value == "bad"]
    looked = sum(one.finding.state.value == "doubt" for one in told)
    rest = f"; {looked} deserve a look" if looked else ""
    text = f"\n{len(broken)} to mend: {', '.join(broken)}{rest}." if broken else f"\nNothing is broken{rest}."
    say(as_json, {"ok": not broken, "checks": [one.values() for one in told]}, text)
    if broken:
        raise typer.Exit(1)
