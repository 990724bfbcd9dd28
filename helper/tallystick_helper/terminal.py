"""What all commands share: output, questions, and how a failure is said.

Results go to standard output, one line of JSON with `--json`; what is asked and what a transaction will cost go to
standard error, so that a pipe carries results alone. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from tallystick_shared.errors import Code, LocalError, TallystickError
from tallystick_shared.evm.rpc import RpcError, to_bytes

if TYPE_CHECKING:
    from .keys import Secret
    from .quote import Quote
    from .settings import Settings

T = TypeVar("T")
out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)


HERE: dict[Code, tuple[str, str]] = {
    Code.IN_USE_ELSEWHERE: (
        "This deposit is in use in another program here, a running node's local API for instance.",
        "End that program, or wait: a node lets go two minutes after its last use (`gateway.idle`).",
    ),
}
"""Words for a terminal, where those for the page do not fit."""


def fail(error: TallystickError, as_json: bool, exit_code: int = 1, done: Mapping[str, Any] | None = None) -> NoReturn:
    """Says what went wrong and what to do, and ends the command. `done`, for JSON, is what had been done before."""
    says, next_step = HERE.get(error.code, (error.says, error.next_step))
    values = {name: str(value) for name, value in error.values.items()}
    if as_json:
        say(
            True,
            {
                **(done or {}),
                "error": error.code.name,
                "code": int(error.code),
                "says": says,
                "next": next_step,
                **values,
            },
        )
    else:
        detail = escape("; ".join(f"{name}: {value}" for name, value in values.items()))
        code = f"[dim]({error.code.name.lower()} {int(error.code)})[/dim]"
        err.print(f"[bold]{says}[/bold] {next_step} {code}" + (f"\n[dim]{detail}[/dim]" if detail else ""))
    raise typer.Exit(exit_code)


def say(as_json: bool, values: dict[str, Any], text: str = "") -> None:
    """One line of JSON for scripts, or the text for people."""
    if as_json:
        sys.stdout.write(json.dumps(values) + "\n")
        sys.stdout.flush()
    elif text:
        out.print(text)


def load_settings(config: Path | None, flags: dict[str, Any], as_json: bool, chain: str | None = None) -> Settings:
    """The settings in force, with logging set up. `chain` names one of several: then what the flags say of the chain is
    said of that one, and the settings are those that count there.
    """
    from . import settings as settings_module
    from .logs import configure

    if chain:
        flags = {**flags, "chains": {chain: flags.get("chain", {})}, "chain": {}}
    try:
        loaded = settings_module.load(config, flags).on(chain or "")
    except LocalError as error:
        fail(error, as_json)
    configure(loaded.log_level)
    return loaded


def run(work: Coroutine[Any, Any, T], as_json: bool, done: Mapping[str, Any] | None = None) -> T:
    """Runs a command's work; whatever is known to go wrong is said in plain words, after what was `done` before."""
    return call(lambda: asyncio.run(work), as_json, done)


def call(work: Callable[[], T], as_json: bool, done: Mapping[str, Any] | None = None) -> T:
    """The same for work that waits for nothing."""
    try:
        return work()
    except TallystickError as error:
        fail(error, as_json, done=done)
    except RpcError as error:
        fail(LocalError(Code.TRANSACTION_FAILED, reason=error.message), as_json, done=done)
    except DryRun as only:
        say(as_json, {"sent": False, "cost": only.quote.values()})
        raise typer.Exit(0) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def read_key(path: Path, as_json: bool) -> Secret:
    """A person's key file. Ends the command where there is no key in it."""
    import getpass

    from .keys import read_key_file

    return call(lambda: read_key_file(path, lambda: getpass.getpass("Passphrase: ")), as_json)


def address_of(text: str, as_json: bool) -> bytes:
    """20 bytes of a hex address; another text ends the command."""
    try:
        address = to_bytes(text)
        if len(address) == 20:
            return address
    except ValueError:
        pass
    fail(LocalError(Code.BAD_SETTINGS, address=text, reason="an address is 0x and 40 hex digits"), as_json)


def chain_flags(rpc: list[str] | None, registry: str | None, channels: str | None) -> dict[str, Any]:
    return {"rpc": rpc or None, "registry": registry, "channels": channels}


class DryRun(Exception):
    """The quote was all that was wanted."""

    def __init__(self, quote: Quote) -> None:
        super().__init__(quote.what)
        self.quote = quote


@dataclass(frozen=True)
class Consent:
    """Fills the `Agree` seat at a terminal: shows the cost, then asks. Nobody there to ask: `--yes` agrees, and so does
    `--json`, which only scripts give; else nothing is sent.
    """

    yes: bool = False
    as_json: bool = False
    dry_run: bool = False

    async def __call__(self, quote: Quote) -> None:
        """Raises LocalError NOT_ENOUGH_MONEY, REFUSED or NOT_CONFIRMED; DryRun where that is all."""
        for line in quote.lines():
            err.print(escape(line))
        if self.dry_run:
            raise DryRun(quote)
        quote.check()
        await self.ask("Go on?")

    async def alone(self, fault: TallystickError) -> bool:
        """After the provider could not close a deposit: shall its end be asked for without it? Never by itself."""
        err.print(f"{escape(fault.says)} {escape(fault.next_step)}")
        if not self.can_ask:
            return False
        err.print("Ask for the end without it, and take the rest back after the notice? [y/N] ", end="", markup=False)
        return (await _line()).strip().lower() in ("y", "yes")

    @property
    def can_ask(self) -> bool:
        return sys.stdin.isatty() and sys.stderr.isatty()

    async def ask(self, question: str) -> None:
        """Raises LocalError REFUSED or NOT_CONFIRMED."""
        if self.yes:
            return
        if not self.can_ask:
            if self.as_json:
                return
            raise LocalError(Code.NOT_CONFIRMED)
        err.print(f"{escape(question)} [y/N] ", end="", markup=False)
        if (await _line()).strip().lower() not in ("y", "yes"):
            raise LocalError(Code.REFUSED)


async def _line() -> str:
    """One line of standard input; an interrupt is heard while it is waited for."""
    loop = asyncio.get_running_loop()
    typed = loop.create_future()

    def ready() -> None:
        if not typed.done():
            typed.set_result(sys.stdin.readline())

    loop.add_reader(sys.stdin, ready)
    try:
        return str(await typed)
    finally:
        loop.remove_reader(sys.stdin)
