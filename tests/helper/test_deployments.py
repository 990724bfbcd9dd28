"""Which contracts are used: the settings' word, what was deployed from here, the known ones, what stands there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tallystick_helper.chain.deploy import carry_out, plan
from tallystick_helper.chain.sender import Sender
from tallystick_helper.deployments import FILE, locate, remember
from tallystick_helper.settings import Settings
from tallystick_shared.chains import DEPLOYER, Deployment, Record, deterministic
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import to_hex

from .world import CHAIN_ID, World

ELSEWHERE = {"registry": "0x" + "11" * 20, "channels": "0x" + "22" * 20, "block": 7}


def unset(folder: Path) -> Settings:
    return Settings.model_validate({"data_dir": folder})


async def test_the_settings_win(world: World, tmp_path: Path) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path, "chain": ELSEWHERE})
    found = await locate(settings, CHAIN_ID, world.rpc, world.crypto)
    assert found == Deployment(CHAIN_ID, b"\x11" * 20, b"\x22" * 20, 7)


@pytest.mark.parametrize("name", ["registry", "channels"])
async def test_one_address_alone_is_not_passed_over(world: World, tmp_path: Path, name: str) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path, "chain": {name: "0x" + "11" * 20}})
    with pytest.raises(LocalError) as caught:
        await locate(settings, CHAIN_ID, world.rpc, world.crypto)
    assert caught.value.code is Code.BAD_SETTINGS


async def test_an_unknown_chain_is_looked_at(world: World, tmp_path: Path) -> None:
    found = await locate(unset(tmp_path), CHAIN_ID, world.rpc, world.crypto)
    assert found == world.where
    quick = await locate(unset(tmp_path), CHAIN_ID, world.rpc, world.crypto, with_block=False)
    assert quick == replace(world.where, block=0)


async def test_nothing_stands_anywhere(world: World, tmp_path: Path) -> None:
    for address in (world.where.channels, world.where.registry):
        await world.rpc.request("anvil_setCode", [to_hex(address), "0x"])
        with pytest.raises(LocalError) as caught:
            await locate(unset(tmp_path), CHAIN_ID, world.rpc, world.crypto)
        assert caught.value.code is Code.NO_CONTRACTS


async def test_what_was_deployed_from_here_is_remembered_while_it_stands(world: World, tmp_path: Path) -> None:
    await world.rpc.request("anvil_setCode", [to_hex(DEPLOYER), "0x"])
    record = await carry_out(Sender(world.rpc, world.owner_key, CHAIN_ID, poll=0.01), await plan(world.rpc))
    path = remember(tmp_path, record)
    entry = json.loads(path.read_text())[str(CHAIN_ID)]
    assert (entry["evm"], entry["how"], sorted(entry["sha256"])) == ("cancun", "create", ["Channels", "Registry"])
    assert await locate(unset(tmp_path), CHAIN_ID, world.rpc, world.crypto) == record.where != world.where
    await world.rpc.request("anvil_setCode", [to_hex(record.where.channels), "0x"])
    assert await locate(unset(tmp_path), CHAIN_ID, world.rpc, world.crypto) == world.where


def test_chains_are_remembered_side_by_side(world: World, tmp_path: Path) -> None:
    for chain_id in (5, 6, 5):
        where = replace(deterministic(world.crypto, chain_id), block=chain_id)
        remember(tmp_path / "new", Record(where, "cancun", "create2", {}))
    assert sorted(json.loads((tmp_path / "new" / FILE).read_text())) == ["5", "6"]


@pytest.mark.parametrize("text", ["[", "[1]", '{"31337": {}}', '{"31337": {"registry": 1}}'])
async def test_a_damaged_file_is_named(world: World, tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(LocalError) as caught:
        await locate(unset(tmp_path), CHAIN_ID, world.rpc, world.crypto)
    assert caught.value.code is Code.STORE_UNREADABLE
