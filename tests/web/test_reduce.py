"""The reducer: pure, total, and true to what each action says."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from tallystick_web import actions as a
from tallystick_web.reduce import RULES, reduce
from tallystick_web.state import (
    Choice,
    Deposit,
    DepositPhase,
    Found,
    FoundPhase,
    Link,
    Market,
    Notice,
    Sheet,
    State,
    WalletPhase,
)

from .seats import SITE, WALLET

PROVIDER = b"\x07" * 20
CHOICE = Choice(PROVIDER, "ws://here:1", "model", 1, 2)
OTHER = Choice(b"\x08" * 20, "ws://there:1", "model", 1, 2)
BAD = Choice(b"\x09" * 20, fault="bad_profile")

ACTIONS = [
    a.Booted(SITE, 5.0, 60),
    a.Ticked(9.0),
    a.NetworkMoved(True),
    a.WalletsFound((WALLET,)),
    a.WalletMoved(WalletPhase.CONNECTING, WALLET),
    a.WalletMoved(WalletPhase.CONNECTED, WALLET, b"\xaa" * 20),
    a.WalletMoved(WalletPhase.NONE),
    a.BalanceRead(7),
    a.MarketReading(),
    a.MarketRead(Market(choices=(CHOICE, BAD))),
    a.Chosen(CHOICE),
    a.AmountTyped("1"),
    a.DepositLoaded(Deposit(DepositPhase.OPEN, b"\x01" * 32, PROVIDER, 100)),
    a.DepositMoved(DepositPhase.ENDED, {"paid": 5}),
    a.FoundDeposits((Found(b"\x02" * 32, 5, 9, 900),)),
    a.FoundMoved(Found(b"\x02" * 32, 5, 9, 900, phase=FoundPhase.READY)),
    a.Counted(owed=3, durable=2, notches=1),
    a.Linked(Link.READY),
    a.Spoken("de"),
    a.Coloured("dark"),
    a.SheetOpened(Sheet.MARKET),
    a.SheetClosed(),
    a.Noticed(Notice("busy")),
    a.NoticeCleared(),
]


def after(*actions: object, start: State | None = None) -> State:
    state = start or State()
    for action in actions:
        state = reduce(state, action)
    return state


def test_every_action_has_a_rule_and_is_tried_here() -> None:
    made = {kind for kind in vars(a).values() if dataclasses.is_dataclass(kind) and kind.__module__ == a.__name__}
    own = {kind for kind in RULES if kind.__module__ == a.__name__}
    assert made == own == {type(action) for action in ACTIONS}


@given(st.lists(st.sampled_from(ACTIONS), max_size=25))
def test_every_action_is_accepted_in_every_state(actions: list[object]) -> None:
    state = after(*actions)
    assert state.deposit.rest >= 0


def test_disconnecting_forgets_market_and_choice_but_not_the_deposit() -> None:
    deposit = Deposit(DepositPhase.OPEN, b"\x01" * 32, PROVIDER, 100)
    state = after(a.DepositLoaded(deposit), a.MarketRead(Market(choices=(CHOICE,))), a.WalletMoved(WalletPhase.NONE))
    assert (state.market, state.chosen, state.deposit) == (Market(), None, deposit)


def test_a_deposits_provider_is_chosen_when_the_market_is_read() -> None:
    deposit = Deposit(DepositPhase.OPEN, b"\x01" * 32, PROVIDER, 100)
    assert after(a.DepositLoaded(deposit), a.MarketRead(Market(choices=(BAD, OTHER, CHOICE)))).chosen == CHOICE
    assert after(a.MarketRead(Market(choices=(BAD, OTHER, CHOICE)))).chosen is None


def test_a_choice_is_renewed_by_reading_again() -> None:
    dearer = dataclasses.replace(CHOICE, price_out=9)
    assert after(a.Chosen(CHOICE), a.MarketRead(Market(choices=(dearer,)))).chosen == dearer


def test_counts_move_alone() -> None:
    state = after(a.Counted(owed=5), a.Counted(durable=3), a.Counted(notches=1))
    assert (state.deposit.owed, state.deposit.durable, state.deposit.notches) == (5, 3, 1)


def test_opening_a_sheet_clears_the_notice() -> None:
    state = after(a.Noticed(Notice("busy")), a.SheetOpened(Sheet.CLOSE))
    assert (state.sheet, state.notice) == (Sheet.CLOSE, None)
