"""What commands were told that later ones should know: `kept.json` in the data directory, below the settings file.

So that nobody has to touch a file: `tallystick provide --endpoint …` once, and `up`, `doctor` and `status` know it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .files import read_table, write_table

FILE = "kept.json"


def read(data_dir: Path) -> dict[str, Any]:
    """Raises LocalError STORE_UNREADABLE where the file is damaged."""
    return read_table(data_dir / FILE)


def keep(data_dir: Path, values: dict[str, Any]) -> None:
    """Replaces the file. Raises LocalError STORE_UNREADABLE."""
    write_table(data_dir / FILE, values)
