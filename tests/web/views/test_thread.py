"""The conversation and the steps before it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick_web.chats.model import Chat, Chats
from tallystick_web.state import DepositPhase, Link, Turn, TurnState, Usage, Wallet, WalletPhase
from tallystick_web.tree import Element, Node, Prose, find, h, text_of
from tallystick_web.views.thread import thread
from tallystick_web.words import ENGLISH as T

from .states import ANSWER, CHOSEN, CONNECTED, OPEN, QUESTION, START, TALKING, saying


def steps(nodes: list[Node]) -> list[str | None]:
    return [step.attr("data-state") for step in find(h("div", nodes), class_="step")]


@pytest.mark.parametrize(
    ("state", "expected", "does"),
    [
        (START, ["now", "later", "later"], ["try-free", "connect"]),
        (CONNECTED, ["done", "now", "later"], ["open-market"]),
        (CHOSEN, ["done", "done", "now"], ["open-market", "open-deposit"]),
    ],
)
def test_the_steps_offer_what_is_next(state: object, expected: list[str], does: list[str]) -> None:
    nodes = thread(state, T)  # type: ignore[arg-type]
    assert steps(nodes) == expected
    assert [button.attr("data-do") for button in find(h("div", nodes), type="button")] == does


def test_without_a_wallet_it_says_so() -> None:
    assert "No wallet was found" in text_of(h("div", thread(replace(START, wallets=()), T)))


@pytest.mark.parametrize(
    ("phase", "says"), [(WalletPhase.CONNECTING, "Answer in your wallet"), (WalletPhase.SWITCHING, "switch to Testnet")]
)
def test_what_the_wallet_is_doing_is_said(phase: WalletPhase, says: str) -> None:
    assert says in text_of(h("div", thread(replace(START, wallet=Wallet(phase)), T)))


def test_with_a_deposit_and_no_question_it_is_ready() -> None:
    said = text_of(h("div", thread(OPEN, T)))
    assert "Ask away." in said and "10.0.0.7:8766" in said


def test_a_question_before_the_deposit_stays_under_the_steps() -> None:
    waiting = saying(CHOSEN, Turn(1, "user", "Early", TurnState.WAITING))
    nodes = thread(waiting, T)
    assert len(nodes) == 2
    assert "Goes out when there is a deposit" in text_of(nodes[1])


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (replace(OPEN, link=Link.CONNECTING), "Connecting to the provider"),
        (saying(OPEN, QUESTION, replace(ANSWER, state=TurnState.STREAMING)), "Goes out after this answer"),
        (replace(OPEN, link=Link.LOST), "Goes out when the provider can be reached"),
        (
            replace(
                OPEN,
                chats=Chats("c1", (Chat("c1"), Chat("c2", turns=(replace(ANSWER, state=TurnState.STREAMING),)))),
            ),
            "Goes out after the answer in another chat",
        ),
    ],
)
def test_why_a_question_waits(state: object, says: str) -> None:
    waiting = Turn(3, "user", "Next", TurnState.WAITING)
    front = saying(state, *state.turns, waiting)  # type: ignore[attr-defined,type-var]
    others = state.chats.held[1:]  # type: ignore[attr-defined]
    nodes = thread(replace(front, chats=Chats("c1", (*front.chats.held, *others))), T)
    assert says in text_of(h("div", nodes))


def test_an_answer_has_its_blocks_and_its_cost() -> None:
    _, messages = thread(TALKING, T)
    assert isinstance(messages, Element)
    answer = messages.children[1]
    assert isinstance(answer, Element)
    (prose,) = find(answer, class_="answer")
    assert prose.children == (Prose("Because.\n\n", "block-0"), Prose("So.", "block-1"))
    (cost,) = [node for node in answer.children if isinstance(node, Element) and node.tag == "footer"]
    took = "0.000001 ETH question 9 tokens, answer 30 first word after 0.4 s 31 tokens/s"
    assert text_of(cost) == f"{took} Model-1B, here"


@pytest.mark.parametrize(
    ("state", "finish", "says"),
    [
        (TurnState.STOPPED, "cancelled", "Stopped by you"),
        (TurnState.FAILED, "", "Broken off"),
        (TurnState.DONE, "length", "Longest answer reached"),
        (TurnState.DONE, "deposit", "Deposit used up"),
        (TurnState.DONE, "interrupted", "Interrupted"),
    ],
)
def test_how_an_answer_ended_is_said(state: TurnState, finish: str, says: str) -> None:
    turn = replace(ANSWER, state=state, usage=Usage(1, 2, 3, None, 0.0, finish))
    assert says in text_of(h("div", thread(saying(OPEN, QUESTION, turn), T)))


def test_before_the_first_word_there_is_a_sign_of_life_and_no_cost() -> None:
    turn = Turn(2, "assistant", "", TurnState.STREAMING, "m")
    tree = h("div", thread(saying(OPEN, QUESTION, turn), T))
    assert "Waiting for the first word" in text_of(tree)
    assert find(tree, class_="cost figure") == []


def test_an_open_fence_is_plain_text() -> None:
    turn = Turn(2, "assistant", "See:\n\n```python\na = '<b>'", TurnState.STREAMING, "m")
    tree = h("div", thread(saying(OPEN, QUESTION, turn), T))
    (answer,) = find(tree, class_="answer")
    prose, figure = answer.children
    assert prose == Prose("See:\n\n", "block-0") and isinstance(figure, Element)
    assert figure.children[1] == h("pre", h("code", "a = '<b>'")) and text_of(figure.children[0]) == "python"


def test_a_block_that_is_no_prose_any_more_is_shown_as_it_is_and_in_pieces() -> None:
    turn = Turn(2, "assistant", "x" * 30_000 + "\u202e", TurnState.DONE, "m")
    (answer,) = find(h("div", thread(saying(OPEN, QUESTION, turn), T)), class_="answer")
    (plain,) = answer.children
    assert isinstance(plain, Element) and len(plain.children) == 8
    assert text_of(plain).endswith("⟨U+202E⟩")


def test_after_the_end_the_conversation_stays() -> None:
    ended = replace(TALKING, deposit=replace(TALKING.deposit, phase=DepositPhase.ENDED))
    assert "Because." in text_of(h("div", thread(ended, T)))
