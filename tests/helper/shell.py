"""The command as a person or a script runs it: a process, at a pipe or at a terminal."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import sys
from pathlib import Path
from typing import Any

from .world import World, until

ROOT = Path(__file__).parents[2]

QUICK = {"TALLYSTICK_CHAIN__INTERVAL": "0.05", "TALLYSTICK_OFFER__FIRST_VOUCHER": "0"}
"""Looks often, and lets deposits be as small as a test likes."""


class Shell:
    """Runs `tallystick` with this world's chain and the user's data."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.key = str(world.folder / "user.key")
        Path(self.key).write_text(world.user_key.hex())
        self.flags = [
            *("--rpc", world.url, "--data-dir", str(world.folder / "user")),
            *("--registry", "0x" + world.where.registry.hex(), "--channels", "0x" + world.where.channels.hex()),
        ]

    async def text(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """What it says, and what it says on the side."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tallystick_helper", *arguments, *self.flags),
            cwd=ROOT,
            env={**os.environ, **QUICK, "COLUMNS": "200"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        stdout, stderr = await process.communicate()
        assert process.returncode == code, stderr.decode()
        assert self.world.user_key.hex() not in stdout.decode() + stderr.decode()
        assert "Traceback" not in stderr.decode()
        return stdout.decode(), stderr.decode()

    async def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        stdout, _ = await self.text(*arguments, "--json", code=code)
        (line,) = stdout.splitlines()
        return dict(json.loads(line))

    async def typed(self, answers: str, *arguments: str) -> tuple[int, str]:
        """At a terminal: types one letter of `answers` at each question. Exit code and all that was shown."""
        mine, theirs = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tallystick_helper", *arguments, *self.flags),
            cwd=ROOT,
            env={**os.environ, **QUICK, "COLUMNS": "200", "TERM": "dumb"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        shown = bytearray()
        loop = asyncio.get_running_loop()
        over = loop.create_future()

        def ready() -> None:
            try:
                shown.extend(os.read(mine, 65536))
            except OSError:  # nobody holds the other end any more
                loop.remove_reader(mine)
                over.set_result(None)

        loop.add_reader(mine, ready)
        for number, line in enumerate(answers, 1):
            await until(lambda: shown.count(b"[y/N]") >= number, 30)  # noqa: B023
            os.write(mine, line.encode() + b"\n")
        await over
        os.close(mine)
        return await process.wait(), shown.decode()
