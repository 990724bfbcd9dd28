"""A Firefox of the distribution, driven by Playwright over WebDriver BiDi.

Playwright's own Firefox is a patched build that is downloaded; the distribution's needs no download. It may be older
than Playwright expects: this file, run as a program, starts it, stands between the two, and answers for it those
commands that it does not know and that no test needs (the colours of the device, the shape of the screen).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import stat
import sys
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

LISTENS = re.compile(r"WebDriver BiDi listening on ws://([\w.]+):(\d+)")
UNKNOWN = "unknown command"
OPTIONAL = ("emulation.", "browser.setDownloadBehavior")
REAL = "TALLYSTICK_FIREFOX_PROGRAM"
MOST = 256 * 1024 * 1024


def wrapper(program: str, folder: Path) -> str:
    """A program to launch in Firefox's place."""
    made = folder / "firefox"
    here = Path(__file__).resolve()
    made.write_text(f'#!/bin/sh\n{REAL}="{program}" exec "{sys.executable}" "{here}" "$@"\n', "utf-8")
    made.chmod(made.stat().st_mode | stat.S_IXUSR)
    return str(made)


def answered(message: str, asked: dict[int, str]) -> str:
    """What Playwright gets: an optional command that Firefox does not know has succeeded."""
    said: dict[str, Any] = json.loads(message)
    method = asked.pop(said.get("id") or 0, "")
    if said.get("error") == UNKNOWN and method.startswith(OPTIONAL):
        return json.dumps({"type": "success", "id": said["id"], "result": {}})
    return message


async def carry(near: ServerConnection, far: ClientConnection) -> None:
    """Both directions, until one ends."""
    asked: dict[int, str] = {}

    async def there() -> None:
        async for message in near:
            call = json.loads(message)
            asked[call["id"]] = call["method"]
            await far.send(message)

    async def back() -> None:
        async for message in far:
            await near.send(answered(str(message), asked))

    tasks = [asyncio.create_task(there()), asyncio.create_task(back())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


async def main(arguments: list[str]) -> int:
    """Firefox, with a port of ours in its greeting."""
    firefox = await asyncio.create_subprocess_exec(
        os.environ[REAL], *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    assert firefox.stderr is not None
    try:
        while line := (await firefox.stderr.readline()).decode():
            if found := LISTENS.search(line):
                break
            print(line, end="", file=sys.stderr, flush=True)
        else:
            return await firefox.wait()
        far_port = int(found[2])

        async def join(near: ServerConnection) -> None:
            path = near.request.path if near.request else "/session"
            async with connect(f"ws://127.0.0.1:{far_port}{path}", max_size=MOST, origin=None) as far:
                with contextlib.suppress(Exception):
                    await carry(near, far)

        async with serve(join, "127.0.0.1", 0, max_size=MOST) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            print(f"WebDriver BiDi listening on ws://127.0.0.1:{port}", file=sys.stderr, flush=True)
            while await firefox.stderr.readline():
                pass
            return await firefox.wait()
    finally:
        if firefox.returncode is None:
            firefox.terminate()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
