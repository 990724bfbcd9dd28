"""Figures as people read them: amounts, times, addresses, tables. A terminal gets a table; a pipe gets lines of
tab-separated columns with a head, whole and uncoloured, for `cut` and `awk`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from rich.console import Console
from rich.markup import escape

from tallystick_shared.errors import Code, LocalError

GWEI = 10**9
STEPS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def parse_amount(text: str, decimals: int = 18) -> int:
    """`0.01` of the coin (or of a token with so many decimals), or `5000wei`: smallest units. Raises LocalError
    BAD_SETTINGS.
    """
    try:
        amount = Decimal(text[:-3]) if text.endswith("wei") else Decimal(text) * 10**decimals
        if amount <= 0 or amount != int(amount):
            raise InvalidOperation
    except (InvalidOperation, OverflowError, ValueError):
        raise LocalError(Code.BAD_SETTINGS, amount=text, reason="give it like 0.01, or like 5000wei") from None
    return int(amount)


def show_amount(amount: int, symbol: str, decimals: int = 18) -> str:
    """An amount of smallest units for people: exact, in the coin or in a token with so many decimals."""
    return f"{_trimmed(Decimal(amount) / 10**decimals)} {symbol}"


def show_fee(amount: int, symbol: str) -> str:
    """A fee in wei for people, in the coin: rounded up to four digits, because it is an estimate."""
    unit = 10 ** max(0, len(str(amount)) - 4)
    return show_amount(-(-amount // unit) * unit, symbol)


@dataclass(frozen=True)
class Money:
    """What amounts are in: a symbol, and how many decimals its smallest unit is below one."""

    symbol: str
    decimals: int = 18

    def show(self, amount: int) -> str:
        return show_amount(amount, self.symbol, self.decimals)

    def parse(self, text: str) -> int:
        """Raises LocalError BAD_SETTINGS."""
        return parse_amount(text, self.decimals)


def show_gwei(price: int) -> str:
    """A price per gas, in gwei."""
    return f"{_trimmed(Decimal(price) / GWEI)} gwei"


def _trimmed(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def show_date(moment: int) -> str:
    """Unix seconds as UTC, to the minute."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")


def show_span(seconds: int) -> str:
    """A length of time in its largest unit, rounded down: `6 days`."""
    for size, name in STEPS:
        if seconds >= size:
            count = seconds // size
            return f"{count} {name}{'s' if count > 1 else ''}"
    return "now"


def show_moment(moment: int, now: int) -> str:
    """A date with its distance: `2026-12-01 05:41 UTC (in 6 days)`."""
    span = show_span(abs(moment - now))
    distance = "now" if span == "now" else f"in {span}" if moment > now else f"{span} ago"
    return f"{show_date(moment)} ({distance})"


def plain_text(text: str) -> str:
    """What somebody else wrote, without the control characters that a terminal would obey."""
    return "".join(character for character in text if character.isprintable() or character in "\n\t")


def short(hexed: str) -> str:
    """An address or id with its middle cut out."""
    return f"{hexed[:8]}…{hexed[-6:]}" if len(hexed) > 16 else hexed


def print_table(console: Console, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows of cells; hexadecimal ones are cut short on a terminal alone."""
    if not console.is_terminal:
        for row in [[head.upper() for head in heads], *rows]:
            console.file.write("\t".join(_one_line(cell) for cell in row) + "\n")
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(escape(short(cell) if cell.startswith("0x") else _one_line(cell)) for cell in row))
    console.print(table, soft_wrap=False)


def print_sheet(console: Console, rows: Sequence[tuple[str, str]]) -> None:
    """Names and values, one a line."""
    width = max(len(name) for name, _ in rows) + 2
    for name, value in rows:
        if console.is_terminal:
            console.print(f"[bold]{name.ljust(width)}[/bold]{escape(_one_line(value))}")
        else:
            console.file.write(f"{name}\t{_one_line(value)}\n")


def _one_line(cell: str) -> str:
    return " ".join(plain_text(cell).split())
