"""What commands were told that later ones should know: `kept.json` in the data directory, below the settings file.

So that nobody has to touch a file: `tallystick provide --endpoint …` once, and `up`, `doctor` and `status` know it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tallystick_shared.errors import Code, LocalError

FILE = "kept.json"


def read(data_dir: Path) -> dict[str, Any]:
    """Raises LocalError STORE_UNREADABLE where the file is damaged."""
    path = data_dir / FILE
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise LocalError(Code.STORE_UNREADABLE, path=str(path), reason=type(error).__name__) from None


def keep(data_dir: Path, values: dict[str, Any]) -> None:
    """Replaces the file at once or not at all; it is on disk when this returns. Raises LocalError STORE_UNREADABLE."""
    from .store import write_durably

    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_durably(data_dir / FILE, json.dumps(values, indent=1).encode() + b"\n")
