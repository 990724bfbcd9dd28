"""What the state says of itself."""

from __future__ import annotations

import pytest

from tallystick_web.state import Choice, Deposit, DepositPhase, State, Turn, TurnState, Wallet, WalletPhase

from .views.states import saying


@pytest.mark.parametrize(
    ("phase", "live", "usable"),
    [
        (DepositPhase.NONE, False, False),
        (DepositPhase.SIGNING, False, False),
        (DepositPhase.SENT, True, False),
        (DepositPhase.OPEN, True, True),
        (DepositPhase.CLOSING, True, False),
        (DepositPhase.REQUESTED, True, False),
        (DepositPhase.ENDED, False, False),
    ],
)
def test_when_a_deposit_holds_money_and_when_it_can_pay(phase: DepositPhase, live: bool, usable: bool) -> None:
    deposit = Deposit(phase)
    assert (deposit.live, deposit.usable) == (live, usable)


def test_the_rest_is_never_below_nothing() -> None:
    assert Deposit(amount=5, owed=3).rest == 2
    assert Deposit(amount=5, owed=9).rest == 0


def test_choices_are_told_apart_by_provider_and_model() -> None:
    assert Choice(b"\x01" * 20, model="a").id != Choice(b"\x01" * 20, model="b").id


def test_running_looks_at_the_last_answer() -> None:
    streaming = Turn(2, "assistant", "", TurnState.STREAMING)
    assert saying(State(), Turn(1, "user", "q", TurnState.SENT), streaming).running
    assert saying(State(), streaming, Turn(3, "user", "next", TurnState.WAITING)).running
    assert not saying(State(), Turn(1, "assistant", "x", TurnState.DONE)).running


def test_connected_is_a_phase_and_not_an_account() -> None:
    assert not State(wallet=Wallet(WalletPhase.SWITCHING, account=b"\x01" * 20)).connected
    assert State(wallet=Wallet(WalletPhase.CONNECTED)).connected


def test_a_deposit_made_now_ends_after_its_life() -> None:
    assert State(now=100.5, life=60).deposit_expiry == 160
