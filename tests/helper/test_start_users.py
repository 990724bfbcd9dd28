"""The blocks of docs/start/chat.md and build.md, run as they stand there, in their order, beside one provider."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tallystick_helper import demo
from tallystick_helper.settings import OfferSettings

from .world import World, serving, until_it_is

ROOT = Path(__file__).parents[2]
START = ROOT / "docs" / "start"
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.M | re.S)
ELSEWHERE = ("pip install", "./run demo")
"""What other tests do: this environment is installed, and test_demo.py starts the demo."""
OURS = ("export RPC", "export KEY")
"""This chain's values stand for the page's."""
PAGE = "<!doctype html>a page"
MODELS = {
    "loopback": {"kind": "echo", "options": {"rate": 500.0}},
    "vectors": {"kind": "toy", "options": {"what": "vectors"}},
}


def blocks(page: str) -> list[tuple[str, str]]:
    """Kind and code of what this test runs."""
    found = []
    for kind, code in BLOCK.findall((START / page).read_text()):
        lines = (
            code
            if kind == "python"
            else "".join(line for line in code.splitlines(keepends=True) if not line.startswith((*ELSEWHERE, *OURS)))
        )
        if lines.strip():
            found.append((kind, lines))
    return found


class Reader:
    """A person with an empty folder, a wallet and a terminal, who copies one block after another."""

    def __init__(self, world: World, page: str) -> None:
        self.folder = world.folder / page
        built = self.folder / "built"
        built.mkdir(parents=True)
        (built / "index.html").write_text(PAGE)
        sums = {"index.html": hashlib.sha256(PAGE.encode()).hexdigest()}
        (built / "manifest.json").write_text(json.dumps({"build": "b", "files": sums}))
        (self.folder / "wallet.key").write_text(world.user_key.hex())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.filled = {"--bind 127.0.0.1 8080": f"--bind 127.0.0.1 {self.port}"}
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TALLYSTICK_", "OPENAI_"))},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "RPC": world.url,
            "KEY": "wallet.key",
            "TALLYSTICK_DATA_DIR": str(self.folder / "me"),
            "TALLYSTICK_CHAIN__REGISTRY": "0x" + world.where.registry.hex(),
            "TALLYSTICK_CHAIN__CHANNELS": "0x" + world.where.channels.hex(),
            "TALLYSTICK_CHAIN__INTERVAL": "0.05",
            "TALLYSTICK_PAGE__PORT": "0",
            "TALLYSTICK_PAGE__FILES": str(built),
            "TALLYSTICK_ADMIN__PORT": "0",
        }
        self._beside: list[asyncio.subprocess.Process] = []

    async def copy(self, kind: str, code: str) -> str:
        """Runs a block; what it printed. What it exports is there for the next ones."""
        for written, real in self.filled.items():
            code = code.replace(written, real)
        if kind == "python":
            return await self._done(sys.executable, "-c", code)
        if code.rstrip().endswith("&"):
            await self._leave_running(code.rstrip().removesuffix("&"))
            return ""
        said = await self._done("bash", "-ec", code + "\necho; echo ---; env")
        printed, _, variables = said.rpartition("\n---\n")
        self.environment |= dict(
            line.split("=", 1) for line in variables.splitlines() if line.startswith(("OPENAI_", "MODEL="))
        )
        return printed

    async def _leave_running(self, line: str) -> None:
        started = line.startswith("tallystick up")
        process = await asyncio.create_subprocess_shell(
            f"exec {line}{'--json' if started else ''}", cwd=self.folder, env=self.environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        self._beside.append(process)
        assert process.stdout is not None
        if started:
            urls = json.loads(await process.stdout.readline())
            self.filled["http://127.0.0.1:8765/"] = urls["page"]
            self.filled["http://127.0.0.1:8767/v1"] = urls["gateway"]

    async def _done(self, *command: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=self.folder, env=self.environment, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode == 0, (command[-1], err.decode())
        return out.decode()

    async def end(self) -> None:
        for process in self._beside:
            process.terminate()
            await process.communicate()


@pytest.fixture
async def provided(world: World) -> AsyncIterator[World]:
    """A chain on which somebody offers text and vectors."""
    async with serving(world, models=MODELS, money={"confirmations": 1}):
        yield world


async def read(reader: Reader, page: str) -> list[str]:
    """What each block printed."""
    return [await reader.copy(kind, code) for kind, code in blocks(page)]


async def test_both_pages_by_copying_what_is_there(provided: World) -> None:
    chatting, building = Reader(provided, "chat.md"), Reader(provided, "build.md")
    try:
        await _chats(chatting, await read(chatting, "chat.md"))
        provided.user_key = b"\x33" * 32
        await provided.fund(provided.user_key)
        (building.folder / "wallet.key").write_text(provided.user_key.hex())
        _builds(await read(building, "build.md"))
    finally:
        await chatting.end()
        await building.end()


async def _chats(reader: Reader, said: list[str]) -> None:
    _, told, built, _, terminal, closed = said
    assert json.loads(told)["chain_name"] == "Chain 31337" and ", for Chain 31337." in built
    assert json.loads((reader.folder / "site" / "tallystick.json").read_text())["chain_id"] == 31337

    async def shown() -> bool:
        try:
            async with httpx2.AsyncClient(trust_env=False) as client:
                return "a page" in (await client.get(f"http://127.0.0.1:{reader.port}/")).text
        except httpx2.HTTPError:
            return False

    await until_it_is(shown)
    assert "loopback" in terminal and "What is a tally stick?" in terminal
    assert "Closed:" in closed and "back" in closed


def _builds(said: list[str]) -> None:
    _, deposit, _, models, _, answer, stream, client, vectors, chosen, unknown, locked, listed = said
    assert "is open with" in deposit
    assert {row["id"] for row in json.loads(models)["data"]} == {"loopback", "toy-vectors"}
    assert json.loads(answer)["usage"]["completion_tokens"] == 20
    assert stream.startswith("data: {") and stream.rstrip().endswith("data: [DONE]")
    assert "What is a tally stick?" in client and re.search(r"\d+ tokens, 0\.\d+ ETH", client)
    assert re.fullmatch(r"2 vectors of \d+ values by toy-vectors\n", vectors)
    assert json.loads(chosen)["tallystick"]["provider"].startswith("0x")
    assert json.loads(unknown)["error"]["code"] == "model_not_found"
    assert json.loads(locked)["error"]["code"] == "invalid_api_key"
    assert "open" in listed


def test_the_deposit_ends_without_a_question() -> None:
    assert "`tallystick channel close ID --yes`" in (START / "build.md").read_text()


def test_one_price_stands_everywhere() -> None:
    """In the settings, in the guide for providers, and in the demo so many times."""
    usual = OfferSettings()
    assert f"--price-in {usual.price_in} --price-out {usual.price_out}" in (START / "provide.md").read_text()
    assert (demo.DEARER * usual.price_in, demo.DEARER * usual.price_out) == (demo.PRICE_IN, demo.PRICE_OUT)
    assert "hundred thousand times" in (START / "chat.md").read_text() and demo.DEARER == 100_000
