"""What a model is given, and how much that about is."""

from __future__ import annotations

from dataclasses import replace

from tallystick_web.chats.model import Attached, Chat, Setup, Turn, TurnState, Usage
from tallystick_web.chats.prompt import MOST_UNITS, conversation, estimate, most_units, said, tokens

QUESTION = Turn(1, "user", "one", TurnState.SENT)
ANSWER = Turn(2, "assistant", "two", TurnState.DONE, "m", Usage(100, 50, 7), 1)
OTHER = Turn(3, "assistant", "other", TurnState.DONE, "m", Usage(100, 70, 7), 1)
NEXT = Turn(4, "user", "three", TurnState.WAITING, parent=2)
CHAT = Chat("c", setup=Setup("Be brief."), turns=(QUESTION, ANSWER, OTHER, NEXT))


def test_only_the_way_to_the_question_is_given_after_the_system_prompt() -> None:
    assert conversation(CHAT, NEXT) == [
        ("system", "Be brief."),
        ("user", "one"),
        ("assistant", "two"),
        ("user", "three"),
    ]
    assert conversation(replace(CHAT, setup=Setup()), QUESTION) == [("user", "one")]


def test_files_stand_before_the_words_in_a_fence_that_nothing_in_them_closes() -> None:
    turn = replace(QUESTION, files=(Attached("a.md", "```\nx\n```\n"),))
    assert said(turn) == "a.md:\n````\n```\nx\n```\n````\n\none"


def test_an_estimate_goes_by_what_the_last_answer_was_counted_at() -> None:
    counted = replace(CHAT, turns=CHAT.turns[:2])
    guess = estimate(counted, "four")
    assert (guess.read, guess.usual, guess.most) == (100 + 50 + 1 + 4, 50, MOST_UNITS)
    assert guess.amount(10**6, 2 * 10**6) == 155 + 100
    assert guess.amount(10**6, 2 * 10**6, most=True) == 155 + 2 * MOST_UNITS


def test_without_an_answer_it_goes_by_the_letters() -> None:
    fresh = Chat("c", setup=Setup("x" * 40))
    assert estimate(fresh, "y" * 40, (Attached("f", "z" * 400),)).read > 120
    assert tokens("日本語") == 3 and tokens("") == 0


def test_an_answer_is_no_longer_than_the_chat_and_the_model_allow() -> None:
    assert most_units(CHAT, 0) == MOST_UNITS
    assert most_units(replace(CHAT, setup=Setup(most=9000)), 512) == 512
    assert most_units(replace(CHAT, setup=Setup(most=90)), 512) == 90
