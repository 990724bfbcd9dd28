"""Byte windows: how much payload may be under way on a stream.

A limit is an absolute count of bytes, so a WINDOW that comes twice or late does no harm. For INPUT it says how far the
client may send; for DATA how far the provider may. A client extends its window only for what has arrived, so that the
window is also an acknowledgement: what lies a whole window below the limit need not be kept any longer.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallystick_shared import limits

INPUT_WINDOW = limits.INPUT_WINDOW.value
DATA_WINDOW = limits.DATA_WINDOW.value


@dataclass
class Receiving:
    """The receiver's half: `size` bytes beyond what has arrived are allowed, or in all while it is not `moving`."""

    size: int
    moving: bool = True
    arrived: int = 0
    limit: int = 0

    def __post_init__(self) -> None:
        self.limit = self.limit or self.size

    def took(self, count: int) -> int | None:
        """So many more bytes came. A new limit to tell, once half of the window is used; None otherwise."""
        self.arrived += count
        if not self.moving or self.limit - self.arrived > self.size // 2:
            return None
        self.limit = self.arrived + self.size
        return self.limit
