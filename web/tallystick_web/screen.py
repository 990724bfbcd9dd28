"""The seat for what people see and hear."""

from __future__ import annotations

from typing import Protocol

from .state import State


class Screen(Protocol):
    """What people see and hear."""

    def show(self, state: State) -> None:
        """Makes the page look like `state`."""

    def announce(self, sentence: str) -> None:
        """Has a screen reader read a sentence."""

    def to_end(self) -> None:
        """Scrolls to the newest message."""

    def refill(self, text: str) -> None:
        """Puts a text back into the question box, if that is empty."""
