"""What the palette offers."""

from __future__ import annotations

from tallystick_web.chats.model import Card
from tallystick_web.chats.palette import COMMANDS, MOST_CHATS, choices
from tallystick_web.words import ENGLISH

CARDS = tuple(Card(str(number), f"Chat about tallies {number}", changed=number) for number in range(20))
NAMED = tuple((do, ENGLISH(label)) for do, label in COMMANDS)


def test_every_command_has_a_name_and_nothing_typed_offers_all() -> None:
    assert [choice.do for choice in choices("", NAMED, ())] == [do for do, _ in COMMANDS]


def test_words_narrow_it_down_and_chats_are_found_by_name() -> None:
    found = choices("tallies", NAMED, CARDS)
    assert {choice.do for choice in found} == {"open-chat"} and len(found) == MOST_CHATS
    assert found[0].arg == "19", "the last changed first"
    assert [choice.do for choice in choices("new", NAMED, CARDS)] == ["new-chat"]


def test_deleted_chats_are_not_offered() -> None:
    assert choices("gone", (), (Card("c", "gone", deleted=5),)) == ()
