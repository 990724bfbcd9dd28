"""What a run gives, in order: any number of pieces, then exactly one finish."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tallystick_shared.errors import TallystickError


class Reason(StrEnum):
    """Why a run ended. The values are the strings of END."""

    STOP = "stop"
    LENGTH = "length"
    TIME = "time"
    """It had its slot for as long as one request may have it."""
    GAVE_WAY = "gave_way"
    """It cost nothing, and made room for somebody who pays."""
    CANCELLED = "cancelled"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Piece:
    """Output that can be delivered, and the units it stands for (never negative, and for text never more than its
    bytes).

    `kind` is the service's own: for chat 0 is the answer, 1 the model's reasoning.
    """

    data: bytes
    units: int
    kind: int = 0

    def __post_init__(self) -> None:
        if self.units < 0:
            raise ValueError("a piece cannot take units back")


@dataclass(frozen=True, slots=True)
class Finish:
    """The end: why, the sum of the units of all pieces that were handed out, and the error where there was one."""

    reason: Reason
    units: int
    error: TallystickError | None = None


Event = Piece | Finish
