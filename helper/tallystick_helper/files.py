"""Small files in the data directory: replaced at once or not at all, and on disk when it is said so."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tallystick_shared.errors import Code, LocalError


def read_table(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is no file. Raises LocalError STORE_UNREADABLE where it is damaged."""
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise LocalError(Code.STORE_UNREADABLE, path=str(path), reason=type(error).__name__) from None


def write_table(path: Path, table: dict[str, Any]) -> None:
    """Replaces the file, for people to read too; makes its folder. Raises LocalError STORE_UNREADABLE."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_durably(path, json.dumps(table, indent=1).encode() + b"\n")


def write_durably(path: Path, data: bytes) -> None:
    """Replaces a file (mode 0600); returns once it is on disk. Raises LocalError STORE_UNREADABLE."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        if os.name != "posix":
            return  # a folder cannot be opened there
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise LocalError(Code.STORE_UNREADABLE, path=str(path), reason=error.strerror) from None
