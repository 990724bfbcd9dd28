"""The seats of the console: everything outside of it. `browser` fills them; tests fill them on CPython."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from ..ports import Wallets
from ..words import ENGLISH, Words
from .state import State


@dataclass(frozen=True)
class Answer:
    """What the node said. `status` is 0 where it did not answer."""

    status: int
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return self.status == 200


class Api(Protocol):
    """The node's admin API, with the bearer of this console."""

    async def paired(self) -> Answer:
        """How the exchange of the address's secret ended: 200, or 401 with the error's name."""

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        """`path` below `/api`."""

    async def download(self, path: str, name: str) -> bool:
        """Hands a file to the person."""


class Screen(Protocol):
    """What the person sees."""

    def show(self, state: State) -> None:
        """Makes the document look like `state`."""

    def copy(self, text: str) -> None:
        """Puts a text on the clipboard."""

    @property
    def hidden(self) -> bool:
        """Does nobody look?"""


class Clock(Protocol):
    """Time."""

    def wall(self) -> float:
        """Unix seconds."""

    def offset_minutes(self) -> int:
        """This device's time zone, in minutes east of UTC."""

    async def sleep(self, seconds: float) -> None:
        """Waits."""


@dataclass(frozen=True)
class Seats:
    """All of them."""

    api: Api
    screen: Screen
    clock: Clock
    wallets: Wallets
    words: Words = ENGLISH
