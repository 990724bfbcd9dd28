"""Notices: one sentence, a next step, and a button for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick_shared.errors import Code
from tallystick_web.state import DepositPhase, Notice
from tallystick_web.tree import find, h, text_of
from tallystick_web.views.notices import notices
from tallystick_web.words import ENGLISH as T

from .states import CHOSEN, OPEN, with_deposit


def test_mostly_there_is_none() -> None:
    assert notices(OPEN, T) == []


@pytest.mark.parametrize("code", list(Code), ids=lambda code: code.name.lower())
def test_every_code_can_be_shown_and_dismissed(code: Code) -> None:
    values = (("chain", "Testnet"), ("minimum", "1 ETH"))
    tree = h("div", notices(replace(OPEN, notice=Notice(code.name.lower(), values)), T))
    says, step = T.error(code.name.lower(), **dict(values))
    assert says in text_of(tree) and step in text_of(tree)
    assert find(tree, data_do="dismiss")


def test_a_refusal_is_quiet() -> None:
    (shown,) = notices(replace(OPEN, notice=Notice("refused", quiet=True)), T)
    assert find(shown, data_kind="quiet")


def test_a_provider_that_is_gone_can_be_left_only_by_taking_the_deposit_back() -> None:
    tree = h("div", notices(replace(OPEN, notice=Notice("provider_gone")), T))
    assert [button.attr("data-do") for button in find(tree, type="button")] == [
        "retry",
        "open-close",
        "dismiss",
    ]
    tree = h("div", notices(replace(CHOSEN, notice=Notice("provider_gone")), T))
    assert find(tree, data_do="open-market")


def test_a_choice_that_needs_the_deposit_closed_leads_there() -> None:
    said = Notice("deposit_first", (("delay", "15 minutes"), ("provider", "10.0.0.7:8766")), quiet=True)
    tree = h("div", notices(replace(OPEN, notice=said), T))
    assert "Your deposit is with 10.0.0.7:8766. Close it first." in text_of(tree)
    (close,) = find(tree, data_do="open-close")
    assert text_of(close) == "Close and refund"
    back = Notice("deposit_back_first", (("provider", "10.0.0.7:8766"), ("time", "00:14")), quiet=True)
    tree = h("div", notices(replace(with_deposit(DepositPhase.REQUESTED), notice=back), T))
    assert "From 00:14 on" in text_of(tree) and find(tree, data_do="open-close")


def test_no_deposit_is_offered_back_where_there_is_none() -> None:
    tree = h("div", notices(replace(CHOSEN, notice=Notice("provider_gone")), T))
    assert find(tree, data_do="open-close") == []


def test_a_lost_deposit_can_be_sent_again_or_given_up() -> None:
    """Nobody has to look again: it is followed all the time."""
    name = "transaction_dropped"
    tree = h("div", notices(replace(with_deposit(DepositPhase.SENT), notice=Notice(name)), T))
    steps = [button.attr("data-do") for button in find(tree, type="button")]
    assert steps == ["resend-deposit", "give-up-deposit", "dismiss"]
    # An open one is not given up by a click.
    tree = h("div", notices(replace(OPEN, notice=Notice(name)), T))
    assert [button.attr("data-do") for button in find(tree, type="button")] == ["dismiss"]
