"""The dialogs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick_web.ports import WalletInfo
from tallystick_web.state import DepositPhase, Sheet, State
from tallystick_web.tree import Element, find, h, text_of
from tallystick_web.views.deposit import round_down
from tallystick_web.views.sheets import sheet
from tallystick_web.words import ENGLISH as T

from .states import CHOSEN, CONNECTED, NOW, OPEN, START, with_deposit


def shown(state: State, which: Sheet) -> Element:
    return h("div", sheet(replace(state, sheet=which), T))


def test_none_is_open_at_first() -> None:
    assert sheet(OPEN, T) == []


def test_every_sheet_has_a_title_and_a_way_out() -> None:
    for which in Sheet:
        tree = shown(OPEN, which)
        assert find(tree, id="sheet-title")
        assert find(tree, data_do="close-sheet")


def test_the_wallet_picker_names_each() -> None:
    wallets = (WalletInfo("a", "One", "data:image/svg+xml,x"), WalletInfo("b", "Two"))
    choices = find(shown(replace(START, wallets=wallets), Sheet.WALLETS), data_do="connect")
    assert [(choice.attr("data-arg"), text_of(choice)) for choice in choices] == [("a", "One"), ("b", "Two")]


def test_one_sentence_says_what_the_deposit_means() -> None:
    (promise,) = find(shown(CHOSEN, Sheet.DEPOSIT), class_="promise")
    said = text_of(promise)
    assert "0.5 ETH" in said and "10.0.0.7:8766" in said and "30 Nov 00:00" in said and "comes back" in said


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "Enter an amount"), ("0.001", "takes 0.01 ETH or more"), ("3", "Your wallet holds 2 ETH")],
)
def test_an_amount_that_will_not_do_says_why_and_cannot_be_sent(text: str, says: str) -> None:
    tree = shown(replace(CHOSEN, amount_text=text), Sheet.DEPOSIT)
    assert says in text_of(find(tree, class_="wrong")[0])
    assert find(tree, type="submit", disabled="")
    assert find(tree, class_="promise") == []


def test_while_the_wallet_asks_nothing_can_be_changed() -> None:
    state = replace(CHOSEN, deposit=replace(CHOSEN.deposit, phase=DepositPhase.SIGNING))
    tree = shown(state, Sheet.DEPOSIT)
    assert "Answer in your wallet" in text_of(tree)
    assert find(tree, id="amount", disabled="")
    assert find(tree, type="submit") == []


def test_what_the_first_question_pays_ahead_is_told_before() -> None:
    assert "ahead" not in text_of(shown(CHOSEN, Sheet.DEPOSIT))
    assert CHOSEN.chosen is not None
    costly = replace(CHOSEN, chosen=replace(CHOSEN.chosen, first=10**14))
    assert "0.0001 ETH ahead" in text_of(shown(costly, Sheet.DEPOSIT))


def test_a_hardly_used_deposit_shows_what_its_provider_gets_at_least() -> None:
    state = replace(OPEN, deposit=replace(OPEN.deposit, first=10**16))
    said = text_of(shown(state, Sheet.CLOSE))
    assert "0.01 ETH" in said and "0.99 ETH" in said


def test_a_deposit_without_a_provider_leads_to_the_market() -> None:
    assert find(shown(CONNECTED, Sheet.DEPOSIT), data_do="open-market")


@pytest.mark.parametrize(
    ("state", "says", "does"),
    [
        (OPEN, "0.995 ETH", "close-deposit"),
        (with_deposit(DepositPhase.OPEN, alone=True), "after 15 minutes one more to withdraw", "request-close"),
        (with_deposit(DepositPhase.REQUESTED, expiry=int(NOW) - 1), "you can withdraw 0.995 ETH", "withdraw"),
        (with_deposit(DepositPhase.ENDED, paid=10**15, refunded=5 * 10**17), "0.5 ETH came back", "open-deposit"),
        (with_deposit(DepositPhase.ENDED, alone=True, refunded=5 * 10**17), "Withdrawn.", "open-deposit"),
    ],
)
def test_closing_says_who_gets_what_and_what_is_next(state: State, says: str, does: str) -> None:
    tree = shown(state, Sheet.CLOSE)
    assert says in text_of(tree)
    assert find(tree, data_do=does)


def test_withdrawing_waits_for_its_time() -> None:
    tree = shown(with_deposit(DepositPhase.REQUESTED, expiry=int(NOW) + 840), Sheet.CLOSE)
    assert "From 00:14" in text_of(tree)
    assert find(tree, data_do="withdraw", disabled="")


@pytest.mark.parametrize("phase", [DepositPhase.CLOSING, DepositPhase.REQUESTING, DepositPhase.WITHDRAWING])
def test_what_takes_longer_shows_its_progress(phase: DepositPhase) -> None:
    assert find(shown(with_deposit(phase), Sheet.CLOSE), class_="working")


def test_about_is_two_digits() -> None:
    assert [round_down(number) for number in (0, 7, 99, 12_345, 75_999)] == [0, 7, 99, 12_000, 75_000]
