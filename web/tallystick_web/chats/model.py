"""What a conversation is: a tree of messages, of which one path is shown. All values are frozen.

A message's id is unique within its chat even where two tabs write to it: the low 32 bits count, the high bits are the
tab's own salt. Amounts are integers in the coin's smallest unit, times are Unix seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property

COUNT = (1 << 32) - 1
NAME_LENGTH = 60


class TurnState(Enum):
    """Where a question or an answer stands."""

    WAITING = "waiting"
    SENT = "sent"
    STREAMING = "streaming"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Usage:
    """What an answer cost and how fast it came. `first_ms` is None where nothing came."""

    input_units: int = 0
    output_units: int = 0
    amount: int = 0
    first_ms: int | None = None
    per_second: float = 0.0
    finish: str = ""
    free: bool = False
    """Its provider gave it away."""

    def plus(self, later: Usage) -> Usage:
        """Of an answer that went on: all tokens and all that was paid, the first word of the first part, the last
        speed and end.
        """
        return Usage(
            self.input_units + later.input_units,
            self.output_units + later.output_units,
            self.amount + later.amount,
            self.first_ms,
            later.per_second or self.per_second,
            later.finish,
            self.free and later.free,
        )


@dataclass(frozen=True)
class Attached:
    """A text file that goes along with a question."""

    name: str
    text: str


@dataclass(frozen=True)
class Turn:
    """A question or an answer. `parent` is the message it follows, 0 for the first; `model` is the choice's id that
    answers, "" for the one in use.
    """

    id: int
    role: str
    text: str
    state: TurnState
    who: str = ""
    usage: Usage | None = None
    parent: int = 0
    files: tuple[Attached, ...] = ()
    model: str = ""
    at: int = 0
    thought: str = ""
    """What the model thought before it answered; it is not given to it again."""


@dataclass(frozen=True)
class Setup:
    """How a chat is answered. None leaves the choice to the model; `most` is tokens of one answer."""

    system: str = ""
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    most: int | None = None


@dataclass(frozen=True)
class Chat:
    """A conversation. `turns` are in the order in which they were made, `picks` says which child of a message is shown
    where it is not the newest. `revision` moves with everything but the growth of an answer.
    """

    id: str = ""
    title: str = ""
    pinned: bool = False
    made: int = 0
    changed: int = 0
    setup: Setup = field(default_factory=Setup)
    turns: tuple[Turn, ...] = ()
    picks: tuple[tuple[int, int], ...] = ()
    revision: int = field(default=0, compare=False)

    @cached_property
    def places(self) -> dict[int, int]:
        """Where in `turns` each message is, by its id."""
        return {turn.id: place for place, turn in enumerate(self.turns)}

    @cached_property
    def children(self) -> dict[int, tuple[int, ...]]:
        """The ids that follow each message, oldest first; those that begin the chat under 0."""
        found: dict[int, list[int]] = {}
        for turn in self.turns:
            found.setdefault(turn.parent, []).append(turn.id)
        return {parent: tuple(ids) for parent, ids in found.items()}

    @cached_property
    def path(self) -> tuple[Turn, ...]:
        """What is shown: from the first message down, at each fork the one that was picked, else the newest."""
        picks, at, shown = dict(self.picks), 0, []
        while children := self.children.get(at):
            picked = picks.get(at)
            at = picked if picked in children else children[-1]
            shown.append(self.turns[self.places[at]])
        return tuple(shown)

    @cached_property
    def waiting(self) -> tuple[int, ...]:
        """The ids of what waits to be sent."""
        return tuple(turn.id for turn in self.turns if turn.state is TurnState.WAITING)

    @cached_property
    def streaming(self) -> bool:
        """True while an answer is being made."""
        return any(turn.state is TurnState.STREAMING for turn in self.turns)

    def turn(self, turn_id: int) -> Turn | None:
        """None where there is none."""
        place = self.places.get(turn_id)
        return None if place is None else self.turns[place]

    def before(self, turn: Turn) -> list[Turn]:
        """What was said before a message, oldest first."""
        above: list[Turn] = []
        at = self.turn(turn.parent)
        while at is not None:
            above.append(at)
            at = self.turn(at.parent)
        return above[::-1]

    def siblings(self, turn: Turn) -> tuple[int, ...]:
        """The ids at the same fork, this one included."""
        return self.children.get(turn.parent, (turn.id,))

    @property
    def name(self) -> str:
        """Its title, else the beginning of its first question."""
        return self.title or _beginning(self.turns[0].text if self.turns else "")

    @property
    def amount(self) -> int:
        """What all its answers cost, on every branch."""
        return sum(turn.usage.amount for turn in self.turns if turn.usage)


def _beginning(text: str) -> str:
    line = " ".join(text.split())
    if len(line) <= NAME_LENGTH:
        return line
    cut = line[:NAME_LENGTH]
    return (cut[: cut.rfind(" ")] if " " in cut[NAME_LENGTH // 2 :] else cut).rstrip(",;:. ") + "…"


@dataclass(frozen=True)
class Card:
    """A chat in the list. `deleted` is when it was deleted; it can be had back for a moment. `error` where it could
    not be read.
    """

    id: str
    name: str
    pinned: bool = False
    changed: int = 0
    deleted: int = 0


@dataclass(frozen=True)
class Chats:
    """All chats: those in memory, the one in front, the list of all that are kept. `salt` is this tab's own."""

    front: str = ""
    held: tuple[Chat, ...] = (Chat(),)
    cards: tuple[Card, ...] = ()
    salt: int = 0

    @property
    def chat(self) -> Chat:
        """The one in front."""
        return self.get(self.front) or Chat(self.front)

    def get(self, chat_id: str) -> Chat | None:
        """None where it is not in memory."""
        return next((chat for chat in self.held if chat.id == chat_id), None)

    def card(self, chat_id: str) -> Card | None:
        return next((card for card in self.cards if card.id == chat_id), None)


def next_id(chat: Chat, salt: int) -> int:
    """An id for a new message."""
    return (salt << 32) | (max((turn.id & COUNT for turn in chat.turns), default=0) + 1)


def ordered(turns: list[Turn]) -> tuple[Turn, ...]:
    """In the order in which they were made; of two tabs' messages with one count, always the same one first."""
    return tuple(sorted(turns, key=lambda turn: (turn.id & COUNT, turn.id >> 32)))


def card_of(chat: Chat, deleted: int = 0) -> Card:
    return Card(chat.id, chat.name, chat.pinned, chat.changed, deleted)


def merged(ours: Chat, theirs: Chat) -> Chat:
    """A chat that another tab changed, with what this tab has of it. What streams here is newer than what they saw."""
    kept = {turn.id: turn for turn in theirs.turns}
    for turn in ours.turns:
        if turn.id not in kept or turn.state in (TurnState.STREAMING, TurnState.WAITING):
            kept[turn.id] = turn
    return replace(theirs, turns=ordered(list(kept.values())), picks=ours.picks, revision=ours.revision)
