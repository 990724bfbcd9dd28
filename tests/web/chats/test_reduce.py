"""The chats' reducer: total, a tree whatever happens, and true to what each action says."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick_web.chats import actions as a
from tallystick_web.chats.model import Attached, Card, Chat, Chats, Setup, Turn, TurnState, Usage
from tallystick_web.chats.reduce import RULES, reduce_chats

OLD = (Turn(1, "user", "before", TurnState.SENT), Turn(2, "assistant", "b", TurnState.DONE, parent=1))
OTHER = Chat("c2", turns=OLD)
ACTIONS = [
    a.ChatsStarted(3, "c1"),
    a.ChatsListed((Card("c2", "before", changed=5),)),
    a.ChatLoaded(OTHER),
    a.ChatLoaded(OTHER, adopt=True),
    a.ChatChangedElsewhere(dataclasses.replace(OTHER, title="x")),
    a.ChatBegun("c3"),
    a.ChatFronted("c1"),
    a.ChatForked("c4", 2, 9),
    a.ChatRenamed("c1", " A  title "),
    a.ChatPinned("c2", True),
    a.ChatDropped("c2", "c5", 7),
    a.ChatBack("c2"),
    a.ChatGone("c4"),
    a.SetupChanged(Setup("Be brief.")),
    a.Asked("why", (Attached("a.txt", "text"),), now=4),
    a.Asked("how", parent=0),
    a.TurnMoved(1, TurnState.SENT),
    a.TurnMoved(2, TurnState.FAILED),
    a.AnswerStarted(1, "model"),
    a.AnswerGrew(2, "because", Usage(1, 2, 3)),
    a.Retried(),
    a.Regenerated(2, "m"),
    a.Resumed(2),
    a.Sibling(1),
    a.Revealed(2),
    a.Unasked(1),
]


def after(*actions: object, start: Chats | None = None) -> Chats:
    chats = start or Chats()
    for action in actions:
        chats = reduce_chats(chats, action)
    return chats


def shown(chats: Chats) -> list[str]:
    return [turn.text for turn in chats.chat.path]


ANSWERED = after(a.Asked("q"), a.AnswerStarted(1, "m"), a.AnswerGrew(2, "first"), a.TurnMoved(2, TurnState.DONE))


def test_every_action_has_a_rule_and_is_tried_here() -> None:
    made = {kind for kind in vars(a).values() if dataclasses.is_dataclass(kind) and kind.__module__ == a.__name__}
    assert made == set(RULES) == {type(action) for action in ACTIONS}


@given(st.lists(st.sampled_from(ACTIONS), max_size=25))
def test_whatever_happens_every_chat_stays_a_tree(actions: list[object]) -> None:
    chats = after(*actions)
    assert chats.front in {chat.id for chat in chats.held}
    assert len({chat.id for chat in chats.held}) == len(chats.held)
    assert len({card.id for card in chats.cards}) == len(chats.cards)
    for chat in chats.held:
        ids = [turn.id for turn in chat.turns]
        assert len(ids) == len(set(ids))
        assert all(turn.parent in {0, *ids} and turn.parent != turn.id for turn in chat.turns)
        for above, turn in zip((None, *chat.path), chat.path, strict=False):
            assert turn.parent == (above.id if above else 0)


@given(st.lists(st.sampled_from(ACTIONS), max_size=25))
def test_what_is_remembered_of_a_growing_answer_is_what_would_be_worked_out(actions: list[object]) -> None:
    for chat in after(*actions).held:
        fresh = dataclasses.replace(chat)
        for name in ("path", "children", "places", "waiting", "streaming"):
            assert getattr(chat, name) == getattr(fresh, name), name


def test_a_question_waits_and_an_answer_follows_it() -> None:
    chats = after(a.Asked(" one "), a.AnswerStarted(1, "m"), a.Asked("two"))
    assert [(turn.role, turn.text, turn.state) for turn in chats.chat.path] == [
        ("user", "one", TurnState.SENT),
        ("assistant", "", TurnState.STREAMING),
        ("user", "two", TurnState.WAITING),
    ]
    assert chats.chat.waiting == (3,)


def test_an_empty_question_is_none_unless_a_file_goes_along() -> None:
    assert after(a.Asked("  ")).chat.turns == ()
    assert len(after(a.Asked("", (Attached("a", "b"),))).chat.turns) == 1


def test_an_answer_grows_and_ends() -> None:
    chats = after(a.Asked("q"), a.AnswerStarted(1, "m"))
    assert chats.chat.streaming
    chats = after(a.AnswerGrew(2, "a"), a.AnswerGrew(2, "b", Usage(1, 2, 3)), start=chats)
    chats = after(a.TurnMoved(2, TurnState.DONE), start=chats)
    assert shown(chats) == ["q", "ab"] and chats.chat.path[1].usage == Usage(1, 2, 3)
    assert not chats.chat.streaming


def test_an_edited_question_is_a_branch_and_both_can_be_shown() -> None:
    chats = after(a.Asked("other", parent=0), a.AnswerStarted(3, "m"), a.AnswerGrew(4, "second"), start=ANSWERED)
    assert shown(chats) == ["other", "second"]
    assert chats.chat.siblings(chats.chat.path[0]) == (1, 3)
    assert shown(after(a.Sibling(1), start=chats)) == ["q", "first"]


def test_one_more_answer_waits_beside_the_first_and_knows_who_was_wanted() -> None:
    chats = after(a.Regenerated(2, "p/m"), start=ANSWERED)
    again = chats.chat.path[-1]
    assert (again.state, again.model, again.parent) == (TurnState.WAITING, "p/m", 1)
    chats = after(a.AnswerStarted(again.id, "m2", "p/m"), a.AnswerGrew(again.id, "second"), start=chats)
    assert shown(chats) == ["q", "second"]
    assert shown(after(a.Sibling(2), start=chats)) == ["q", "first"]


def test_what_is_hidden_on_another_branch_is_revealed() -> None:
    chats = after(a.Asked("more"), a.AnswerStarted(3, "m"), a.AnswerGrew(4, "deep"), start=ANSWERED)
    chats = after(a.TurnMoved(4, TurnState.DONE), a.Asked("other", parent=0), start=chats)
    assert shown(chats) == ["other"]
    assert shown(after(a.Revealed(4), start=chats)) == ["q", "first", "more", "deep"]


def test_a_fork_has_what_was_shown_up_to_there_and_nothing_runs_in_it() -> None:
    chats = after(a.Asked("more"), a.AnswerStarted(3, "m"), start=ANSWERED)
    forked = after(a.ChatForked("new", 4, 8), start=chats)
    assert forked.front == "new" and shown(forked) == ["q", "first", "more", ""]
    assert not forked.chat.streaming and forked.chat.path[-1].state is TurnState.FAILED
    assert forked.get("") is not None and forked.get("").streaming  # type: ignore[union-attr]


def test_retrying_an_empty_answer_waits_in_its_old_place() -> None:
    chats = after(a.Asked("q"), a.AnswerStarted(1, "m"), a.TurnMoved(2, TurnState.FAILED), a.Retried())
    assert [(turn.id, turn.state) for turn in chats.chat.path] == [(1, TurnState.SENT), (2, TurnState.WAITING)]


def test_retrying_a_partial_answer_keeps_it_beside_the_new_one() -> None:
    failed = after(a.Asked("q"), a.AnswerStarted(1, "m"), a.AnswerGrew(2, "half"), a.TurnMoved(2, TurnState.FAILED))
    chats = after(a.Retried(), start=failed)
    assert shown(chats) == ["q", ""] and chats.chat.siblings(chats.chat.path[1]) == (2, 3)


@pytest.mark.parametrize("state", [TurnState.DONE, TurnState.STOPPED, TurnState.STREAMING])
def test_what_did_not_fail_is_not_retried(state: TurnState) -> None:
    before = after(a.Asked("q"), a.AnswerStarted(1, "m"), a.TurnMoved(2, state))
    assert after(a.Retried(), start=before) is before


def test_what_was_kept_comes_before_what_was_typed_meanwhile() -> None:
    chats = after(a.ChatsStarted(7, "fresh"), a.Asked("new"), a.ChatLoaded(OTHER, adopt=True))
    assert chats.front == "c2" and shown(chats) == ["before", "b", "new"]
    assert [chat.id for chat in chats.held] == ["c2"]


def test_a_chat_that_streams_stays_in_memory_behind_others() -> None:
    chats = after(a.Asked("q"), a.AnswerStarted(1, "m"), *(a.ChatBegun(f"n{n}") for n in range(40)))
    assert chats.get("") is not None
    grown = after(a.AnswerGrew(2, "on", chat=""), start=chats)
    assert grown.get("").path[-1].text == "on"  # type: ignore[union-attr]


def test_a_chat_is_not_deleted_under_a_running_answer() -> None:
    running = after(a.ChatsStarted(0, "c"), a.Asked("q"), a.AnswerStarted(1, "m"))
    assert after(a.ChatDropped("c", "d", 5), start=running) is running
    gone = after(a.TurnMoved(2, TurnState.DONE), a.ChatDropped("c", "d", 5), start=running)
    assert gone.front == "d" and gone.cards[0].deleted == 5
    assert after(a.ChatBack("c"), start=gone).cards[0].deleted == 0


def test_two_tabs_that_write_to_one_chat_give_two_branches() -> None:
    mine = after(a.ChatsStarted(1, "c"), a.Asked("q"))
    theirs = after(a.ChatsStarted(2, "c"), a.Asked("Q")).chat
    both = after(a.ChatChangedElsewhere(theirs), start=mine).chat
    assert sorted(turn.text for turn in both.turns) == ["Q", "q"] and len(both.children[0]) == 2


def test_a_name_is_the_beginning_of_the_first_question() -> None:
    long = "word " * 40
    assert after(a.Asked(long)).chat.name.endswith("word…") and len(after(a.Asked(long)).chat.name) < 64
    assert after(a.ChatsStarted(0, "c"), a.Asked("q"), a.ChatRenamed("c", " A  b ")).chat.name == "A b"
