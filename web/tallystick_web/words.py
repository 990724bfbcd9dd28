"""Every word that people see, from words/*.json, and how a language writes numbers and dates. Read at import: the files
are not there after the page's fast start.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any, Protocol, runtime_checkable

from tallystick_shared.errors import WORDS, Code

from . import pseudo

PLAIN = {
    "group": ",",
    "decimal": ".",
    "months": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "clock": "{hour}:{minute}",
    "day": "{day} {month} {clock}",
    "year": "{day} {month} {year}",
}
"""How a table without a "format" of its own writes."""


@runtime_checkable
class Sayable(Protocol):
    """A value that each language writes in its own way."""

    def said(self, t: Words) -> str:
        """In this language."""


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
        self._format: dict[str, str] = PLAIN | table.get("format", {})
        self._marks = str.maketrans({",": self._format["group"], ".": self._format["decimal"]})

    def __call__(self, name: str, /, **values: object) -> str:
        """Raises KeyError for a name that is not in the table."""
        entry: Any = self._table
        for part in name.split("."):
            entry = entry[part]
        return self._filled(str(entry), values)

    def plural(self, name: str, count: int, /, **values: object) -> str:
        """`name.one` or `name.many`, with {count}."""
        return self(f"{name}.{'one' if count == 1 else 'many'}", count=count, **values)

    def error(self, name: str, /, **values: object) -> tuple[str, str]:
        """(sentence, next step) for an error code's name, or for news. The page's own table may be more exact than the
        common one.
        """
        told = self._table.get("told", {}).get(name)
        if told is not None:
            return self._filled(told[0], values), self._filled(told[1], values)
        sharper = self._table["errors"].get(name)
        if sharper is not None:
            try:
                return self._filled(sharper[0], values), self._filled(sharper[1], values)
            except KeyError:
                pass  # the values are not known here; the common words need none
        if name in (common := self._table.get("codes", {})):
            return str(common[name][0]), str(common[name][1])
        return WORDS[Code[name.upper()]]

    def _filled(self, sentence: str, values: dict[str, object]) -> str:
        return sentence.format(**{name: self.say(value) for name, value in values.items()})

    # -- figures

    def say(self, value: object) -> str:
        """A value as it stands in a sentence: whole numbers grouped, money and times in the language's own way."""
        if isinstance(value, Sayable):
            return value.said(self)
        return self.number(f"{value:,}") if isinstance(value, int) and not isinstance(value, bool) else str(value)

    def number(self, written: str) -> str:
        """`written` groups by commas and has a decimal point."""
        return written.translate(self._marks)

    def decimal(self, value: float, places: int = 0) -> str:
        """With so many decimals, rounded."""
        return self.number(f"{value:,.{places}f}")

    def typed(self, plain: str) -> str:
        """A plain amount as a person would type it: no groups."""
        return plain.replace(".", self._format["decimal"])

    def read(self, typed: str) -> str:
        """The other way: what a person typed, with a decimal point."""
        return typed.replace(self._format["decimal"], ".")

    def moment(self, then: datetime, now: datetime) -> str:
        """The hour alone within a day, with the date beyond; both are the person's own time."""
        clock = self._format["clock"].format(hour=f"{then.hour:02}", minute=f"{then.minute:02}")
        if then.date() == now.date():
            return clock
        month = self._format["months"].split()[then.month - 1]
        form = self._format["day" if then.year == now.year else "year"]
        return form.format(day=then.day, month=month, year=then.year, clock=clock)

    # -- other languages

    @property
    def name(self) -> str:
        """The language's own name."""
        return self("language.name")

    def altered(self, change: pseudo.Change) -> Words:
        """The same table with every sentence changed, the common ones of the errors too."""
        common = {code.name.lower(): list(words) for code, words in WORDS.items()}
        return Words(pseudo.altered({"codes": common} | self._table, change))


ENGLISH = Words(_read("en"))
LANGUAGES = {"en": ENGLISH, "de": Words(_read("de"))}
"""What a person can choose."""

RIGHT_TO_LEFT = ("ar",)


@cache
def words_of(language: str) -> Words:
    """The words of a language; English for one that is not spoken here. `en-XA` and `ar-XB` are for those who work on
    the page: English, accented and lengthened, and English from right to left.
    """
    if language in pseudo.CHANGES:
        return ENGLISH.altered(pseudo.CHANGES[language])
    return LANGUAGES.get(language, ENGLISH)


def direction_of(language: str) -> str:
    """ "ltr" or "rtl", as HTML's `dir`."""
    return "rtl" if language.split("-")[0] in RIGHT_TO_LEFT else "ltr"
