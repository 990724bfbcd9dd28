"""Choosing another provider while a deposit is with one: what has to be done first is said, and nothing is changed."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tallystick_web.actions import Chosen, DepositLoaded, MarketRead
from tallystick_web.shop.actions import Seen
from tallystick_web.shop.state import Sight, Standing
from tallystick_web.state import DepositPhase, Market, MarketPhase
from tests.helper.world import Serving, World
from tests.web.seats import WALLET, until
from tests.web.views.states import CHOICE, DEPOSIT

from .pages import page_with
from .real import Town

OTHER = replace(CHOICE, provider=b"\x77" * 20, endpoint="ws://10.0.0.8:8766")


@pytest.mark.parametrize(
    ("phase", "says"),
    [
        (DepositPhase.OPEN, "deposit_first"),
        (DepositPhase.REQUESTED, "deposit_back_first"),
        (DepositPhase.CLOSING, "deposit_moving"),
    ],
)
async def test_a_deposit_is_closed_before_another_is_chosen(phase: DepositPhase, says: str) -> None:
    app = page_with(WALLET).app
    app.dispatch(MarketRead(Market(MarketPhase.READ, (CHOICE, OTHER))))
    app.dispatch(Chosen(CHOICE))
    app.dispatch(DepositLoaded(replace(DEPOSIT, phase=phase)))
    app.heard("choose", OTHER.id)
    await app.idle()
    notice = app.state.notice
    assert notice is not None and notice.name == says and notice.quiet
    assert dict(notice.values)["provider"] == "10.0.0.7:8766"
    assert app.state.chosen == CHOICE
    said = " ".join(app.words.error(notice.name, **dict(notice.values)))
    assert "{" not in said


async def test_without_a_deposit_anybody_can_be_chosen() -> None:
    app = page_with(WALLET).app
    app.dispatch(MarketRead(Market(MarketPhase.READ, (CHOICE, OTHER))))
    app.dispatch(DepositLoaded(replace(DEPOSIT, phase=DepositPhase.ENDED)))
    app.heard("choose", OTHER.id)
    await app.idle()
    assert app.state.chosen == OTHER and app.state.notice is None


async def test_one_that_was_seen_not_to_answer_is_not_preselected(world: World, provider: Serving) -> None:
    town = await asyncio.to_thread(Town, world)
    await town.open()
    await town.app.idle()
    town.app.dispatch(Seen(provider.provider, Sight(Standing.GONE, town.host.wall())))
    town.app.heard("connect")
    await town.app.idle()
    assert town.state.market.choices and town.state.chosen is None


async def test_no_money_goes_to_a_provider_that_does_not_answer(world: World, provider: Serving) -> None:
    town = await asyncio.to_thread(Town, world)
    await town.read()
    assert town.state.chosen is not None
    before = town.state.deposit
    town.host.gone = True
    town.app.heard("open-deposit")
    town.app.heard("input:amount", "0.5")
    town.app.heard("deposit")
    await until(town.app, lambda state: state.notice is not None)
    notice = town.state.notice
    assert notice is not None and notice.name == "provider_absent"
    assert "{" not in " ".join(town.app.words.error(notice.name, **dict(notice.values)))
    assert town.wallet.prompts == ["eth_requestAccounts"], "the wallet was not asked for money"
    assert town.state.deposit == before

    town.host.gone = False
    town.app.heard("open-deposit")
    town.app.heard("input:amount", "0.5")
    town.app.heard("deposit")
    await until(town.app, lambda state: state.deposit.usable)
