"""The commands in the order in which people need them, and a wrong flag told in JSON where JSON was asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from tallystick_shared.errors import Code, LocalError

from .terminal import fail

PANELS = {
    "Use": ("up", "chat", "embed", "gateway"),
    "Provide": (
        *("provide", "fund", "models", "doctor", "status", "console", "earnings", "logs"),
        *("pause", "resume", "drain", "deny", "allow"),
    ),
    "Money": ("channel", "registry"),
    "Tools": ("backup", "restore", "protect", "bundle", "deploy", "page"),
}
_ORDER = [name for names in PANELS.values() for name in names]
_PANEL = {name: panel for panel, names in PANELS.items() for name in names}


class Ordered(TyperGroup):
    """The commands of `PANELS`, each under its head; one that is not named there is a tool, and the last."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        every = sorted(self.commands, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
        self.commands = {name: self.commands[name] for name in every}
        for name, one in self.commands.items():
            one.rich_help_panel = _PANEL.get(name, "Tools")  # type: ignore[attr-defined]

    def main(  # type: ignore[override] # the middle ones are handed on by name
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **more: Any
    ) -> Any:
        """As any command; but where JSON is wanted, wrong usage is told in JSON too, still with exit code 2."""
        given = sys.argv[1:] if args is None else args
        if "--json" not in given or not more.get("standalone_mode", True):
            return super().main(args, prog_name, **more)
        try:
            code = super().main(args, prog_name, **{**more, "standalone_mode": False})
        except typer.Abort:
            sys.exit(1)
        except Exception as error:
            if not hasattr(error, "format_message"):  # what typer raises for wrong usage has it
                raise
            sys.exit(_told(error.format_message()))
        sys.exit(code if isinstance(code, int) else 0)


def _told(said: str) -> int:
    """Prints it; the exit code."""
    try:
        fail(LocalError(Code.BAD_SETTINGS, usage=said), True, 2)
    except typer.Exit as end:
        return int(end.exit_code)
