"""The command `tallystick`."""

from __future__ import annotations

import asyncio
import signal
from enum import StrEnum
from importlib.metadata import version
from typing import Annotated, Any

import typer

from .cli_backup import app as backup_app
from .cli_channel import app as channel_app
from .cli_chat import chat
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
    Chain,
    Endpoint,
    EngineName,
    KeyFile,
    MapPort,
    Sending,
    command,
)
from .terminal import say

ABOUT = "Rent out the models on your own machine, and use those of others."
app = typer.Typer(name="tallystick", help=ABOUT, cls=Ordered, no_args_is_help=True, pretty_exceptions_enable=False)
command(app)(chat)
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


def main() -> None:
    """The entry point."""
    app()
