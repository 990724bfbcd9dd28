"""What a check found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .patient import Patient


class State(StrEnum):
    """Fine; works, but look at it; broken; not looked at."""

    OK = "ok"
    DOUBT = "doubt"
    BAD = "bad"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """`says` is one sentence for people, `mend` what to do; `values` are for scripts (integers in the units that their
    names tell, amounts as decimal text).
    """

    state: State
    says: str
    mend: str = ""
    values: dict[str, Any] = field(default_factory=dict)


def fine(says: str, **values: Any) -> Finding:
    return Finding(State.OK, says, "", values)


def doubt(says: str, mend: str, **values: Any) -> Finding:
    return Finding(State.DOUBT, says, mend, values)


def bad(says: str, mend: str, **values: Any) -> Finding:
    return Finding(State.BAD, says, mend, values)


def skipped(says: str, mend: str = "") -> Finding:
    return Finding(State.SKIPPED, says, mend)


@dataclass(frozen=True)
class Check:
    """`needs` names checks that must not have failed before this one can be made; `patience` is in seconds."""

    name: str
    title: str
    look: Callable[[Patient], Awaitable[Finding]]
    needs: tuple[str, ...] = ()
    patience: float = 60.0
