"""Languages that nobody speaks: English words changed so that a layout shows where it would break.

Their names are those that Android and Chrome use: `en-XA` is accented and longer by a good third, as German or Finnish
may be; `ar-XB` reads from right to left. They stand in no list; `localStorage.language = "en-XA"` chooses one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Change = Callable[[str], str]
KEPT = ("format", "language")
ACCENTS = str.maketrans("AaCcDdEeGgIiLlNnOoRrSsTtUuYyZz", "ÅåÇçÐðÉéĞğÎîĽľÑñÖöŔŕŠšŢţÛûÝýŽž")
WORDS = re.compile(r"(\{\w+\})")
MORE = "one two three four five six seven eight nine ten"


def long(sentence: str) -> str:
    """Accented, in brackets that show where it was cut, and longer: short words by half, sentences by a third."""
    pieces = WORDS.split(sentence)
    accented = "".join(piece if piece.startswith("{") else piece.translate(ACCENTS) for piece in pieces)
    letters = len("".join(piece for piece in pieces if not piece.startswith("{")))
    wanted = letters // 2 if letters < 20 else letters // 3
    more = (MORE + " ") * (wanted // len(MORE) + 1)
    return f"[{accented} {more[:wanted].strip()}]" if wanted > 1 else f"[{accented}]"


def same(sentence: str) -> str:
    """As it is; only its direction is another."""
    return sentence


CHANGES: dict[str, Change] = {"en-XA": long, "ar-XB": same}


def altered(table: dict[str, Any], change: Change) -> dict[str, Any]:
    """The table with every sentence changed."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: walk(entry) for name, entry in value.items()}
        return [change(entry) for entry in value] if isinstance(value, list) else change(str(value))

    return {name: entry if name in KEPT else walk(entry) for name, entry in table.items()}
