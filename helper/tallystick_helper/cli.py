"""The command `tallystick`."""

from __future__ import annotations

import asyncio
import signal
from enum import StrEnum
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from .cli_backup import app as backup_app
from .cli_channel import app as channel_app
from .cli_console import app as console_app
from .cli_doctor import app as doctor_app
from .cli_embed import embed
from .cli_facts import app as facts_app
from .cli_gateway import app as gateway_app
from .cli_keys import app as keys_app
from .cli_models import app as models_app
from .cli_models import offer_demo
from .cli_node import app as node_app
from .cli_order import Ordered
from .cli_page import app as page_app
from .cli_provide import app as provide_app
from .cli_registry import app as registry_app
from .flags import (
    AsJson,
    Chain,
    ChannelsAt,
    ConfigFile,
    DataDir,
    Endpoint,
    EngineName,
    KeyFile,
    MapPort,
    OnChain,
    Registry,
    RpcUrls,
    Sending,
    Yes,
    command,
)
from .terminal import Consent, address_of, chain_flags, load_settings, read_key, run, say

ABOUT = "Rent out the models on your own machine, and use those of others."
app = typer.Typer(name="tallystick", help=ABOUT, cls=Ordered, no_args_is_help=True, pretty_exceptions_enable=False)
command(app)(embed)
for part in (
    *(provide_app, channel_app, registry_app, models_app, gateway_app),
    *(doctor_app, node_app, console_app, facts_app, page_app, backup_app, keys_app),
):
    app.add_typer(part)


def _version(wanted: bool) -> None:
    if wanted:
        say(False, {}, f"tallystick {version('tallystick')}")
        raise typer.Exit(0)


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and end.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Rent out the models on your own machine, and use those of others."""


def signalled() -> asyncio.Event:
    """Set at SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def tell_up(urls: dict[str, Any], engine: str, as_json: bool) -> None:
    """Where everything is, and why an engine that was asked for is not there."""
    lines = [f"Page      {urls['page'] or 'not built'}"]
    if not urls["endpoint"] and engine != "none":
        lines.append("Provider  no chain is given, so this serves the page alone: name one by --rpc URL")
    if urls["endpoint"]:
        lines += [f"Listening {urls['endpoint']}", f"Model     {', '.join(urls['models'])}"]
        lines.append(f"Provider  {urls['provider'] or 'not announced yet: run `tallystick provide`'}")
        lines += [f"On {name}  {provider or 'not serving yet'}" for name, provider in urls["chains"].items()]
    if urls["endpoint"] and urls["resting"] == "paused":
        lines.append("Paused    it serves nobody: `tallystick resume` starts renting again")
    if urls["console"]:
        lines.append(f"Console   {urls['console']} (good once, for a minute; again: `tallystick console`)")
    if urls["gateway"]:
        lines.append(f"Local API {urls['gateway']} (its key: `tallystick gateway key`)")
    say(as_json, urls, "\n".join(lines))


@command(app)
def up(
    at: Chain,
    page: Annotated[int | None, typer.Option("--page", help="Port of the page, on this machine.")] = None,
    listen: Annotated[int | None, typer.Option("--listen", help="Port of the public WebSocket.")] = None,
    endpoint: Endpoint = None,
    map_port: MapPort = None,
    admin: Annotated[int | None, typer.Option("--admin", help="Port of the local API, on this machine.")] = None,
    engine: EngineName = None,
) -> None:
    """Start the node: the page, the public listener, the model.

    JSON, once it is up: page, gateway, endpoint, provider, model, models, pid, resting (paused, hours or null), chains.
    """
    settings = at.settings(
        page={"port": page},
        listen={"port": listen, "endpoint": endpoint},
        router={"map_port": map_port},
        admin={"port": admin},
        engine={"kind": engine},
    )
    offer_demo(settings, at.as_json)
    from .up import Up

    async def work() -> None:
        running, stop = Up(settings), signalled()
        starting = asyncio.create_task(running.start())
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([starting, stopped], return_when=asyncio.FIRST_COMPLETED)
            if not stop.is_set():
                await starting
                tell_up(running.urls(), settings.engine.kind, at.as_json)
            await stopped
        finally:
            starting.cancel()
            stopped.cancel()
            await asyncio.gather(starting, stopped, return_exceptions=True)
            await running.stop()

    at.run(work())


class Evm(StrEnum):
    """Which of the two artefacts of a contract."""

    auto = "auto"
    cancun = "cancun"
    paris = "paris"


@command(app)
def deploy(
    key_file: KeyFile,
    at: Chain,
    sending: Sending,
    evm: Annotated[
        Evm, typer.Option("--evm", help="The EVM to build for; the chain is asked if not set.", case_sensitive=False)
    ] = Evm.auto,
) -> None:
    """Put the two contracts on a chain, at the same addresses as everywhere where the chain allows it.

    Says what it costs before anything is sent, and asks. What stands already is not sent again.

    JSON: chain_id, registry, channels, block, evm, how (create2, create), transactions (their number), file, cost.
    """
    settings, key = at.settings(), at.key(key_file)
    from .commands import deploy_now

    done = at.run(deploy_now(settings, key, sending.consent(at), evm=evm.value))
    at.say(done, f"Registry {done['registry']}\nChannels {done['channels']}\nBlock    {done['block']}")


@app.command()
def chat(
    key_file: Annotated[
        Path | None,
        typer.Option("--key-file", help="A file with one private key: 64 hex digits, or a keystore. Not with --free."),
    ] = None,
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
    max_units: Annotated[int, typer.Option("--max-units", help="The longest answer.", min=1)] = 512,
    low_latency: Annotated[
        bool, typer.Option("--low-latency", help="Faster, with a less steady shape on the wire.")
    ] = False,
    free: Annotated[
        bool, typer.Option("--free", help="Ask a provider that gives answers away: no key, no deposit, no transaction.")
    ] = False,
    close: Annotated[bool, typer.Option("--close", help="Close the deposit at the end; the rest comes back.")] = False,
    token: Annotated[
        str | None, typer.Option("--token", help="Pay in this token, by its address, instead of the chain's coin.")
    ] = None,
    yes: Yes = False,
    chain: OnChain = None,
    as_json: AsJson = False,
) -> None:
    """Talk to a provider, paying from a deposit: one that is open, else a new one, after it was agreed to.

    With --free it costs nothing, as long as a provider gives something away: so much a day, after everybody who pays.
    """
    flags = {"data_dir": data_dir, "chain": chain_flags(rpc, registry, channels)}
    settings = load_settings(config, flags, as_json, chain)
    from .commands import ChatWishes, chat_now, lines_of

    who, coin = (address_of(text, as_json) if text else None for text in (provider, token))
    if free:
        from .free_command import FreeWishes, free_chat

        modest = FreeWishes(who, max_units, low_latency)
        told = partial(say, as_json)
        run(free_chat(settings, modest, lines_of(prompt), told, stream=not as_json), as_json)
        return
    if key_file is None:
        raise typer.BadParameter("name a key file, or add --free", param_hint="--key-file")
    key = read_key(key_file, as_json)
    wishes = ChatWishes(prompt, who, deposit, delay, max_units, low_latency, close, coin or bytes(20))
    consent = Consent(yes, as_json)
    work = chat_now(settings, key, wishes, lambda values, text: say(as_json, values, text), consent, stream=not as_json)
    run(work, as_json)


def main() -> None:
    """The entry point."""
    app()
