"""What a listener learns from sizes and times: which of twenty topics an answer is about.

Answers of a real model are said again through two real sessions on a clock that is handed in. Cut to one length class,
an attacker that was trained on others like them does no better than chance; on the very same answers without shape it
does well, so it can attack. What is left is the length class; how much that tells is measured and told.

The short form takes sixteen answers of each topic and two attackers; the long form all of them and three.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from random import Random

import pytest

from tallystick_helper.crypto import NativeCrypto
from tests.shared.eavesdropper import Seen

from . import WHOLE, Answer, read
from .attack import Guess, attack
from .replay import bare, cut, shaped
from .topics import read_topics

FULL = bool(os.environ.get("TALLYSTICK_FULL"))
EACH = 100 if FULL else 16
CUT = 16
"""Each answer is cut after so many tokens; shorter ones are left out."""
LEAST = 400 if FULL else 240
MARGIN = 0.03 if FULL else 0.05
"""Three points are five standard errors of the long form, and hardly two of the short one."""
CLEARLY = 0.10

Say = Callable[[str], None]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], record_property: Callable[[str, object], None]) -> Say:
    """Prints a figure past pytest's capture, and keeps it with the test."""

    def speak(line: str) -> None:
        record_property("figure", line)
        with capsys.disabled():
            print(f"\n  {line}", end="", flush=True)

    return speak


def some(answers: Iterable[Answer], each: int) -> list[Answer]:
    """The first so many of each topic."""
    held: dict[int, list[Answer]] = defaultdict(list)
    for answer in answers:
        held[answer.topic].append(answer)
    return [answer for topic in held.values() for answer in topic[:each]]


@dataclass(frozen=True)
class Said:
    """Answers, and what passed of each with shape."""

    answers: list[Answer]
    sessions: list[list[Seen]]

    @property
    def topics(self) -> list[int]:
        return [answer.topic for answer in self.answers]


def down(session: list[Seen]) -> int:
    return sum(seen.sender == "provider" for seen in session)


@cache
def of_one_class() -> Said:
    """Cut answers, and of these the ones of the commonest length class: a listener counts the same records of each."""
    crypto, luck, cuts = NativeCrypto(), Random(1), cut(some(read().answers, EACH), CUT)
    sessions = [shaped(crypto, answer, luck) for answer in cuts]
    [(common, _)] = Counter(map(down, sessions)).most_common(1)
    kept = [(answer, session) for answer, session in zip(cuts, sessions, strict=True) if down(session) == common]
    return Said([answer for answer, _ in kept], [session for _, session in kept])


def guess(sessions: list[list[Seen]], topics: list[int]) -> Guess:
    return attack(sessions, topics, thorough=FULL)


def test_the_traces_are_what_the_recipe_says() -> None:
    traces = read()
    assert traces.topics == tuple(read_topics())
    counts = [sum(answer.topic == topic for answer in traces.answers) for topic in range(20)]
    assert counts == [100] * 20
    for most, held in ((32, traces), (192, read(WHOLE))):
        assert held.topics == traces.topics
        for answer in held.answers:
            assert len(answer.sizes) == len(answer.units) == len(answer.gaps)
            assert sum(answer.units) <= most
            assert all(units <= size for units, size in zip(answer.units, answer.sizes, strict=True))


def test_with_shape_topics_cannot_be_told_apart(say: Say) -> None:
    said = of_one_class()
    found = guess(said.sessions, said.topics)
    say(f"topic of an answer, shaped, one length class: {found}")
    assert found.count >= LEAST
    assert found.accuracy <= found.chance + MARGIN


def test_the_control_without_shape_tells_them_apart(say: Say) -> None:
    """The very same answers, one record for each token."""
    said, luck = of_one_class(), Random(2)
    found = guess([bare(answer, luck) for answer in said.answers], said.topics)
    say(f"topic of an answer, one record a token:       {found}")
    assert found.interval[0] > found.chance + CLEARLY


def test_the_length_class_is_what_leaks(say: Say) -> None:
    """Whole answers, most of which end when they end. No bound: it says what constant shape does not hide."""
    crypto, luck = NativeCrypto(), Random(3)
    whole = some(read(WHOLE).answers, 100 if FULL else 5)
    topics = [answer.topic for answer in whole]
    sessions = [shaped(crypto, answer, luck) for answer in whole]
    alone = guess([length_only(session) for session in sessions], topics)
    say(f"topic by the length class alone, {len(set(map(down, sessions)))} of them:   {alone}")
    found = guess(sessions, topics)
    say(f"topic of a whole answer, shaped:              {found}")
    without = guess([bare(answer, luck) for answer in whole], topics)
    say(f"topic of a whole answer, one record a token:  {without}")
    assert found.accuracy < without.interval[0]


def length_only(session: list[Seen]) -> list[Seen]:
    """A session reduced to its number of records."""
    return [Seen(0.0, "provider", 0)] * down(session)
