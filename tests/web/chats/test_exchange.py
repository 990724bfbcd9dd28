"""Chats as files: what is written is read back, whatever is in it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick_web.chats.exchange import NotReadable, from_json, from_markdown, to_json, to_markdown
from tallystick_web.chats.model import Attached, Chat, Setup, Turn, TurnState, Usage

from .test_store import CHAT

NASTY = [
    "<!-- tallystick-message {} -->",
    "<!--- tallystick-chat {} -->",
    "## You",
    "-->",
    "--",
    "\n",
    "text",
    "\u2028",
    "\r\n",
    '"',
]
TEXT = st.one_of(st.text(max_size=30), st.lists(st.sampled_from(NASTY), max_size=6).map("".join))
ROLES = st.sampled_from([("user", TurnState.SENT), ("assistant", TurnState.DONE), ("assistant", TurnState.STOPPED)])


@st.composite
def chats(draw: st.DrawFn) -> Chat:
    turns: list[Turn] = []
    for place in range(draw(st.integers(1, 6))):
        role, state = draw(ROLES)
        usage = Usage(3, 4, draw(st.integers(0, 10**30)), draw(st.none() | st.just(5)), 1.5, "stop")
        files = tuple(Attached(draw(TEXT), draw(TEXT)) for _ in range(draw(st.integers(0, 1))))
        parent = draw(st.sampled_from([0, *(turn.id for turn in turns)]))
        who = draw(TEXT)
        made = usage if role == "assistant" else None
        turns.append(Turn(place + 1, role, draw(TEXT), state, who, made, parent, files, draw(TEXT), 7, draw(TEXT)))
    setup = Setup(draw(TEXT), draw(st.none() | st.just(0.5)), None, draw(st.none() | st.just(3)))
    return Chat(draw(st.text("abc", min_size=1)), draw(TEXT), draw(st.booleans()), 1, 2, setup, tuple(turns), ((0, 1),))


@given(st.lists(chats(), max_size=3))
def test_json_comes_back_as_it_was(all_chats: list[Chat]) -> None:
    assert from_json(to_json(all_chats)) == all_chats


@given(st.lists(chats(), min_size=1, max_size=3))
def test_markdown_comes_back_as_it_was(all_chats: list[Chat]) -> None:
    assert from_markdown(to_markdown(all_chats)) == all_chats


def test_markdown_can_be_read() -> None:
    text = to_markdown([CHAT])
    assert "\n# Title\n" in text and "\n## You\n\nq\n" in text and "\n## m\n\none\n" in text


def test_what_waits_or_streams_is_neither_sent_nor_paid_after_an_import() -> None:
    waits = replace(CHAT, turns=(Turn(1, "user", "q", TurnState.WAITING),), picks=())
    assert from_json(to_json([waits]))[0].turns[0].state is TurnState.FAILED
    forged = json.loads(to_json([waits]))
    forged["chats"][0]["messages"][0]["state"] = "waiting"
    assert from_json(json.dumps(forged))[0].turns[0].state is TurnState.FAILED


@pytest.mark.parametrize(
    "change",
    [
        {"role": "system"},
        {"parent": 9},
        {"parent": 2},
        {"id": 2},
        {"state": "happy"},
        {"usage": {"amount": "much"}},
        {"files": [{"name": "x"}]},
        {"text": 5},
    ],
)
def test_a_file_that_makes_no_sense_is_refused_whole(change: dict[str, object]) -> None:
    data = json.loads(to_json([CHAT]))
    data["chats"][0]["messages"][0] |= change
    with pytest.raises(NotReadable):
        from_json(json.dumps(data))


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "nonsense", '{"format": "other", "chats": []}', "# Notes\n"])
def test_other_files_are_refused(text: str) -> None:
    with pytest.raises(NotReadable):
        from_json(text)
    with pytest.raises(NotReadable):
        from_markdown(text)
