"""Counting somebody else's answers: never above bytes, never above what was asked, the same however text is cut."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from tallystick_helper.engines.upstream.units import Meter, Tokens, estimate
from tallystick_shared.chat import chat_input
from tallystick_shared.services import CHAT

TEXTS = st.lists(st.text(max_size=40), max_size=30)


def words(text: str) -> int:
    """A tokenizer of a kind: words with their space, and each other character."""
    return len(re.findall(r" ?\w+|\W", text))


@given(TEXTS, st.integers(1, 50), st.sampled_from([None, words, len]), st.lists(st.sampled_from([0, 1]), max_size=30))
def test_units_keep_within_bytes_and_wish(texts: list[str], most: int, count: object, kinds: list[int]) -> None:
    meter = Meter(most, count)  # type: ignore[arg-type]
    size = units = 0
    for at, text in enumerate(texts):
        for piece in meter.pieces(text, kinds[at] if at < len(kinds) else 0):
            size, units = size + len(piece.data), units + piece.units
            assert 0 < len(piece.data) <= CHAT.most and units <= size
            assert CHAT.plausible(units, size) and CHAT.fits(units, size)
    assert units == meter.units <= most
    assert meter.began == (size > 0)


@given(TEXTS)
def test_nothing_is_lost_below_the_limit(texts: list[str]) -> None:
    meter = Meter(10_000)
    got = b"".join(piece.data for text in texts for piece in meter.pieces(text))
    assert got.decode() == "".join(texts)
    assert meter.units == sum(1 for text in texts if text)


@given(st.lists(st.sampled_from(["word", " and", " another", "!", "\n", " x", "yz"]), max_size=400))
def test_tokens_are_those_of_the_whole_text(parts: list[str]) -> None:
    growth = Tokens(words)
    for part in parts:
        growth.add(part)
    assert abs(growth.after("") - words("".join(parts))) <= 1 + len(parts) // 100


def test_a_long_text_is_counted_by_its_end() -> None:
    looked: list[int] = []

    def count(text: str) -> int:
        looked.append(len(text))
        return words(text)

    growth = Tokens(count)
    for at in range(3000):
        growth.add(f" word{at % 7}")
    assert growth.after("") == 3000
    assert max(looked) < 1000


def test_an_answer_is_cut_where_the_wish_ends() -> None:
    meter = Meter(3, words)
    pieces = list(meter.pieces("one two three four five"))
    assert b"".join(piece.data for piece in pieces).decode() in ("one two three", "one two three ")
    assert meter.full and not list(meter.pieces(" six"))


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text(max_size=200)), min_size=1, max_size=8))
def test_an_estimate_is_below_the_bytes(messages: list[tuple[str, str]]) -> None:
    assert 0 < estimate(messages) <= len(chat_input(messages))
