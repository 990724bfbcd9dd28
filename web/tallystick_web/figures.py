"""How amounts, times and addresses are written for people. Money stays an integer until the last step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from .words import Words

GWEI = 9


@dataclass(frozen=True)
class Coin:
    """The chain's own coin."""

    symbol: str = "ETH"
    decimals: int = 18


@dataclass(frozen=True)
class Figure:
    """A number and its unit, apart, so that they can be set apart. The number groups by commas."""

    number: str
    unit: str

    def said(self, t: Words) -> str:
        """As the language writes it."""
        return f"{t.number(self.number)} {self.unit}"


def shorten(amount: int, decimals: int, digits: int = 4) -> str:
    """`amount` / 10^decimals with at most `digits` significant decimals, cut and never rounded up: 9_999 at 3
    gives 9.999.
    """
    sign, amount = ("−" if amount < 0 else ""), abs(amount)
    whole, rest = divmod(amount, 10**decimals)
    tail = f"{rest:0{decimals}d}" if decimals else ""
    leading = len(tail) - len(tail.lstrip("0")) if whole == 0 else 0
    tail = tail[: leading + digits].rstrip("0")
    return f"{sign}{whole:,}" + (f".{tail}" if tail else "")


def money(amount: int, coin: Coin, digits: int = 4) -> Figure:
    """An amount in the largest unit that keeps it readable."""
    if amount == 0 or coin.decimals != 18 or abs(amount) >= 10**12:
        return Figure(shorten(amount, coin.decimals, digits), coin.symbol)
    if abs(amount) >= 10**6:
        return Figure(shorten(amount, GWEI, digits), "gwei")
    return Figure(f"{amount:,}", "wei")


def parse_amount(text: str, coin: Coin) -> int | None:
    """What a person typed, in the smallest unit; None where it is not an amount above zero."""
    text = text.strip().replace(",", ".")
    whole, _, rest = text.partition(".")
    if not (whole + rest).isdigit() or not (whole + rest).isascii() or len(rest) > coin.decimals or len(whole) > 30:
        return None
    amount = int(whole or "0") * 10**coin.decimals + int(rest.ljust(coin.decimals, "0") or "0")
    return amount or None


def plain(amount: int, decimals: int) -> str:
    """The exact amount, as an input field holds it."""
    whole, rest = divmod(amount, 10**decimals)
    tail = f"{rest:0{decimals}d}".rstrip("0") if decimals else ""
    return f"{whole}.{tail}" if tail else str(whole)


def short_address(address: bytes) -> str:
    """The middle cut out."""
    text = address.hex()
    return f"0x{text[:4]}…{text[-4:]}"


def short_hash(text: str) -> str:
    """The same for a hash that is written already."""
    return f"{text[:6]}…{text[-4:]}"


def clock_time(seconds: float, now: float, t: Words, offset_minutes: int = 0) -> str:
    """A moment in the person's own time: the hour alone within a day, with the date beyond. `offset_minutes` is
    east of UTC.
    """
    zone = timezone(timedelta(minutes=offset_minutes)) if offset_minutes else UTC
    return t.moment(datetime.fromtimestamp(seconds, zone), datetime.fromtimestamp(now, zone))


def span(seconds: float, t: Words) -> str:
    """A length of time, roughly, in words."""
    minutes = max(1, round(seconds / 60))
    if minutes < 90:
        return t.plural("time.minutes", minutes)
    hours = round(minutes / 60)
    return t.plural("time.hours", hours) if hours < 48 else t.plural("time.days", round(hours / 24))
