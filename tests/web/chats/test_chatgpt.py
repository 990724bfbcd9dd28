"""ChatGPT's export: branches, what was shown, and what is left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tallystick_web.chats.chatgpt import from_chatgpt
from tallystick_web.chats.exchange import NotReadable


def node(parent: str | None, role: str = "", text: str = "", kind: str = "text", **meta: Any) -> dict[str, Any]:
    content = {"content_type": kind, "parts": [text]} if kind != "code" else {"content_type": kind, "text": text}
    message = {"author": {"role": role}, "content": content, "create_time": 17.5, "metadata": meta} if role else None
    return {"parent": parent, "children": [], "message": message}


EXPORT = [
    {
        "title": "Tallies",
        "create_time": 10.2,
        "update_time": 20.9,
        "conversation_id": "abc",
        "current_node": "a1",
        "mapping": {
            "root": node(None),
            "sys": node("root", "system", ""),
            "hidden": node("sys", "user", "profile", is_visually_hidden_from_conversation=True),
            "q": node("hidden", "user", "What is a tally?"),
            "a1": node("q", "assistant", "A stick.", model_slug="gpt-9"),
            "a2": node("q", "assistant", "Another answer."),
            "tool": node("a2", "tool", "searching"),
            "a3": node("tool", "assistant", "print(1)", "code"),
        },
    },
    {"title": "Empty", "mapping": {"root": node(None)}},
]


def test_branches_and_what_was_shown_are_kept() -> None:
    (chat,) = from_chatgpt(json.dumps(EXPORT))
    assert (chat.title, chat.made, chat.changed) == ("Tallies", 10, 20)
    assert [(turn.role, turn.text) for turn in chat.path] == [("user", "What is a tally?"), ("assistant", "A stick.")]
    assert chat.path[1].who == "gpt-9" and len(chat.siblings(chat.path[1])) == 2
    assert chat.turns[-1].text == "```\nprint(1)\n```"


def test_twice_is_the_same_chat() -> None:
    assert from_chatgpt(json.dumps(EXPORT)) == from_chatgpt(json.dumps(EXPORT))


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"mapping": {}}', "[]"])
def test_other_files_are_refused(text: str) -> None:
    with pytest.raises(NotReadable):
        from_chatgpt(text)


def test_shapes_that_nobody_expects_lose_a_message_and_not_the_chat() -> None:
    odd = json.loads(json.dumps(EXPORT))
    odd[0]["mapping"] |= {"x": {"parent": "nowhere", "message": {"author": None, "content": None}}, "y": 5}
    odd[0]["mapping"]["root"]["parent"] = "a3"  # a circle
    assert from_chatgpt(json.dumps(odd)) == [] or from_chatgpt(json.dumps(odd))[0].title == "Tallies"
