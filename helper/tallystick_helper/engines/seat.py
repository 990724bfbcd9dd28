"""The engine seat: what the node asks of whatever runs a model.

A task is opaque bytes of a service, as they came in OPEN and INPUT; an engine decodes the services that it offers.
Running one gives a `Run`: pieces of output, each with the exact units it stands for, then one `Finish`. Nothing here
knows a price or a socket.

Units of text are tokens. **An output token counts when, and only when, its text has been handed out**: the token that
ends an answer, a stop string that is cut off and the rest of a character that never became whole are not counted. So
units never exceed bytes.

An engine that runs one model subclasses `slotted.Slotted`, which fills most of the seat. `fleet.Fleet` runs several
behind one seat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .capabilities import Capabilities
from .events import Event, Finish, Piece, Reason
from .run import Run
from .slots import Load

__all__ = ["Capabilities", "Engine", "Event", "Finish", "Load", "Piece", "Reason", "Run", "Task"]


@dataclass(frozen=True, slots=True)
class Task:
    """One request: the service, its input and params as they came, and the most units it may give.

    `scope` names whose cache it may share (the channel's id): an engine reuses what it computed for one scope only
    within that scope, so that nobody can tell by the time to the first token what somebody else asked. Empty shares
    with nobody. Who waits is served by scopes in turn, so that nobody is kept waiting by one who asks a lot.

    `charged` says that its input is owed already. Such a task is never refused for want of room: it waits behind the
    others, if need be beyond the queue's places.

    `model` is the one that was asked for; empty is the engine's first.

    `free` says that nobody pays for it. It waits behind everybody who does, gives its slot up to whoever of them would
    have to wait (it ends with `GAVE_WAY`), has no model loaded in place of another, and counts as no load.
    """

    service: str
    input: bytes
    params: bytes = b""
    max_units: int = 512
    scope: bytes = b""
    charged: bool = False
    model: str = ""
    free: bool = False


class Engine(Protocol):
    """One model or several that can be run. All methods are called on one event loop."""

    def capabilities(self) -> Capabilities:
        """What its first model offers."""

    def models(self) -> tuple[Capabilities, ...]:
        """What each of its models offers, the first one first. Names differ."""

    async def count(self, task: Task) -> int:
        """The exact input units of a task, template included.

        Raises TallystickError: BAD_REQUEST, UNSUPPORTED (value `feature`), UNKNOWN_SERVICE, UNKNOWN_MODEL, or
        PROMPT_TOO_LONG (values `units`, `limit`) where no room is left for an answer.
        """

    def run(self, task: Task) -> Run:
        """Start a task, or queue it. Use as `async with engine.run(task) as run: async for event in run: …`.

        Raises TallystickError: BAD_REQUEST, UNSUPPORTED, UNKNOWN_SERVICE, UNKNOWN_MODEL, BUSY (value
        `retry_after_ms`) where slots and queue are full and it is not charged yet, DRAINING once closed. What goes
        wrong later arrives as the finish.
        """

    def load(self, model: str = "") -> Load:
        """Slots, queue, and how many of each are taken: of one model, or of all of them together."""

    def busy(self, model: str = "", scope: bytes = b"") -> bool:
        """True where `run` would now refuse what is not charged yet, for that model (empty: the first) and scope."""

    async def close(self) -> None:
        """Cancel what runs, and free the memory of all models. May be called twice."""
