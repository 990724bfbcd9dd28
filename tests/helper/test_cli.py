"""The command, as a process: deploy, up, provide, chat, close; and how it says no."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tallystick_helper.shown import Money, parse_amount, show_amount
from tallystick_shared.errors import Code, LocalError

from .world import World, new_world

ROOT = Path(__file__).parents[2]


async def start(world: World | None, *arguments: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tallystick_helper",
        *arguments,
        cwd=ROOT,
        env={**os.environ, "TALLYSTICK_CHAIN__INTERVAL": "0.05", "TALLYSTICK_OFFER__FIRST_VOUCHER": "0", **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(*arguments: str, code: int = 0, typed: bytes = b"", **environment: str) -> list[dict[str, Any]]:
    """The lines of JSON that a command printed."""
    process = await start(None, *arguments, "--json", **environment)
    stdout, stderr = await process.communicate(typed)
    assert process.returncode == code, stderr.decode()
    return [json.loads(line) for line in stdout.splitlines()]


@pytest.fixture
def keys(world: World) -> tuple[str, str]:
    owner, user = world.folder / "owner.key", world.folder / "user.key"
    owner.write_text(world.owner_key.hex())
    user.write_text(world.user_key.hex())
    return str(owner), str(user)


PORTS = ("--page", "0", "--admin", "0", "--listen", "0")


async def test_a_forgotten_chain_is_named(tmp_path: Path) -> None:
    (error,) = await run("registry", "show", "--data-dir", str(tmp_path), code=1)
    assert (error["error"], error["reason"]) == ("BAD_SETTINGS", "no chain is given: name one by --rpc URL")
    node = await start(None, "up", "--engine", "echo", "--page", "0", "--admin", "0", "--data-dir", str(tmp_path))
    assert node.stdout is not None
    said = [await node.stdout.readline() for _ in range(2)]
    node.send_signal(signal.SIGTERM)
    await node.communicate()
    assert b"this serves the page alone: name one by --rpc URL" in said[1]


async def test_the_whole_story(world: World, keys: tuple[str, str]) -> None:
    owner, user = keys
    rpc = ("--rpc", world.url)
    (deployed,) = await run("deploy", *rpc, "--key-file", owner, "--data-dir", str(world.folder / "deployer"))
    at = ("--registry", deployed["registry"], "--channels", deployed["channels"])
    node = ("--data-dir", str(world.folder / "node"), "--engine", "echo")
    up = await start(world, "up", *rpc, *at, *node, *PORTS, "--json")
    assert up.stdout is not None
    urls = json.loads(await up.stdout.readline())
    assert urls["model"] == "loopback" and urls["pid"] == up.pid
    (provided,) = await run("provide", *rpc, *at, *node, "--key-file", owner, "--endpoint", urls["endpoint"])
    assert list(provided["transactions"]) == ["register"] and provided["gas"]["claims"] == 0
    (funded,) = await run("fund", *rpc, *at, *node[:2], "--key-file", owner)
    assert list(funded["transactions"]) == ["fund"] and funded["gas"]["operator"] == provided["gas"]["operator"]
    assert int(funded["gas"]["held"]) == 10**16 and funded["gas"]["send"] == "0"
    chat = ("chat", *rpc, *at, "--data-dir", str(world.folder / "user"), "--key-file", user, "--max-units", "12")
    (first,) = await run(*chat, "--deposit", "1000000000000wei", "one two")
    assert first["deposit"] == "1000000000000" and first["opened"].startswith("0x")
    for flags, wrong in ((("--deposit", "lots"), "amount"), (("--delay", "1"), "delay")):  # though there is one already
        (error,) = await run(*chat, *flags, "one two", code=1)
        assert (error["error"], error[wrong]) == ("BAD_SETTINGS", flags[1])
    (closed,) = await run(*chat, "--close", typed=b"three\n\nfour five\n")
    answers = [first["answer"], *closed["answers"]]
    assert [answer["output_units"] for answer in answers] == [12, 12, 12]
    spent = sum(int(answer["amount"]) for answer in answers)
    assert int(closed["paid"]) == spent
    assert int(closed["refund"]) == 1000000000000 - spent
    up.send_signal(signal.SIGTERM)
    assert await up.wait() == 0
    await up.communicate()


async def test_a_node_that_starts_paused_says_so(world: World) -> None:
    for paused in (True, False):
        at = ("--data-dir", str(world.folder / "paused"))
        await run("pause" if paused else "resume", *at)
        rpc = ("--rpc", world.url, "--registry", "0x" + world.where.registry.hex())
        flags = (*rpc, "--channels", "0x" + world.where.channels.hex(), *at, "--engine", "echo", *PORTS)
        node = await start(world, "up", *flags)
        assert node.stdout is not None
        said = b""
        while b"Local API" not in said:
            said += await node.stdout.readline()
        node.send_signal(signal.SIGTERM)
        await node.communicate()
        assert (b"Paused    it serves nobody: `tallystick resume` starts renting again" in said) is paused


async def test_its_version_is_told() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tallystick_helper", "--version"), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0 and said.decode().strip() == f"tallystick {version('tallystick')}"


async def test_what_went_wrong_is_said_with_a_next_step(world: World, keys: tuple[str, str]) -> None:
    (error,) = await run("deploy", "--rpc", "http://127.0.0.1:9", "--key-file", keys[0], code=1)
    assert (error["error"], error["code"]) == ("RPC_UNREACHABLE", 604)
    assert error["says"] and error["next"]
    await world.rpc.request("anvil_setCode", ["0x" + world.where.channels.hex(), "0x"])
    process = await start(world, "chat", "--rpc", world.url, "--key-file", keys[1], "hello")
    stdout, stderr = await process.communicate()
    assert (process.returncode, stdout) == (1, b"")
    assert b"contracts are not on this network" in stderr
    assert b"Traceback" not in stderr


async def test_settings_come_from_the_environment(world: World, keys: tuple[str, str]) -> None:
    urls = json.dumps([world.url])
    (error,) = await run(
        "chat",
        "hello",
        "--key-file",
        keys[1],
        code=1,
        TALLYSTICK_CHAIN__RPC=urls,
        TALLYSTICK_CHAIN__REGISTRY="0x" + world.where.registry.hex(),
        TALLYSTICK_CHAIN__CHANNELS="0x" + world.where.channels.hex(),
        TALLYSTICK_DATA_DIR=str(world.folder / "user"),
    )
    assert error["error"] == "NO_PROVIDERS"


def test_amounts_are_read_and_shown_exactly() -> None:
    assert parse_amount("0.01") == 10**16
    assert parse_amount("5000wei") == 5000
    assert show_amount(10**16, "ETH") == "0.01 ETH"
    assert show_amount(1, "ETH") == "0.000000000000000001 ETH"
    assert show_amount(20 * 10**18, "ETH") == "20 ETH"
    assert show_amount(0, "ETH") == "0 ETH"
    assert Money("USDC", 6).show(1_500_000) == "1.5 USDC"
    assert Money("USDC", 6).parse("1.5") == 1_500_000
    for wrong in ("", "x", "-1", "0", "0.5wei", "1e-19"):
        with pytest.raises(LocalError) as caught:
            parse_amount(wrong)
        assert caught.value.code is Code.BAD_SETTINGS


async def test_a_further_chain_goes_by_its_name(world: World, keys: tuple[str, str]) -> None:
    owner, user = keys
    async with new_world(world.folder / "other", 8453) as other:
        config = world.folder / "two.toml"
        config.write_text(f'[chains.other]\nrpc = ["{other.url}"]\ninterval = 0.05\n')
        common = ("--config", str(config), "--data-dir", str(world.folder / "node"), "--engine", "echo")
        up = await start(
            world, "up", "--rpc", world.url, *common, "--page", "0", "--admin", "0", "--listen", "0", "--json"
        )
        assert up.stdout is not None
        urls = json.loads(await up.stdout.readline())
        assert urls["chains"] == {"other": None}
        reached = ("--endpoint", urls["endpoint"], "--key-file", owner)
        (provided,) = await run("provide", "--chain", "other", *common, *reached)
        assert provided["chain_id"] == 8453
        assert (world.folder / "node" / "announced-other.json").exists()
        talk = ("--chain", "other", "--config", str(config), "--data-dir", str(world.folder / "user"))
        short = ("--max-units", "12", "one two")
        lines = await run("chat", *talk, "--key-file", user, "--deposit", "1000000000000wei", *short)
        assert lines[-1]["answer"]["output_units"] == 12
        (error,) = await run("provide", "--chain", "nowhere", *common, *reached, code=1)
        assert (error["error"], error["known"]) == ("BAD_SETTINGS", "other")
        up.send_signal(signal.SIGTERM)
        assert await up.wait() == 0
        await up.communicate()
