"""Which file is made by what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from contracts.docs import DOCS
from tests.documents import commands, errors, limits, session, settings, states, threats, wire

PAGES: dict[Path, Callable[[], str]] = {
    DOCS / "reference" / "protocol-states.md": states.page,
    **{DOCS / "img" / f"{picture.name}.svg": picture.drawn for picture in states.PICTURES},
    DOCS / "reference" / "wire.md": wire.page,
    DOCS / "reference" / "session.json": session.as_json,
    DOCS / "reference" / "errors.md": errors.page,
    DOCS / "reference" / "limits.md": limits.page,
    DOCS / "reference" / "settings.md": settings.page,
    DOCS / "reference" / "commands.md": commands.page,
    DOCS / "topics" / "threats.md": threats.page,
}
