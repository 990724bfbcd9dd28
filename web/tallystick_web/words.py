"""Every word that people see, from words/*.json. Read at import: the files are not there after the page's fast
start.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from tallystick_shared.errors import WORDS, Code


def _read(language: str) -> dict[str, Any]:
    """The table; in a checkout it lies beside the package, in the built page inside it."""
    inside = resources.files(__package__) / "words" / f"{language}.json"
    if inside.is_file():
        return dict(json.loads(inside.read_text("utf-8")))
    from pathlib import Path

    return dict(json.loads((Path(__file__).parent.parent / "words" / f"{language}.json").read_text("utf-8")))


class Words:
    """A language's words. Call it with a dotted name and the values that stand in the sentence."""

    def __init__(self, table: dict[str, Any]) -> None:
        self._table = table

    def __call__(self, name: str, /, **values: object) -> str:
        """Raises KeyError for a name that is not in the table."""
        entry: Any = self._table
        for part in name.split("."):
            entry = entry[part]
        return str(entry).format(**values)

    def plural(self, name: str, count: int, /, **values: object) -> str:
        """`name.one` or `name.many`, with {count}."""
        return self(f"{name}.{'one' if count == 1 else 'many'}", count=f"{count:,}", **values)

    def error(self, name: str, /, **values: object) -> tuple[str, str]:
        """(sentence, next step) for an error code's name, or for news. The page's own table may be more exact than the
        common one.
        """
        told = self._table.get("told", {}).get(name)
        if told is not None:
            return str(told[0]).format(**values), str(told[1]).format(**values)
        sharper = self._table["errors"].get(name)
        if sharper is not None:
            try:
                return str(sharper[0]).format(**values), str(sharper[1]).format(**values)
            except KeyError:
                pass  # the values are not known here; the common words need none
        return WORDS[Code[name.upper()]]


ENGLISH = Words(_read("en"))
