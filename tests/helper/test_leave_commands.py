"""`tallystick registry leave` and `exit`, as a process against a real chain: asked, waited for, and the stake back."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from tallystick_helper.cli import app
from tallystick_helper.keys import Secret
from tallystick_helper.leave_commands import exit_now, leave_now
from tallystick_helper.registry_commands import registry_now
from tallystick_helper.terminal import Consent
from tallystick_shared.errors import Code
from tests.shared.tools import refused

from .shell import Shell
from .world import Serving, World

YES = Consent(yes=True)
WEEK, STAKE = 7 * 86400, 10**15


def owner_key(world: World) -> str:
    path = world.folder / "owner.key"
    path.write_text(world.owner_key.hex())
    return str(path)


async def now(world: World) -> int:
    return int((await world.rpc.request("eth_getBlockByNumber", ["latest", False]))["timestamp"], 16)


async def test_asked_waited_for_and_taken_back(provider: Serving) -> None:
    world, shell = provider.world, Shell(provider.world)
    settings, key = world.settings("user"), Secret(world.owner_key)
    with refused(Code.NOT_LEAVING):
        await exit_now(settings, key, YES)
    asked = await shell.json("registry", "leave", "--key-file", owner_key(world))
    assert asked["provider"] == "0x" + provider.provider.hex() and asked["requested"].startswith("0x")
    assert asked["leaves"] == await now(world) + WEEK and asked["stake"] == str(STAKE) and asked["unclaimed"] is None
    again = await leave_now(settings, key, YES)
    assert (again["requested"], again["leaves"]) == (None, asked["leaves"])
    early = await shell.json("registry", "exit", "--key-file", owner_key(world), code=1)
    assert (early["error"], early["leaves"]) == ("STAKE_LOCKED", str(asked["leaves"])) and "in 7 days" in early["at"]
    await world.pass_time(WEEK)
    before = await world.balance(provider.provider)
    said, aside = await shell.text("registry", "exit", "--key-file", owner_key(world), "--yes")
    assert said == "Left: 0.001 ETH back.\n" and "Fee   at most" in aside and "Back  0.001 ETH" in aside
    assert before < await world.balance(provider.provider) < before + STAKE  # less its gas
    assert (await registry_now(settings, None, 10))[0] == 0
    with refused(Code.NO_ENTRY):
        await exit_now(settings, key, YES)


async def test_nothing_is_sent_without_a_yes(provider: Serving) -> None:
    world, shell = provider.world, Shell(provider.world)
    leave = ("registry", "leave", "--key-file", owner_key(world))
    before = await world.balance(provider.provider)
    assert (await shell.json(*leave, "--dry-run"))["sent"] is False
    said, aside = await shell.text(*leave, code=1)
    assert said == "" and "Seven days later the stake of 0.001 ETH" in aside and "keep it on for that" in aside
    assert await world.balance(provider.provider) == before
    code, shown = await shell.typed("y", *leave)
    assert code == 0 and "tallystick registry exit" in shown
    with refused(Code.NO_ENTRY):
        await leave_now(world.settings("user"), Secret(world.user_key), YES)


async def test_what_the_node_here_has_to_claim_is_told(provider: Serving) -> None:
    """Beside a node that runs: its vouchers come first."""
    world, shell = provider.world, Shell(provider.world)
    talk = await provider.conversation(await provider.deposit())
    await talk.connect()
    async for _ in talk.ask([("user", "a few words that cost something")], "loopback", 20):
        pass
    await talk.settle()
    await talk.leave()
    shell.flags[3] = str(provider.settings.data_dir)
    said, aside = await shell.text("registry", "leave", "--key-file", owner_key(world), "--yes")
    assert "Not claimed yet: 0.0" in aside and "to claim first: keep it on" in said


@pytest.mark.parametrize("command", ["leave", "exit"])
def test_help_names_what_json_prints(command: str) -> None:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["registry", command, "--help"])
    assert result.exit_code == 0
    assert "JSON:" in result.output and "--yes" in result.output and "--dry-run" in result.output
