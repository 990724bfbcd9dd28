"""What a model's answers look like from outside: for each piece of text its length and its time, and nothing else.

`tokens.zz` and `whole.zz` are data, made once by `make`; `read` gives them back.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

TOKENS = Path(__file__).with_name("tokens.zz")
WHOLE = Path(__file__).with_name("whole.zz")
TICK = 10_000  # times are kept in units of 1/10,000 s


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """One answer: its topic (an index), and for each piece its bytes, its units and the time since the one before
    (for the first: since the question), in `TICK`s.
    """

    topic: int
    sizes: tuple[int, ...]
    units: tuple[int, ...]
    gaps: tuple[int, ...]


class Traces(msgspec.Struct, frozen=True, array_like=True):
    """All of them, with how they came about."""

    model: str
    topics: tuple[str, ...]
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Token:
    """A piece of text as it left the model: `at` seconds after the question, so many bytes and units."""

    at: float
    size: int
    units: int


def write(traces: Traces, file: Path) -> None:
    file.write_bytes(zlib.compress(msgspec.msgpack.encode(traces), 9))


def read(file: Path = TOKENS) -> Traces:
    return msgspec.msgpack.decode(zlib.decompress(file.read_bytes()), type=Traces)


def tokens(answer: Answer) -> list[Token]:
    """The pieces of an answer with their times summed up."""
    at, made = 0, []
    for size, units, gap in zip(answer.sizes, answer.units, answer.gaps, strict=True):
        at += gap
        made.append(Token(at / TICK, size, units))
    return made
