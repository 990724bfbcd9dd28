"""The command `tallystick`."""

from __future__ import annotations

import asyncio
import getpass
import json
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from tallystick_shared.errors import Code, LocalError, TallystickError
from tallystick_shared.evm.rpc import RpcError

from . import settings as settings_module
from .keys import Secret, read_key_file
from .logs import configure
from .settings import Settings

app = typer.Typer(
    name="tallystick",
    help="Rent out the models on your own machine, and use those of others.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
T = TypeVar("T")
out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)

ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings file (TOML).")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where keys, vouchers and settings are kept.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]
RpcUrls = Annotated[
    list[str] | None, typer.Option("--rpc", help="The chain's RPC address; several are tried in order.")
]
KeyFile = Annotated[Path, typer.Option("--key-file", help="A file with one private key: 64 hex digits, or a keystore.")]
Registry = Annotated[
    str | None, typer.Option("--registry", help="The registry's address, where it is not a known one.")
]
ChannelsAt = Annotated[str | None, typer.Option("--channels", help="The channels contract's address, likewise.")]


def fail(error: TallystickError, as_json: bool) -> None:
    """Says what went wrong and what to do, and ends with exit code 1."""
    values = {name: str(value) for name, value in error.values.items()}
    if as_json:
        say(
            True,
            {"error": error.code.name, "code": int(error.code), "says": error.says, "next": error.next_step, **values},
        )
    else:
        detail = escape("; ".join(f"{name}: {value}" for name, value in values.items()))
        err.print(f"[bold]{error.says}[/bold] {error.next_step}" + (f"\n[dim]{detail}[/dim]" if detail else ""))
    raise typer.Exit(1)


def say(as_json: bool, values: dict[str, Any], text: str = "") -> None:
    """One line of JSON for scripts, or the text for people."""
    if as_json:
        sys.stdout.write(json.dumps(values) + "\n")
        sys.stdout.flush()
    elif text:
        out.print(text)


def load_settings(config: Path | None, flags: dict[str, Any], as_json: bool) -> Settings:
    """The settings in force, with logging set up."""
    try:
        loaded = settings_module.load(config, flags)
    except LocalError as error:
        fail(error, as_json)
        raise
    configure(loaded.log_level)
    return loaded


def run(work: Coroutine[Any, Any, T], as_json: bool) -> T:
    """Runs a command's work; whatever is known to go wrong is said in plain words."""
    try:
        return asyncio.run(work)
    except TallystickError as error:
        fail(error, as_json)
        raise
    except RpcError as error:
        fail(LocalError(Code.TRANSACTION_FAILED, reason=error.message), as_json)
        raise
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def read_key(path: Path, as_json: bool) -> Secret:
    try:
        return read_key_file(path, lambda: getpass.getpass("Passphrase: "))
    except LocalError as error:
        fail(error, as_json)
        raise


def chain_flags(rpc: list[str] | None, registry: str | None, channels: str | None) -> dict[str, Any]:
    return {"rpc": rpc or None, "registry": registry, "channels": channels}


def signalled() -> asyncio.Event:
    """Set at SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def tell_up(urls: dict[str, Any], as_json: bool) -> None:
    """Where everything is."""
    lines = [f"Page      {urls['page'] or 'not built'}"]
    if urls["endpoint"]:
        lines += [f"Listening {urls['endpoint']}", f"Model     {urls['model']}"]
        lines.append(f"Provider  {urls['provider'] or 'not announced yet: run `tallystick provide`'}")
    say(as_json, urls, "\n".join(lines))


@app.command()
def up(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    rpc: RpcUrls = None,
    registry: Registry = None,
    channels: ChannelsAt = None,
    page: Annotated[int | None, typer.Option("--page", help="Port of the page, on this machine.")] = None,
    listen: Annotated[int | None, typer.Option("--listen", help="Port of the public WebSocket.")] = None,
    endpoint: Annotated[str | None, typer.Option("--endpoint", help="Address under which others reach it.")] = None,
    engine: Annotated[str | None, typer.Option("--engine", help="gguf, echo or none.")] = None,
    as_json: AsJson = False,
) -> None:
    """Start the node: the page, the public listener, the model."""
    flags = {
        "data_dir": data_dir,
        "chain": chain_flags(rpc, registry, channels),
        "page": {"port": page},
        "listen": {"port": listen, "endpoint": endpoint},
        "engine": {"kind": engine},
    }
    settings = load_settings(config, flags, as_json)
    from .up import Up

    async def work() -> None:
        running, stop = Up(settings), signalled()
        starting = asyncio.create_task(running.start())
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([starting, stopped], return_when=asyncio.FIRST_COMPLETED)
            if not stop.is_set():
                await starting
                tell_up(running.urls(), as_json)
            await stopped
        finally:
            starting.cancel()
            stopped.cancel()
            await asyncio.gather(starting, stopped, return_exceptions=True)
            await running.stop()

    run(work(), as_json)


@app.command()
def provide(
    key_file: KeyFile,
    rpc: RpcUrls = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    registry: Registry = None,
    channels: ChannelsAt = None,
    endpoint: Annotated[str | None, typer.Option("--endpoint", help="ws:// or wss:// address for others.")] = None,
    price_in: Annotated[
        str | None, typer.Option("--price-in", help="Smallest units per 1,000,000 input units.")
    ] = None,
    price_out: Annotated[
        str | None, typer.Option("--price-out", help="Smallest units per 1,000,000 output units.")
    ] = None,
    payee: Annotated[
        str | None, typer.Option("--payee", help="Where the money goes; the key's address if not set.")
    ] = None,
    engine: Annotated[str | None, typer.Option("--engine", help="gguf or echo.")] = None,
    as_json: AsJson = False,
) -> None:
    """Become a provider: put this node's profile on chain, or change it."""
    flags = {
        "data_dir": data_dir,
        "payee": payee,
        "chain": chain_flags(rpc, registry, channels),
        "listen": {"endpoint": endpoint},
        "offer": {"price_in": price_in, "price_out": price_out},
        "engine": {"kind": engine},
    }
    settings = load_settings(config, flags, as_json)
    key = read_key(key_file, as_json)
    from .commands import provide_now

    done = run(
        provide_now(
            settings, key, lambda name, transaction: say(False, {}, f"{name}  0x{transaction}") if not as_json else None
        ),
        as_json,
    )
    text = f"Provider {done['provider']} is announced at {done['endpoint']}."
    if settings.listen.endpoint is None:
        text += "\nOnly this machine can reach that: give --endpoint ws://YOUR-ADDRESS:8766 for others."
    say(as_json, done, text)


@app.command()
def deploy(
    key_file: KeyFile,
    rpc: RpcUrls = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Put the two contracts on a chain."""
    settings = load_settings(config, {"data_dir": data_dir, "chain": {"rpc": rpc or None}}, as_json)
    key = read_key(key_file, as_json)
    from .commands import deploy_now

    done = run(deploy_now(settings, key), as_json)
    say(as_json, done, f"Registry {done['registry']}\nChannels {done['channels']}\nBlock    {done['block']}")


@app.command()
def chat(
    key_file: KeyFile,
    prompt: Annotated[
        str | None, typer.Argument(help="The question; without one, a conversation line by line.")
    ] = None,
    rpc: RpcUrls = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    registry: Registry = None,
    channels: ChannelsAt = None,
    provider: Annotated[
        str | None, typer.Option("--provider", help="The provider's address; the cheapest if not set.")
    ] = None,
    deposit: Annotated[
        str, typer.Option("--deposit", help="How much to put down if there is none yet: 0.01, or 5000wei.")
    ] = "0.01",
    delay: Annotated[
        int | None, typer.Option("--delay", help="Seconds of notice before the deposit can be taken back.")
    ] = None,
    max_units: Annotated[int, typer.Option("--max-units", help="The longest answer.")] = 512,
    low_latency: Annotated[
        bool, typer.Option("--low-latency", help="Faster, with a less steady shape on the wire.")
    ] = False,
    close: Annotated[bool, typer.Option("--close", help="Close the deposit at the end; the rest comes back.")] = False,
    as_json: AsJson = False,
) -> None:
    """Talk to a provider, paying from a deposit."""
    flags = {"data_dir": data_dir, "chain": chain_flags(rpc, registry, channels)}
    settings = load_settings(config, flags, as_json)
    key = read_key(key_file, as_json)
    from .commands import ChatWishes, chat_now

    wishes = ChatWishes(prompt, provider, deposit, delay, max_units, low_latency, close)
    run(chat_now(settings, key, wishes, lambda values, text: say(as_json, values, text), stream=not as_json), as_json)


def main() -> None:
    """The entry point."""
    app()
