"""A message: its branches, what can be done with it, and that nothing above a growing answer is made again."""

from __future__ import annotations

from dataclasses import replace

from tallystick_web.chats.actions import AnswerGrew, Asked, Regenerated
from tallystick_web.chats.model import Attached
from tallystick_web.reduce import reduce
from tallystick_web.state import State, Turn, TurnState, Usage
from tallystick_web.tree import Element, find, h, text_of
from tallystick_web.views.message import messages
from tallystick_web.words import ENGLISH as T

from .states import ANSWER, CHOICE, OPEN, QUESTION, TALKING, saying


def tree(state: State) -> Element:
    return h("div", messages(state, T))


def does(state: State) -> list[str | None]:
    return [one.attr("data-do") for one in find(tree(state), type="button")]


def test_what_can_be_done_with_a_question_and_an_answer() -> None:
    assert does(TALKING) == ["copy-turn", "edit-turn", "copy-turn", "regenerate", "turn-menu", "fork-chat"]


def test_an_answer_that_ended_early_can_go_on_where_it_is_the_last() -> None:
    short = replace(ANSWER, state=TurnState.STOPPED)
    assert "continue" in does(saying(OPEN, QUESTION, short))
    assert "continue" not in does(saying(OPEN, QUESTION, short, Turn(3, "user", "next", TurnState.SENT)))
    long = replace(ANSWER, usage=Usage(1, 2, 3, None, 0.0, "length"))
    assert "continue" in does(saying(OPEN, QUESTION, long))


def test_branches_show_which_of_how_many() -> None:
    state = reduce(TALKING, Regenerated(2))
    (shown,) = find(tree(state), class_="branches")
    assert "2/2" in text_of(shown)
    before, after = find(shown, type="button")
    assert (before.attr("data-arg"), after.attr("disabled")) == ("2", "")


def test_the_menu_offers_models_and_greys_those_of_others() -> None:
    other = replace(CHOICE, provider=b"\x77" * 20, model="Other")
    market = replace(TALKING.market, choices=(CHOICE, other))
    state = replace(TALKING, market=market, desk=replace(TALKING.desk, menu="turn:2"))
    mine, theirs = find(tree(state), role="menuitem")
    assert mine.attr("data-arg") == f"2 {CHOICE.id}" and mine.attr("aria-disabled") is None
    assert theirs.attr("aria-disabled") == "true" and "deposit of its own" in text_of(theirs)


def test_a_question_is_edited_in_its_place() -> None:
    editing = tree(replace(TALKING, desk=replace(TALKING.desk, editing=1)))
    (field,) = find(editing, id="edit")
    assert field.attr("value") == "Why?" and len(find(editing, data_submit="edit")) == 1


def test_files_are_named_with_their_size_and_what_was_not_sent_says_so() -> None:
    turn = replace(QUESTION, files=(Attached("a.txt", "x" * 400),), state=TurnState.FAILED)
    said = text_of(tree(saying(OPEN, turn)))
    assert "a.txt" in said and "≈ 100 tokens" in said and "Not sent" in said
    assert "retry" in does(saying(OPEN, turn))


def test_what_a_model_thought_is_folded_away_and_not_the_answer() -> None:
    turn = replace(ANSWER, thought="Hm, let me \u202esee.")
    shown = tree(saying(OPEN, QUESTION, turn))
    (folded,) = find(shown, class_="thought")
    assert text_of(folded) == "What it thought Hm, let me ⟨U+202E⟩see." and folded.attr("open") is None
    thinking = replace(ANSWER, text="", state=TurnState.STREAMING, thought="Hm")
    assert "Thinking Hm" in text_of(tree(saying(OPEN, QUESTION, thinking)))


def test_nothing_above_a_growing_answer_is_made_again() -> None:
    state = reduce(TALKING, Asked("more"))
    state = saying(state, *state.turns, Turn(4, "assistant", "a", TurnState.STREAMING))
    before = messages(state, T)
    after = messages(reduce(state, AnswerGrew(4, "b")), T)
    assert all(one is other for one, other in zip(before[:-1], after[:-1], strict=True))
    assert text_of(after[-1]) != text_of(before[-1])
