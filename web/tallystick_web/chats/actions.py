"""What can happen to the chats. `chat` is a chat's id; where it is left out, the one in front is meant."""

from __future__ import annotations

from dataclasses import dataclass, field

from .model import Attached, Card, Chat, Setup, TurnState, Usage


@dataclass(frozen=True)
class ChatsStarted:
    """The page runs: this tab's salt, and the id of the chat that is in front."""

    salt: int
    chat: str


@dataclass(frozen=True)
class ChatsListed:
    """What this browser keeps."""

    cards: tuple[Card, ...]


@dataclass(frozen=True)
class ChatLoaded:
    """A kept chat comes to the front. In place of an empty one; what was typed meanwhile goes to its end where `adopt`
    is true.
    """

    chat: Chat
    adopt: bool = False


@dataclass(frozen=True)
class ChatChangedElsewhere:
    """Another tab changed a chat."""

    chat: Chat


@dataclass(frozen=True)
class ChatBegun:
    """A new, empty chat comes to the front."""

    id: str
    setup: Setup = field(default_factory=Setup)


@dataclass(frozen=True)
class ChatFronted:
    """A chat that is in memory comes to the front."""

    chat: str


@dataclass(frozen=True)
class ChatForked:
    """A new chat with everything up to the message `upto` comes to the front."""

    id: str
    upto: int
    now: int


@dataclass(frozen=True)
class ChatRenamed:
    chat: str
    title: str


@dataclass(frozen=True)
class ChatPinned:
    chat: str
    pinned: bool


@dataclass(frozen=True)
class ChatDropped:
    """Deleted; can be had back for a moment. `next` is the id of the empty chat that takes its place in front."""

    chat: str
    next: str
    now: int


@dataclass(frozen=True)
class ChatBack:
    """The deletion was taken back."""

    chat: str


@dataclass(frozen=True)
class ChatGone:
    """Deleted for good."""

    chat: str


@dataclass(frozen=True)
class SetupChanged:
    setup: Setup


@dataclass(frozen=True)
class Asked:
    """A question was typed; it waits. It follows `parent`, or what is shown where that is None."""

    text: str
    files: tuple[Attached, ...] = ()
    parent: int | None = None
    now: int = 0


@dataclass(frozen=True)
class TurnMoved:
    """A question's or an answer's state changed."""

    id: int
    state: TurnState
    usage: Usage | None = None
    chat: str | None = None


@dataclass(frozen=True)
class AnswerStarted:
    """An answer begins: a new one to the question `to`, or the answer `to` that waited for its turn."""

    to: int
    who: str
    model: str = ""
    chat: str | None = None


@dataclass(frozen=True)
class AnswerGrew:
    id: int
    text: str
    usage: Usage | None = None
    chat: str | None = None
    thought: str = ""


@dataclass(frozen=True)
class Retried:
    """The last answer, which failed, again: in its old place where nothing had come, beside it where something had."""


@dataclass(frozen=True)
class Regenerated:
    """One more answer beside the answer `id`, by the choice `model` ("": the one in use)."""

    id: int
    model: str = ""


@dataclass(frozen=True)
class Resumed:
    """The answer `id`, which ended early, goes on."""

    id: int


@dataclass(frozen=True)
class Sibling:
    """The branch of the message `id` is shown."""

    id: int


@dataclass(frozen=True)
class Revealed:
    """Whatever branch the message `id` is on is shown."""

    id: int


@dataclass(frozen=True)
class Unasked:
    """A question that was not sent is taken back."""

    id: int
