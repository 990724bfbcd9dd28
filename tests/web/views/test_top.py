"""Header, banner and the line under the question box."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick_web.state import DepositPhase, Link, State, Wallet, WalletPhase
from tallystick_web.tree import find, text_of
from tallystick_web.views.top import banner, provider, status, wallet
from tallystick_web.words import ENGLISH as T

from .states import ANSWER, CHOSEN, CONNECTED, OPEN, QUESTION, START, TALKING, saying, with_deposit


def test_the_banner_is_the_demos_alone() -> None:
    assert START.site is not None
    assert banner(START, T) == []
    assert "worth nothing" in str(banner(replace(START, site=replace(START.site, demo=True)), T)[0])


def test_the_provider_is_shown_once_it_is_chosen() -> None:
    assert provider(CONNECTED, T) == []
    (chip,) = provider(OPEN, T)
    assert "Model-1B" in text_of(chip)
    assert find(chip, class_="dot", data_state="ready")


@pytest.mark.parametrize(("link", "dot"), [(Link.IDLE, "idle"), (Link.CONNECTING, "busy"), (Link.LOST, "gone")])
def test_the_dot_says_how_the_connection_is(link: Link, dot: str) -> None:
    (chip,) = provider(replace(OPEN, link=link), T)
    assert find(chip, class_="dot", data_state=dot)


def test_the_wallet_button() -> None:
    (offer,) = wallet(START, T)
    assert find(offer, data_do="connect")
    (waiting,) = wallet(replace(START, wallet=Wallet(WalletPhase.CONNECTING)), T)
    assert find(waiting, disabled="")
    (account,) = wallet(CONNECTED, T)
    assert find(account, data_do="open-money") and "0xaaaa…aaaa" in text_of(account)


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (State(), "Starting. You can type already."),
        (START, "waits for a wallet and a deposit"),
        (CHOSEN, "goes out when there is a deposit"),
        (OPEN, "Encrypted to 10.0.0.7:8766"),
        (replace(OPEN, link=Link.CONNECTING), "Connecting"),
        (replace(OPEN, link=Link.LOST), "Not connected"),
        (saying(TALKING, QUESTION, replace(ANSWER, state=ANSWER.state.STREAMING)), "Answering"),
        (
            saying(replace(TALKING, link=Link.CONNECTING), QUESTION, replace(ANSWER, state=ANSWER.state.STREAMING)),
            "connecting again",
        ),
        (with_deposit(DepositPhase.CLOSING), "Closing"),
        (with_deposit(DepositPhase.REQUESTED), "on its way back"),
        (with_deposit(DepositPhase.ENDED), "The deposit is closed"),
    ],
)
def test_the_line_says_what_happens_to_the_next_question(state: State, says: str) -> None:
    assert says in status(state, T)
