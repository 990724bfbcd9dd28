"""docs/howto/openai.md and metrics.md: their commands are run as they stand, with the placeholders filled in."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .world import World, serving

HOWTO = Path(__file__).parents[2] / "docs" / "howto"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
FIGURE = re.compile(r"`(tallystick_[a-z_]+)`")
MODELS = {
    "loopback": {"kind": "echo", "options": {"rate": 500.0}},
    "vectors": {"kind": "toy", "options": {"what": "vectors"}},
}


def blocks(page: str, *kinds: str) -> list[str]:
    """The code of a page, in its order."""
    return [code for kind, code in BLOCK.findall((HOWTO / page).read_text()) if kind in kinds]


@pytest.fixture
async def shell(world: World) -> AsyncIterator[Shell]:
    """A person's machine, where a provider of two models can be reached."""
    async with serving(world, models=MODELS, money={"confirmations": 1}):
        made = Shell(world)
        yield made
        await made.end()


class Shell:
    """A shell in which one block follows another, as when somebody copies them."""

    def __init__(self, world: World) -> None:
        key = world.folder / "wallet.key"
        key.write_text(world.user_key.hex())
        where = world.where
        self._environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TALLYSTICK_DATA_DIR": str(world.folder / "me"),
            "TALLYSTICK_CHAIN__REGISTRY": "0x" + where.registry.hex(),
            "TALLYSTICK_CHAIN__CHANNELS": "0x" + where.channels.hex(),
            "TALLYSTICK_CHAIN__INTERVAL": "0.05",
            "TALLYSTICK_PAGE__PORT": "0",
            "TALLYSTICK_ADMIN__PORT": "0",
            "TALLYSTICK_GATEWAY__TRAFFIC": "low_latency",
        }
        self._filled = {"KEY ": f"{key} ", "URL ": f"{world.url} ", "MODEL": "loopback", "VECTORS": "toy-vectors"}
        self._node: asyncio.subprocess.Process | None = None

    def _fill(self, block: str) -> str:
        for placeholder, value in self._filled.items():
            block = re.sub(rf"(?<![\w$\"]){placeholder}" if placeholder.endswith(" ") else placeholder, value, block)
        return block

    async def up(self, block: str) -> None:
        """Runs what goes on running, and waits until it says where it is."""
        self._node = await asyncio.create_subprocess_shell(
            "exec " + self._fill(block).strip() + " --json", env=self._environment, stdout=asyncio.subprocess.PIPE
        )
        assert self._node.stdout is not None
        urls = json.loads(await self._node.stdout.readline())
        self._filled["http://127.0.0.1:8767/v1"] = urls["gateway"]
        self._filled["http://127.0.0.1:8767"] = urls["gateway"].removesuffix("/v1")

    async def run(self, block: str) -> str:
        """What it printed; it has to succeed."""
        return await self._execute("sh", "-ec", self._fill(block))

    async def export(self, block: str) -> None:
        """What it exports is there for the blocks to come."""
        said = await self._execute("sh", "-ec", self._fill(block) + "env")
        self._environment |= dict(line.split("=", 1) for line in said.splitlines() if line.startswith("OPENAI_"))

    async def python(self, code: str) -> str:
        return await self._execute(sys.executable, "-c", self._fill(code))

    async def _execute(self, *command: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *command, env=self._environment, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode == 0, (command[-1], err.decode())
        return out.decode()

    async def end(self) -> None:
        if self._node is not None:
            self._node.terminate()
            await self._node.communicate()
            assert self._node.returncode == 0


async def test_your_own_software_by_copying_what_is_there(shell: Shell) -> None:
    up, deposit, keys, models, chat, vectors = blocks("openai.md", "sh")
    first, preference = blocks("openai.md", "python")
    await shell.up(up)
    assert "is open with" in await shell.run(deposit.replace("--deposit", "--yes --deposit"))
    await shell.export(keys)
    assert {row["id"] for row in json.loads(await shell.run(models))["data"]} == {"loopback", "toy-vectors"}
    streamed = await shell.run(chat)
    assert streamed.startswith("data: {") and streamed.rstrip().endswith("data: [DONE]")
    # Vectors right after text, over the same connection: it waits for the end of the text's tail.
    made = json.loads(await shell.run(vectors))
    assert [row["index"] for row in made["data"]] == [0, 1] and made["tallystick"]["output_units"] == 2
    said = await shell.python(first.replace("client.models.list().data[0].id", '"MODEL"') + preference)
    assert "What is a tally stick?" in said and re.search(r"\d+ tokens, 0\.\d+ ETH", said)


async def test_watching_a_node_by_copying_what_is_there(shell: Shell) -> None:
    (up, *_) = blocks("openai.md", "sh")
    table, scrape = blocks("metrics.md", "sh")
    await shell.up(up)
    assert "No model is set" in await shell.run(table)
    assert "tallystick_process_memory_bytes" in await shell.run(scrape)


async def test_every_figure_of_the_page_is_there(world: World) -> None:
    """Those of GPUs are named also where there is none; the page leaves none out."""
    async with serving(world) as provider:
        text = (await provider.up.metrics.text()).decode()
        told = set(re.findall(r"^# TYPE (\S+)", text, re.M))
    written = set(FIGURE.findall((HOWTO / "metrics.md").read_text()))
    assert {name for name in told if not name.endswith("_created")} == written


def test_the_settings_for_editors_are_valid() -> None:
    (zed,) = blocks("openai.md", "json")
    assert json.loads(zed)["language_models"]["openai_compatible"]["Tallystick"]["api_url"].endswith("/v1")
