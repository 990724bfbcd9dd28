"""Two chains side by side: each with its market and its deposit, switched at run time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tallystick_web.main import start
from tallystick_web.state import Sheet, Site, State
from tests.helper.two_chains import Pair, on_two_chains
from tests.web.seats import until

from .real import Town


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async with on_two_chains(tmp_path) as made:
        yield made


class Traveller(Town):
    """A page that knows both chains, and a wallet that knows the first alone."""

    def __init__(self, pair: Pair) -> None:
        super().__init__(pair.first.world)
        self.other = Town(pair.second.world)
        self.wallet.known = {self.demo.chain_id}
        here = self.wallet.demo

        def add(params: list[Any]) -> None:
            self.wallet.known.add(int(params[0]["chainId"], 16))
            switch(params)

        def switch(params: list[Any]) -> None:
            type(self.wallet)._switch(self.wallet, params)
            self.wallet.demo = here if self.wallet.chain_id == here.chain_id else self.other.demo

        self.wallet._switch = switch  # type: ignore[method-assign]
        self.wallet._add = add  # type: ignore[method-assign]
        self.other.demo.call("anvil_setBalance", self.wallet.address, hex(10**19))

    async def open(self) -> None:
        await start(self.page, json.dumps({**self.site, "further": [{**self.other.site, "chain_name": "Other"}]}))

    async def deposit(self, amount: str) -> State:
        for intent, argument in (("open-deposit", ""), ("input:amount", amount), ("deposit", "")):
            self.app.heard(intent, argument)
        return await until(self.app, lambda state: state.deposit.usable)

    async def go(self, chain_id: int) -> State:
        self.app.heard("use-chain", str(chain_id))
        await self.app.idle()
        return self.state


async def test_each_chain_has_its_own_market_and_deposit(pair: Pair) -> None:
    town = await asyncio.to_thread(Traveller, pair)
    state = await town.read()
    assert [site.chain_name for site in state.sites] == ["Chain 31337", "Other"]
    await town.deposit("0.5")
    first = town.state.deposit
    state = await town.go(town.other.demo.chain_id)
    assert state.site is not None and state.site.chain_name == "Other"
    assert town.wallet.prompts[-2:] == ["wallet_switchEthereumChain", "wallet_addEthereumChain"]
    assert not state.deposit.live and state.market.choices and state.wallet.balance == 10**19
    await town.deposit("0.25")
    second = town.state.deposit
    assert second.channel_id != first.channel_id

    state = await town.go(town.demo.chain_id)
    assert (state.deposit.channel_id, state.deposit.amount) == (first.channel_id, first.amount)
    assert state.deposit.usable
    state = await town.go(town.other.demo.chain_id)
    assert (state.deposit.channel_id, state.deposit.amount) == (second.channel_id, second.amount)
    assert town.wallet.prompts.count("wallet_addEthereumChain") == 1
    assert {entry.chain_id for entry in state.book.entries} == {31337, 8453}

    await town.reload()
    await town.app.idle()
    state = await until(town.app, lambda state: state.deposit.usable)
    assert state.site is not None and state.site.chain_name == "Other", "the chain used last"
    assert state.deposit.channel_id == second.channel_id


async def test_saying_no_leaves_the_page_where_it_is(pair: Pair) -> None:
    town = await asyncio.to_thread(Traveller, pair)
    before = await town.read()
    town.wallet.refuse = {"wallet_switchEthereumChain"}
    state = await town.go(town.other.demo.chain_id)
    assert (state.site, state.market) == (before.site, before.market)
    assert state.notice is not None and state.notice.name == "refused"


async def test_a_wallet_that_goes_over_is_followed_when_the_person_wants_that(pair: Pair) -> None:
    town = await asyncio.to_thread(Traveller, pair)
    await town.read()
    other = town.other.demo.chain_id
    town.page.wallet._heard("chainChanged", hex(other))
    notice = town.state.notice
    assert notice is not None and notice.name == "wallet_moved" and dict(notice.values)["other"] == "Other"
    town.page.wallet._heard("chainChanged", hex(town.demo.chain_id))
    assert town.state.notice is None
    town.page.wallet._heard("chainChanged", "0x5")
    assert town.state.notice is not None and town.state.notice.name == "wrong_chain"


async def test_it_is_not_left_in_the_middle_of_an_answer(pair: Pair) -> None:
    town = await asyncio.to_thread(Traveller, pair)
    await town.read()
    await town.deposit("0.5")
    town.app.heard("ask", "Long")
    await until(town.app, lambda state: state.running)
    town.app.heard("use-chain", str(town.other.demo.chain_id))
    state = await until(town.app, lambda state: state.notice is not None)
    assert state.notice is not None and state.notice.name == "chain_busy"
    assert isinstance(state.site, Site) and state.site.chain_id == town.demo.chain_id
    town.app.heard("stop")
    await until(town.app, lambda state: not state.running)
    town.app.heard("open-chains")
    assert town.state.sheet is Sheet.CHAINS
    await town.page.chat.hang_up()
    await town.app.idle()
