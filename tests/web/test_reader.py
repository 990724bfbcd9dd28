"""What a screen reader hears."""

from __future__ import annotations

from tallystick_web.chats import actions as a
from tallystick_web.chats.model import Chat
from tallystick_web.reader import Reader
from tallystick_web.reduce import reduce
from tallystick_web.state import State, Turn, TurnState, Usage

from .seats import MemoryScreen


class Listener:
    """A reader that watches a state."""

    def __init__(self) -> None:
        self.screen, self.state = MemoryScreen(), State()
        self.reader = Reader(self.screen)

    def take(self, *actions: object) -> list[str]:
        for action in actions:
            before, self.state = self.state, reduce(self.state, action)
            self.reader(before, self.state)
        said, self.screen.said = self.screen.said, []
        return said


def test_sentences_are_read_once_and_when_they_are_finished() -> None:
    listener = Listener()
    assert listener.take(a.Asked("q"), a.AnswerStarted(1, "m"), a.AnswerGrew(2, "One is do")) == []
    assert listener.take(a.AnswerGrew(2, "ne. Two is")) == ["One is done."]
    assert listener.take(a.AnswerGrew(2, " not")) == []
    assert listener.take(a.TurnMoved(2, TurnState.DONE, Usage(1, 2, 10**18))) == [
        "Two is not",
        "Answer finished. It cost 1 ETH.",
    ]


def test_what_was_given_away_is_called_free() -> None:
    listener = Listener()
    listener.take(a.Asked("q"), a.AnswerStarted(1, "m"))
    said = listener.take(a.TurnMoved(2, TurnState.DONE, Usage(1, 2, free=True)))
    assert said == ["Answer finished. It was free."]


def test_marks_of_markdown_are_not_read() -> None:
    listener = Listener()
    assert listener.take(a.Asked("q"), a.AnswerStarted(1, "m"), a.AnswerGrew(2, "**Bold** and `code`. ")) == [
        "Bold and code."
    ]


def test_a_conversation_that_was_kept_is_not_read_out() -> None:
    old = Turn(1, "assistant", "Old.", TurnState.DONE, "m", Usage(1, 1, 1))
    assert Listener().take(a.ChatLoaded(Chat("c", turns=(old,)))) == []


def test_questions_are_not_read_out() -> None:
    assert Listener().take(a.Asked("One. Two. ")) == []
