"""A whole process: what it serves with and without a chain, and that an announcement is taken up while it runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import httpx2
import pytest
from websockets.asyncio.client import connect

from tallystick_helper.announcement import Announcement
from tallystick_helper.provide import Provider
from tallystick_helper.running import FILE, SECOND, RunningNode, beside
from tallystick_helper.settings import Settings
from tallystick_helper.up import Up
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.messages import amount_int

from ..shared.tools import refused
from .world import PRICE_OUT, World, serving, until


@pytest.fixture
def page(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html>")
    return folder


async def get(url: str) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False) as client:
        return await client.get(url)


async def test_without_a_chain_there_is_the_page(page: Path, tmp_path: Path) -> None:
    up = Up(
        Settings.model_validate(
            {"data_dir": tmp_path / "node", "page": {"port": 0, "files": page}, "admin": {"port": 0}}
        )
    )
    await up.start()
    urls = up.urls()
    assert (urls["endpoint"], urls["provider"], urls["model"]) == (None, None, None)
    assert (await get(urls["page"])).status_code == 200
    assert (await get(urls["page"] + "tallystick.json")).status_code == 404
    await up.stop()


async def test_the_page_is_told_where_the_contracts_are(world: World, page: Path) -> None:
    up = Up(world.settings(page={"files": page}, demo_key="0x" + "11" * 32))
    await up.start()
    found = (await get(up.urls()["page"] + "tallystick.json")).json()
    await up.stop()
    assert found["chain_id"] == 31337
    assert found["rpc"] == [world.url]
    assert found["registry"] == "0x" + world.where.registry.hex()
    assert found["channels"] == "0x" + world.where.channels.hex()
    assert found["block"] == world.where.block
    assert found["demo"] == {"key": "0x" + "11" * 32}


async def test_an_announcement_is_taken_up_and_renewed_while_it_runs(world: World) -> None:
    async with serving(world) as provider:
        node = provider.node
        settings = world.settings(offer={"price_out": PRICE_OUT * 3})
        owner = Provider(settings, world.crypto, world.rpc, world.where, world.owner_key)
        assert provider.up.engine is not None
        able = provider.up.engine.capabilities()
        await owner.provide(able, "ws://127.0.0.1:9", lambda name, transaction: None)
        await until(lambda: amount_int(node.profile.offers[0].price_out) == PRICE_OUT * 3)
        assert provider.node is node


async def test_a_chain_that_is_down_does_not_keep_the_node_from_starting(world: World, tmp_path: Path) -> None:
    async with serving(world) as provider:
        announced = provider.up.running.announced if provider.up.running else None
    assert isinstance(announced, Announcement)
    up = Up(world.settings(chain={"rpc": ["http://127.0.0.1:9"]}))
    await up.start()
    assert up.node is None and up.public is not None
    async with connect(f"ws://127.0.0.1:{up.public.port}", compression=None, proxy=None) as websocket:
        assert (await websocket.recv())[0] == 3
    await up.stop()


async def test_a_second_one_is_told_which_runs_and_how_to_be_another(page: Path, tmp_path: Path) -> None:
    def settings(name: str, port: int = 0) -> Settings:
        values = {"data_dir": tmp_path / name, "page": {"port": port, "files": page}, "admin": {"port": 0}}
        return Settings.model_validate(values)

    first = Up(settings("node"))
    await first.start()
    assert first.page and first.admin
    for name, port, code in (("node", 0, Code.NODE_RUNS), ("other", first.page.port, Code.BAD_SETTINGS)):
        second = Up(settings(name, port))
        with refused(code) as caught:
            await second.start()
        await second.stop()
        assert caught.value.values["second"] == SECOND and "--data-dir" in SECOND
    assert RunningNode.need(tmp_path / "node").origin == first.admin.origin  # the second's end left the first alone
    await first.stop()


def test_who_runs_is_named_by_process_and_address(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps({"pid": os.getppid(), "origin": "http://127.0.0.1:1"}))
    with refused(Code.NODE_RUNS) as caught, beside(tmp_path):
        raise LocalError(Code.NODE_RUNS, data_dir=str(tmp_path))
    assert caught.value.values["running"] == f"process {os.getppid()}, at http://127.0.0.1:1"
    with refused(Code.RPC_UNREACHABLE) as other, beside(tmp_path):
        raise LocalError(Code.RPC_UNREACHABLE)
    assert other.value.values == {}
