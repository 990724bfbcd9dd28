"""`tallystick registry show`, as a process against a real chain and a real node."""

from __future__ import annotations

from typer.testing import CliRunner

from tallystick_helper.cli import app

from .shell import Shell
from .world import PRICE_OUT, Serving, World


async def test_the_table_the_sheet_and_the_json(provider: Serving) -> None:
    shell = Shell(provider.world)
    head, line = (await shell.text("registry", "show"))[0].splitlines()
    assert head.split("\t") == ["PROVIDER", "STAKE", "OFFERS", "ENDPOINT", "AGE", "FAULT"]
    address = "0x" + provider.provider.hex()
    cells = line.split("\t")
    assert cells[:3] == [address, "0.001 ETH", "loopback"] and cells[3].startswith("ws://127.0.0.1:")
    sheet = dict(line.split("\t", 1) for line in (await shell.text("registry", "show", address))[0].splitlines())
    assert sheet["provider"] == address and sheet["stake"] == "0.001 ETH" and sheet["fault"] == "none"
    assert f"{PRICE_OUT / 10**18:f}".rstrip("0") + " ETH out per 1,000,000" in sheet["offer"]
    found = await shell.json("registry", "show")
    assert found["count"] == 1 and found["providers"][0]["provider"] == address
    assert found["providers"][0]["profile"]["endpoints"] == [cells[3]]
    code, shown = await shell.typed("", "registry", "show")
    assert code == 0 and address not in shown and "whole addresses: --json" in shown


async def test_an_empty_registry_is_said(world: World) -> None:
    said, aside = await Shell(world).text("registry", "show")
    assert len(said.splitlines()) == 1 and aside == "Nobody offers a model here yet.\n"


def test_help_names_what_json_prints() -> None:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["registry", "show", "--help"])
    assert result.exit_code == 0
    assert "JSON:" in result.output and "fault" in result.output
