"""What lies around the chats and is gone with the page: the draft, what is being edited, searched, chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .model import Attached


@dataclass(frozen=True)
class Hit:
    """A message that was found: `before`, `match` and `after` are cut out of its text around the first match."""

    chat: str
    name: str
    turn: int
    role: str
    before: str
    match: str
    after: str


@dataclass(frozen=True)
class Preset:
    """A named way to be answered."""

    name: str
    system: str = ""
    temperature: float | None = None
    top_p: float | None = None


@dataclass(frozen=True)
class Desk:
    """`menu` names the small menu that is open, `editing` the question that is being rewritten, `renaming` the chat
    that gets a new name, `found` what a search for `query` gave (None: nothing is searched).
    """

    draft: str = ""
    files: tuple[Attached, ...] = ()
    menu: str = ""
    editing: int = 0
    renaming: str = ""
    query: str = ""
    found: tuple[Hit, ...] | None = None
    palette: str = ""
    place: int = 0
    reveal: int = 0
    presets: tuple[Preset, ...] = ()


@dataclass(frozen=True)
class DeskChanged:
    """Something on the desk moved: the new values of its fields."""

    values: Mapping[str, Any] = field(default_factory=dict)


def moved(**values: Any) -> DeskChanged:
    return DeskChanged(values)


def reduce_desk(desk: Desk, action: DeskChanged) -> Desk:
    """The desk after `action`."""
    changed = replace(desk, **action.values)
    return desk if changed == desk else changed
