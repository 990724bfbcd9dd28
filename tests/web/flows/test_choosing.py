"""Choosing another provider while a deposit is with one: what has to be done first is said, and nothing is changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick_web.actions import Chosen, DepositLoaded, MarketRead
from tallystick_web.state import DepositPhase, Market, MarketPhase
from tests.web.seats import WALLET
from tests.web.views.states import CHOICE, DEPOSIT

from .pages import page_with

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
