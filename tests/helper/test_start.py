"""The commands of docs/start/provide.md, run as they stand there, in their order, on a chain of our own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from pathlib import Path

import pytest

from tallystick_helper.running import RunningNode

from .world import World, until

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "start" / "provide.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
BESIDE = ("pip install", "export ", "tallystick models get")
"""What a test has done already: this environment, this chain's names, and a model that is no download."""


def commands() -> list[str]:
    lines = [line for block in BLOCK.findall(PAGE.read_text()) for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith(BESIDE)]


def test_the_page_shows_the_whole_way() -> None:
    assert "./run build-wheels" in PAGE.read_text() and "tallystick models get demo" in PAGE.read_text()
    assert "./run demo --json" in PAGE.read_text().split("## What you need")[0]
    words = [line.split()[1] for line in commands() if line.startswith("tallystick")]
    assert words == ["doctor", "up", "provide", "fund", "status", "doctor", "backup", "pause", "resume", "drain"]


class Newcomer:
    """A person with a shell, an empty folder and a wallet."""

    def __init__(self, world: World, programs: Path) -> None:
        """`programs` is the folder that `tallystick` lies in."""
        self.folder = world.folder / "home"
        self.folder.mkdir()
        (self.folder / "owner.key").write_text(world.owner_key.hex())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.data = self.folder / "data"
        own = {name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK_")}
        self.environment = {
            **own,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "RPC": world.url,
            "KEY": "owner.key",
            "ENDPOINT": f"ws://127.0.0.1:{port}",
            "TALLYSTICK_LISTEN__PORT": str(port),
            "TALLYSTICK_LISTEN__HOST": "127.0.0.1",
            "TALLYSTICK_PAGE__PORT": "0",
            "TALLYSTICK_ADMIN__PORT": "0",
            "TALLYSTICK_DATA_DIR": str(self.data),
            "TALLYSTICK_ENGINE__KIND": "echo",
            "TALLYSTICK_CHAIN__REGISTRY": "0x" + world.where.registry.hex(),
            "TALLYSTICK_CHAIN__CHANNELS": "0x" + world.where.channels.hex(),
            "TALLYSTICK_CHAIN__INTERVAL": "0.05",
            "TALLYSTICK_MONEY__CONFIRMATIONS": "1",
        }

    async def run(self, line: str) -> tuple[int, str]:
        """Exit code and what was shown; a line that ends with `&` is left running, and its code is 0."""
        if line.endswith("&"):
            self.beside = await self._shell("exec " + line.removesuffix("&"), asyncio.subprocess.DEVNULL)
            await until(lambda: RunningNode.find(self.data) is not None, 60)
            return 0, ""
        process = await self._shell(line, asyncio.subprocess.PIPE)
        shown, _ = await process.communicate()
        return process.returncode or 0, shown.decode()

    async def _shell(self, line: str, out: int) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_shell(
            line,
            cwd=self.folder,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=asyncio.subprocess.STDOUT,
        )


async def test_a_newcomer_copies_them_and_earns(world: World) -> None:
    await earns(Newcomer(world, Path(sys.executable).parent))


async def earns(newcomer: Newcomer) -> None:
    """Does all that the page says."""
    shown: list[tuple[str, int, str]] = []
    try:
        for line in commands():
            code, text = await newcomer.run(line)
            shown.append((line, code, text))
            told = "\n".join(f"$ {line}  ({code})\n{text}" for line, code, text in shown)
            assert code == (1 if len(shown) == 1 else 0), (
                told
            )  # before it is registered the doctor has one line to mend
            if line.startswith("tallystick provide"):
                await serves(newcomer)
    finally:
        if newcomer.beside.returncode is None:
            newcomer.beside.send_signal(signal.SIGTERM)
        await newcomer.beside.wait()
    assert "The node was stopped; when one starts it takes nothing new until `tallystick resume`." in shown[-1][2]
    (provided,) = (text for line, _, text in shown if line.startswith("tallystick provide"))
    assert "Before the first claim the node's own key needs gas" in provided
    first, paid = (text for line, _, text in shown if line.startswith("tallystick doctor"))
    assert "1 to mend: registered" in first
    assert re.search(r"Paid prompt +\d+ units for", paid) and "Nothing is broken" in paid
    assert (newcomer.folder / "tallystick.backup").stat().st_size > 1000
    assert json.loads((newcomer.data / "kept.json").read_text())["offer"]["price_out"] == "60000000000000"
    assert RunningNode.find(newcomer.data) is None


async def serves(newcomer: Newcomer) -> None:
    """The node takes up what was announced within a look."""
    node = RunningNode.need(newcomer.data)
    for _ in range(200):
        if (await node.ask())["chains"][""]["serving"]:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it does not serve")


@pytest.mark.full
@pytest.mark.timeout(1200)
async def test_so_does_one_who_has_only_the_wheel(world: World, tmp_path: Path) -> None:
    """Built, installed into an empty environment, and used where there is no checkout."""
    await program("sh", "run", "build-wheels")
    (wheel,) = (ROOT / "dist").glob("tallystick-[0-9]*.whl")
    venv = tmp_path / "venv"
    await program("uv", "venv", "-q", "--python", sys.executable, str(venv))
    with_locks = ("--constraint", "requirements/dev.lock")
    await program("uv", "pip", "install", "-q", "--python", str(venv / "bin" / "python"), *with_locks, str(wheel))
    newcomer = Newcomer(world, venv / "bin")
    _, where = await newcomer.run("python -c 'import tallystick_helper as one; print(one.__file__)'")
    assert str(venv) in where
    await earns(newcomer)
    code, listed = await newcomer.run(
        "python -c 'from tallystick_helper.routes.page import *; Page(page_folder(None))'"
    )
    assert code == 0, listed  # the page came along


async def program(*arguments: str) -> None:
    """Runs to its end in the checkout, or fails with what it said."""
    path = f"{Path(sys.executable).parent}:{ROOT / '.tallystick' / 'uv' / 'bin'}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        *arguments, cwd=ROOT, env={**os.environ, "PATH": path}, stdout=-1, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-2000:]
