"""`tallystick channel`, as a process against a real chain and a real node: from a deposit to its end."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from tallystick_helper.cli import app

from .shell import Shell
from .test_channel_commands import gone, id_of
from .world import ETHER, Serving, World


@pytest.fixture
def shell(world: World) -> Shell:
    return Shell(world)


async def test_list_show_and_close(provider: Serving, shell: Shell) -> None:
    world = provider.world
    deposit = await provider.deposit()
    name = id_of(world, deposit)
    (listed,) = (await shell.json("channel", "list"))["channels"]
    assert listed == await shell.json("channel", "show", name[:12])
    assert listed == {
        "id": name,
        "state": "open",
        "deposit": str(ETHER // 100),
        "claimed": "0",
        "promised": "0",
        "owed": "0",
        "rest": str(ETHER // 100),
        "expiry": deposit.expiry,
        "delay": deposit.config.delay,
        "payer": "0x" + deposit.config.payer.hex(),
        "signer": "0x" + deposit.config.signer.hex(),
        "token": "0x" + "00" * 20,
        "symbol": "ETH",
        "decimals": 18,
        "providers": [
            {
                "provider": "0x" + deposit.provider.hex(),
                "payee": "0x" + deposit.payee.hex(),
                "cap": str(ETHER // 100),
                "promised": "0",
                "owed": "0",
            }
        ],
        "key": "kept",
        "transaction": deposit.transaction,
    }
    head, line = (await shell.text("channel", "list"))[0].splitlines()
    assert head.split("\t") == ["ID", "DEPOSIT", "CLAIMED", "OWED", "REST", "STATE", "PROVIDERS"]
    cells = line.split("\t")
    assert cells[0] == name and cells[1] == "0.01 ETH" and cells[5].startswith("open until 20") and "in 6 days" in line
    stdout, told = await shell.text("channel", "close", name, "--yes")
    assert "Fee   none" in told and "Back  0.01 ETH" in told
    assert stdout == "Over: 0 ETH paid, 0.01 ETH back.\n"
    error = await shell.json("channel", "close", name, code=1)
    assert (error["error"], error["code"]) == ("UNKNOWN_DEPOSIT", 624)
    assert "one that is over" in error["reason"]


async def test_nothing_is_sent_without_a_yes(world: World, shell: Shell) -> None:
    async with gone(world) as (name, deposit):
        before = await world.balance(deposit.config.payer)
        request = ("channel", "request-close", name, "--key-file", shell.key)
        stdout, stderr = await shell.text(*request, code=1)
        assert stdout == "" and "at most" in stderr and "(not_confirmed 622)" in stderr and "--yes" in stderr
        code, shown = await shell.typed("n", *request)
        assert code == 1 and "You said no; nothing was sent." in shown
        assert await world.balance(deposit.config.payer) == before
        code, shown = await shell.typed("y", *request)
        assert code == 0 and "tallystick channel withdraw" in shown
        assert await world.balance(deposit.config.payer) < before


async def test_at_a_terminal_the_end_is_offered_where_the_provider_is_gone(world: World, shell: Shell) -> None:
    async with gone(world) as (name, _):
        code, shown = await shell.typed("yyy", "channel", "close", name, "--key-file", shell.key)
        assert code == 0, shown
        assert "The provider cannot be reached." in shown and "without it" in shown
        assert "session key" in (await shell.text("channel", "show", name))[0]


@pytest.mark.parametrize("command", ["list", "show", "close", "request-close", "withdraw", "top-up", "recover"])
def test_help_names_what_json_prints(command: str) -> None:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["channel", command, "--help"])
    assert result.exit_code == 0
    assert "JSON:" in result.output and "--json" in result.output
    if command not in ("list", "show", "recover"):
        assert "--yes" in result.output and "--dry-run" in result.output
