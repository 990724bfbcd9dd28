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

    def save(self, name: str, kind: str, text: str) -> None:
        """Hands a file to the person; `kind` is its media type."""

    def refill(self, text: str) -> None:
        """Puts a text back into the question box, if that is empty."""

    def to_draft(self) -> None:
        """Puts the cursor into the question box."""

    def reveal(self, turn_id: int) -> None:
        """Scrolls to a message, once it is drawn, and marks it for a moment."""

    def act(self, name: str) -> None:
        """What only the shell can do: "search" goes to the search field, "theme" changes light and dark."""

    def copy(self, text: str) -> None:
        """Puts a text on the clipboard."""
