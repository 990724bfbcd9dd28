"""The reducer: pure, total, and true to what each action says."""

from __future__ import annotations

import dataclasses

import pytest
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
    Turn,
    TurnState,
    Usage,
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
    a.Asked("why"),
    a.TurnMoved(1, TurnState.SENT),
    a.TurnMoved(2, TurnState.FAILED),
    a.AnswerStarted(1, "model"),
    a.AnswerGrew(2, "because", Usage(1, 2, 3)),
    a.Retried(),
    a.ChatLoaded((Turn(1, "user", "before", TurnState.SENT),)),
    a.SheetOpened(Sheet.MARKET),
    a.SheetClosed(),
    a.Noticed(Notice("busy")),
    a.NoticeCleared(),
    a.ChatCleared(),
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
    ids = [turn.id for turn in state.turns]
    assert len(ids) == len(set(ids))
    assert all(turn.role in ("user", "assistant") for turn in state.turns)
    assert state.deposit.rest >= 0


def test_a_question_waits_and_an_answer_follows_it() -> None:
    state = after(a.Asked(" one "), a.Asked("two"), a.AnswerStarted(1, "m"))
    assert [(turn.role, turn.text, turn.state) for turn in state.turns] == [
        ("user", "one", TurnState.SENT),
        ("assistant", "", TurnState.STREAMING),
        ("user", "two", TurnState.WAITING),
    ]
    assert [turn.text for turn in state.queue] == ["two"]


def test_an_empty_question_is_none() -> None:
    assert after(a.Asked("  ")).turns == ()


def test_an_answer_grows_and_ends() -> None:
    state = after(a.Asked("q"), a.AnswerStarted(1, "m"))
    assert state.running
    state = after(a.AnswerGrew(2, "a"), a.AnswerGrew(2, "b", Usage(1, 2, 3)), start=state)
    state = after(a.TurnMoved(2, TurnState.DONE), start=state)
    assert state.turns[1].text == "ab"
    assert state.turns[1].usage == Usage(1, 2, 3)
    assert not state.running


def test_retrying_an_empty_answer_asks_in_its_old_place() -> None:
    state = after(a.Asked("q"), a.AnswerStarted(1, "m"), a.TurnMoved(2, TurnState.FAILED), a.Retried())
    assert [(turn.text, turn.state) for turn in state.turns] == [("q", TurnState.WAITING)]


def test_retrying_a_partial_answer_keeps_it_and_asks_anew() -> None:
    state = after(
        a.Asked("q"), a.AnswerStarted(1, "m"), a.AnswerGrew(2, "half"), a.TurnMoved(2, TurnState.FAILED), a.Retried()
    )
    assert [turn.text for turn in state.turns] == ["q", "half", "q"]


@pytest.mark.parametrize("state", [TurnState.DONE, TurnState.STOPPED, TurnState.STREAMING])
def test_what_did_not_fail_is_not_retried(state: TurnState) -> None:
    before = after(a.Asked("q"), a.AnswerStarted(1, "m"), a.TurnMoved(2, state))
    assert after(a.Retried(), start=before) is before


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


def test_what_was_kept_comes_before_what_was_typed_meanwhile() -> None:
    kept = (Turn(1, "user", "old", TurnState.SENT), Turn(2, "assistant", "answer", TurnState.DONE))
    state = after(a.Asked("new"), a.ChatLoaded(kept))
    assert [(turn.id, turn.text) for turn in state.turns] == [(1, "old"), (2, "answer"), (3, "new")]


def test_a_chat_is_not_cleared_under_a_running_answer() -> None:
    running = after(a.Asked("q"), a.AnswerStarted(1, "m"))
    assert after(a.ChatCleared(), start=running) is running
    assert after(a.TurnMoved(2, TurnState.DONE), a.ChatCleared(), start=running).turns == ()


def test_opening_a_sheet_clears_the_notice() -> None:
    state = after(a.Noticed(Notice("busy")), a.SheetOpened(Sheet.CLOSE))
    assert (state.sheet, state.notice) == (Sheet.CLOSE, None)
