"""Hours of the week."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick_helper.schedule import DAYS, WEEK, Schedule
from tallystick_shared.errors import Code, LocalError

MONDAY = datetime(2026, 11, 23)


def at(day: int, time: str) -> datetime:
    hour, minute = map(int, time.split(":"))
    return MONDAY.replace(day=23 + day, hour=hour, minute=minute)


@pytest.mark.parametrize(
    ("text", "day", "time", "open_"),
    [
        ("mon-fri 18:00-08:00", 0, "18:00", True),
        ("mon-fri 18:00-08:00", 0, "17:59", False),
        ("mon-fri 18:00-08:00", 5, "07:59", True),  # Friday night lasts into Saturday
        ("mon-fri 18:00-08:00", 5, "08:00", False),
        ("mon-fri 18:00-08:00", 0, "07:00", False),  # nobody began on Sunday
        ("sun 22:00-06:00", 0, "05:59", True),  # over the week's end
        ("sat,sun", 5, "00:00", True),
        ("sat,sun", 4, "23:59", False),
        ("fri-mon", 0, "12:00", True),
        ("* 09:00-17:00", 3, "16:59", True),
        ("* 00:00-24:00", 3, "23:59", True),
    ],
)
def test_hours(text: str, day: int, time: str, open_: bool) -> None:
    assert Schedule.parse([text]).open_at(at(day, time)) is open_


def test_none_is_always() -> None:
    assert Schedule().open_at(MONDAY)


@pytest.mark.parametrize("text", ["", "noday", "mon 9-17", "mon 25:00-26:00", "mon 09:60-10:00", "mon-xyz", "mon 9:00"])
def test_what_cannot_be_read_is_said(text: str) -> None:
    with pytest.raises(LocalError) as caught:
        Schedule.parse([text])
    assert caught.value.code is Code.BAD_SETTINGS and caught.value.values["hours"] == text


@given(st.sampled_from(DAYS), st.integers(0, 1439), st.integers(0, 1439))
def test_a_span_is_open_for_exactly_its_length(day: str, begin: int, end: int) -> None:
    text = f"{day} {begin // 60}:{begin % 60:02}-{end // 60}:{end % 60:02}"
    ((_, length),) = Schedule.parse([text]).spans
    assert 0 < length <= 24 * 60
    moments = [MONDAY.replace(day=23 + m // 1440, hour=m // 60 % 24, minute=m % 60) for m in range(0, WEEK, 7)]
    opened = sum(Schedule.parse([text]).open_at(moment) for moment in moments)
    assert abs(opened - length / 7) <= 1
