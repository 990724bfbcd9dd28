"""Deposits found again after the store was wiped, from the chain's logs or from other nodes, and taken back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tallystick_helper.channel_commands import request_now, show_now, withdraw_now
from tallystick_helper.deposits import Status
from tallystick_helper.keys import Secret
from tallystick_helper.quote import Quote
from tallystick_helper.recover_command import in_turn, recover_now
from tallystick_helper.server import Listener
from tallystick_helper.settings import Settings
from tallystick_helper.store import UserStore
from tallystick_shared.errors import Code, LocalError

from .test_channel_commands import gone, id_of
from .world import HOUR, Serving, World, until_it_is


def wiped(world: World, rpc: str = "") -> Settings:
    """The user's settings, with nothing kept."""
    settings = world.settings("wiped")
    settings.chain.rpc = [rpc or world.url]
    return settings


def test_a_node_that_invents_many_records_does_not_crowd_out_the_others() -> None:
    liar: Any = [f"invented {number}" for number in range(2000)]
    assert in_turn([liar, [], ["mine", "older"]])[:5] == ["invented 0", "mine", "invented 1", "older", "invented 2"]


def payer(world: World) -> bytes:
    return world.crypto.secp256k1_address(world.user_key)


async def known(provider: Serving) -> None:
    """The node has heard of a deposit, from the chain's logs."""

    async def count() -> int:
        rows = await provider.node.ledger.run(lambda db: db.execute("SELECT count(*) FROM opened").fetchone())
        return int(rows[0])

    await until_it_is(count)


async def yes(quote: Quote) -> None:
    quote.check()


@pytest.fixture
async def forgetful(world: World) -> AsyncIterator[str]:
    """An RPC of the world's chain that refuses logs of more than one block, as pruned ones do."""

    async def answer(request: Request) -> JSONResponse:
        asked = json.loads(await request.body())
        fault: dict[str, Any] = {"code": -32000, "message": "block range is too large"}
        if asked["method"] == "eth_getLogs":
            wanted = asked["params"][0]
            if wanted["fromBlock"] != wanted["toBlock"]:
                return JSONResponse({"jsonrpc": "2.0", "id": asked["id"], "error": fault})
        result = await world.rpc.request(asked["method"], asked["params"])
        return JSONResponse({"jsonrpc": "2.0", "id": asked["id"], "result": result})

    listener = Listener(Starlette(routes=[Route("/", answer, methods=["POST"])]), "127.0.0.1", 0, websocket=False)
    listener.start()
    yield f"http://127.0.0.1:{listener.port}/"
    await listener.stop()


async def test_from_the_logs_to_the_money(world: World) -> None:
    async with gone(world, delay=HOUR) as (name, deposit):
        settings, key = wiped(world), Secret(world.user_key)
        found = await recover_now(settings, payer(world), from_nodes=False)
        (view,) = found.views
        assert (found.asked, found.over) == (0, 0)
        assert (view.status, view.held.parties, view.rest) == (Status.OPEN, (), deposit.cap)
        assert found.values()["channels"][0]["key"] == "lost"
        assert view.held.transaction == deposit.transaction
        # The session key is gone, the payer's is enough.
        await request_now(settings, name, key, yes)
        assert (await show_now(settings, name)).status is Status.CLOSING
        await world.pass_time(HOUR + 60)
        done = await withdraw_now(settings, name, key, yes)
        assert done["refund"] == str(deposit.cap)
        again = await recover_now(settings, payer(world), from_nodes=False)
        assert (again.views, again.over) == ([], 1)
        assert UserStore(settings.data_dir, world.crypto).kept() == []


async def test_where_logs_are_refused_other_nodes_tell(provider: Serving, forgetful: str) -> None:
    world = provider.world
    deposit = await provider.deposit()
    await known(provider)
    found = await recover_now(wiped(world, forgetful), payer(world), from_nodes=False)
    assert (found.asked, found.values()["source"]) == (1, "nodes")
    assert ["0x" + view.held.channel_id.hex() for view in found.views] == [id_of(world, deposit)]


async def test_other_nodes_can_be_asked_without_need(provider: Serving) -> None:
    world = provider.world
    deposit = await provider.deposit()
    await known(provider)
    found = await recover_now(wiped(world), payer(world), from_nodes=True)
    assert found.asked == 1 and found.views[0].held.agreed == deposit.expiry


async def test_where_nobody_tells_it_says_so(world: World, forgetful: str) -> None:
    async with gone(world):
        with pytest.raises(LocalError) as caught:
            await recover_now(wiped(world, forgetful), payer(world), from_nodes=False)
        assert caught.value.code is Code.RPC_UNREACHABLE and "block range" in caught.value.values["reason"]


async def test_what_is_kept_with_its_key_stays_so(world: World) -> None:
    async with gone(world) as (name, deposit):
        found = await recover_now(world.settings("user"), payer(world), from_nodes=False)
        assert found.views[0].held.alone == deposit
        assert (await show_now(world.settings("user"), name)).held.alone == deposit
        assert world.store().found() == []


async def test_a_stranger_has_none(world: World) -> None:
    async with gone(world):
        assert (await recover_now(wiped(world), b"\1" * 20, from_nodes=False)).views == []
