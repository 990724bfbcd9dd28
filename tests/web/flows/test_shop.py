"""Looking at the market: the address keeps the filters, a click asks a provider, answers are noted."""

from __future__ import annotations

import asyncio

from tallystick_web.actions import MarketRead
from tallystick_web.app import NoAddress
from tallystick_web.chats.actions import AnswerStarted, Asked, ChatBegun, TurnMoved
from tallystick_web.main import start
from tallystick_web.shop.state import Filters, Sort, Standing
from tallystick_web.state import Market, MarketPhase, Sheet, State, TurnState, Usage
from tests.helper.world import Serving, World
from tests.web.flows.pages import SITE_TEXT, page_with
from tests.web.seats import WALLET, until
from tests.web.views.states import CHOICE

from .real import Town


async def test_filters_stand_in_the_address_and_come_back() -> None:
    page = page_with(WALLET)
    await start(page, SITE_TEXT)
    await page.app.idle()
    address = page.app.seats.address
    page.app.heard("input:shop-text", "llama")
    page.app.heard("shop-sort", "written")
    page.app.heard("shop-sort", "written")
    page.app.heard("shop-ready")
    assert address.read() == "market?text=llama&ready=1&turned=1&sort=written"

    again = page_with(WALLET)
    again.app.seats.address.write(address.read())
    await start(again, SITE_TEXT)
    assert again.app.state.shop.filters == Filters("llama", ready=True, sort=Sort.PRICE_OUT, turned=True)
    assert again.app.state.sheet is Sheet.MARKET, "a table that was open is open again"
    again.app.heard("close-sheet")
    assert again.app.seats.address.read() == ""
    await again.app.idle()


async def test_another_fragment_is_left_alone() -> None:
    page = page_with(WALLET)
    page.app.seats.address.write("elsewhere")
    await start(page, SITE_TEXT)
    await page.app.idle()
    assert page.app.state.sheet is None and page.app.seats.address.read() == "elsewhere"
    assert isinstance(page.app.seats.address, NoAddress)


async def test_a_provider_that_is_not_there_is_gone_and_counted() -> None:
    page = page_with(WALLET)
    await start(page, SITE_TEXT)
    page.app.dispatch(MarketRead(Market(MarketPhase.READ, (CHOICE,), 1)))
    page.app.heard("open-provider", CHOICE.id)
    state = await until(page.app, lambda state: CHOICE.provider in state.shop.sights)
    assert state.sheet is Sheet.PROVIDER and state.shop.shown == CHOICE.id
    assert state.shop.sights[CHOICE.provider].standing is Standing.FAILING  # no such entry on this chain
    page.app.heard("open-provider", "nobody")
    assert page.app.state.shop.shown == CHOICE.id


async def read(world: World) -> tuple[Town, State]:
    town = await asyncio.to_thread(Town, world)
    return town, await town.read()


async def test_a_click_asks_a_provider_how_it_is(world: World, provider: Serving) -> None:
    town, state = await read(world)
    assert not state.shop.sights, "nobody is asked before a click"
    town.app.heard("ask-shown")
    await town.app.idle()
    sight = town.state.shop.sights[provider.provider]
    assert (sight.standing, sight.asked, sight.answered) == (Standing.READY, 1, 1)
    assert sight.slots > 0 and sight.max_input > 0 and sight.round_ms is not None
    assert not town.state.shop.asking

    town.host.gone = True
    town.app.heard("ask-provider", provider.provider.hex())
    await town.app.idle()
    sight = town.state.shop.sights[provider.provider]
    assert (sight.standing, sight.asked, sight.answered) == (Standing.JOINING, 2, 1), "it registered just now"
    await town.call("evm_increaseTime", 7200)

    await town.reload()
    await town.app.idle()
    town.app.heard("connect")
    await town.app.idle()
    town.app.heard("ask-provider", provider.provider.hex())
    await town.app.idle()
    assert town.state.shop.sights[provider.provider].asked == 3, "looks are remembered"


async def test_an_answer_is_noted_under_the_model_that_gave_it_whatever_chat_is_in_front() -> None:
    page = page_with(WALLET)
    await start(page, SITE_TEXT)
    app = page.app
    app.dispatch(ChatBegun("behind"))
    app.dispatch(Asked("How fast?"))
    asked = app.state.chats.chat.path[-1].id
    app.dispatch(AnswerStarted(asked, "Model-1B, here", "asked-for", "behind"))
    answer = app.state.chats.chat.path[-1].id
    app.dispatch(ChatBegun("in front"))
    usage = Usage(9, 30, 10**12, 380, 31.4, "stop")
    app.dispatch(TurnMoved(answer, TurnState.DONE, usage, "behind"))
    assert app.state.chats.front == "in front" and app.state.chosen is None
    assert list(app.state.shop.speeds) == ["asked-for"]
    await app.idle()


async def test_ones_own_answers_are_measured_and_kept(world: World, provider: Serving) -> None:
    town, state = await read(world)
    assert state.chosen is not None
    for intent, argument in (("open-deposit", ""), ("input:amount", "0.5"), ("deposit", "")):
        town.app.heard(intent, argument)
    await until(town.app, lambda state: state.deposit.usable)
    town.app.heard("ask", "How fast?")
    await until(town.app, lambda state: state.running and len(state.turns[-1].text) > 400)
    town.app.heard("stop")
    state = await until(town.app, lambda state: bool(state.shop.speeds))
    speed = state.shop.speeds[state.chosen.id]
    assert speed.samples == 1 and speed.first_ms is not None and speed.per_second > 0
    assert state.shop.sights[provider.provider].standing is Standing.READY
    await town.page.chat.hang_up()
    await town.app.idle()
    await town.reload()
    await until(town.app, lambda state: bool(state.shop.speeds))
    assert town.state.shop.speeds == {state.chosen.id: speed}
