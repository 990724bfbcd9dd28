"""`tallystick console`: an address for the browser, from the node that runs here."""

from __future__ import annotations

import os
import sys
import webbrowser
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .flags import AsJson, ConfigFile, DataDir
from .terminal import load_settings, run, say

if TYPE_CHECKING:
    from .settings import Settings

app = typer.Typer()


@app.command()
def console(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    open_: Annotated[
        bool, typer.Option("--open/--no-open", help="Open it in a browser, where there is a screen.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Pair a browser with the console of the node that runs here.

    The address is good once and for a minute; a console that was reloaded needs a new one.

    JSON: url, seconds.
    """
    settings = load_settings(config, {"data_dir": data_dir}, as_json)
    found = run(_pair(settings), as_json)
    say(as_json, found, f"Console   {found['url']}\n          (good once, for {found['seconds']} seconds)")
    if open_ and not as_json and sys.stdout.isatty() and has_screen():
        webbrowser.open(found["url"])


async def _pair(settings: Settings) -> dict[str, Any]:
    from .running import RunningNode

    return await RunningNode.need(settings.data_dir).command("/pair")


def has_screen() -> bool:
    """Could a browser be seen here?"""
    shown = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return sys.platform in ("darwin", "win32") or bool(shown)
