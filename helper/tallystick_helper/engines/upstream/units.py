"""How many units text is, counted here and never taken from the server's `usage` (decision 20).

With a tokenizer: the tokens of the text that was handed out, of its beginning up to here. Without one: one for each
delta that has text, which is what servers send for a token, or for several. So that count is never above the tokens
that were made, and a server that gathers tokens earns its provider less. Both are bounded by the bytes: never more
units than those, nor fewer than one for each 4 KiB, as the service has it.

Input without a tokenizer and without a server that counts is a quarter of its bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from tallystick_shared.services import CHAT

from ..events import Piece

Count = Callable[[str], int]
_ROLL = 128
"""Characters of the window that stay when it is moved on; it is moved at four times as many."""
_BYTES_PER_UNIT = 4
_UNITS_PER_MESSAGE = 4


class Growth(Protocol):
    """How many units one kind of text of one answer has grown to."""

    def after(self, text: str) -> int:
        """The units so far if `text` came next. Changes nothing."""

    def add(self, text: str) -> None:
        """It came."""


class Deltas:
    """One for each delta."""

    def __init__(self) -> None:
        self._units = 0

    def after(self, text: str) -> int:
        return self._units + bool(text)

    def add(self, text: str) -> None:
        self._units += bool(text)


class Tokens:
    """The tokens of all text so far. What more text does to the beginning of a long one is nothing, so only a window
    at its end is looked at again. Never falls: a word that is completed may be fewer tokens than its halves were.
    """

    def __init__(self, count: Count) -> None:
        self._count = count
        self._window = ""
        self._before = 0
        """What the window's own count is to be added to; below zero after the window lost what joined its start."""
        self._units = 0

    def after(self, text: str) -> int:
        return max(self._units, self._before + self._count(self._window + text)) if text else self._units

    def add(self, text: str) -> None:
        self._units = self.after(text)
        self._window += text
        if len(self._window) > 4 * _ROLL:
            whole, self._window = self._count(self._window), _tail(self._window)
            self._before += whole - self._count(self._window)


def _tail(window: str) -> str:
    """The window's end, from the beginning of a word on where there is one: tokens seldom reach over that."""
    tail = window[-_ROLL:]
    at = tail.find(" ", 0, _ROLL // 2)
    return tail[at:] if at > 0 else tail


class Meter:
    """Counts one answer, and cuts it at `most` units."""

    def __init__(self, most: int, count: Count | None = None) -> None:
        self._most = most
        self._new: Callable[[], Growth] = (lambda: Tokens(count)) if count else Deltas
        self._growths: dict[int, Growth] = {}
        self._size = 0
        self.units = 0

    @property
    def began(self) -> bool:
        """Was anything handed out?"""
        return self._size > 0

    @property
    def full(self) -> bool:
        return self.units >= self._most

    def pieces(self, text: str, kind: int = 0) -> Iterator[Piece]:
        """What may be handed out of a delta, in pieces of at most 4 KiB; nothing once the meter is full."""
        growth = self._growths.setdefault(kind, self._new())
        others = sum(other.after("") for other in self._growths.values() if other is not growth)
        for part in _parts(text):
            if self.full:
                return
            fits = self._fitting(growth, part, others)
            data = fits.encode()
            self._size += len(data)
            growth.add(fits)
            units = self._bounded(growth.after("") + others)
            piece, self.units = Piece(data, units - self.units, kind), units
            yield piece

    def whole(self, text: str, data: bytes, kind: int) -> Piece | None:
        """One piece that cannot be cut and stands for that text; None once the meter is full."""
        if self.full:
            return None
        growth = self._growths.setdefault(kind, self._new())
        growth.add(text)
        self._size += len(data)
        units = self._bounded(sum(each.after("") for each in self._growths.values()))
        piece, self.units = Piece(data, units - self.units, kind), units
        return piece

    def _bounded(self, counted: int) -> int:
        """The sum of units: what was counted, but not below what was handed out, nor outside what bytes allow."""
        least = max(counted, self.units, self._size // CHAT.most)
        return min(least, self._size, self._most)

    def _fitting(self, growth: Growth, text: str, others: int) -> str:
        """The longest beginning of the text that does not go beyond `most`, but at least a character."""
        if growth.after(text) + others <= self._most:
            return text
        low, high = 1, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            if growth.after(text[:middle]) + others <= self._most:
                low = middle
            else:
                high = middle - 1
        return text[:low]


def _parts(text: str) -> Iterator[str]:
    """The text in parts of at most 4 KiB as UTF-8."""
    step = CHAT.most // 4
    if len(text) <= step:
        return iter((text,) if text else ())
    return (text[at : at + step] for at in range(0, len(text), step))


def estimate(messages: Sequence[tuple[str, str]]) -> int:
    """The input units of a conversation where nobody can count them: a quarter of its bytes, and four a message."""
    return sum(len(content.encode()) // _BYTES_PER_UNIT + _UNITS_PER_MESSAGE for _, content in messages)
