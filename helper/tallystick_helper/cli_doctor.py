"""`tallystick doctor`: what must be right for a provider to earn, and how to mend what is not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.status import Status

from .flags import Agreed, Chain, Endpoint, EngineName, command
from .shown import parse_amount, plain_text
from .terminal import err, out

if TYPE_CHECKING:
    from .doctor import Check, Told
    from .keys import Secret
    from .settings import Settings
    from .terminal import Consent

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


@command(app)
def doctor(
    at: Chain,
    agreed: Agreed,
    endpoint: Endpoint = None,
    engine: EngineName = None,
    paid: Annotated[bool, typer.Option("--paid", help="Also ask one question, and pay for it.")] = False,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", help="Opens a deposit for --paid, after asking, where there is none.")
    ] = None,
    deposit: Annotated[str, typer.Option("--deposit", help="How much to put down then: 0.01, or 5000wei.")] = "0.01",
) -> None:
    """Look through everything that a provider needs, and say how to mend what is not right.

    Exit code 0: nothing is broken (what deserves a look may remain); 1: something is.

    JSON: ok, checks (each: check, state as ok, doubt, bad or skipped, says, mend, seconds, and its own values).
    """
    settings = at.settings(listen={"endpoint": endpoint}, engine={"kind": engine})
    key = at.key(key_file) if paid and key_file else None
    amount = at.call(lambda: parse_amount(deposit))
    paying = agreed.consent(at) if paid else None
    told = at.run(_examine(settings, key, paying, amount, Lines(at.as_json)))
    broken = [one.check.name for one in told if one.finding.state.value == "bad"]
    looked = sum(one.finding.state.value == "doubt" for one in told)
    rest = f"; {looked} deserve a look" if looked else ""
    text = f"\n{len(broken)} to mend: {', '.join(broken)}{rest}." if broken else f"\nNothing is broken{rest}."
    at.say({"ok": not broken, "checks": [one.values() for one in told]}, text)
    if broken:
        raise typer.Exit(1)
