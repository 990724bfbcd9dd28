"""The metronome and the series of tails."""

from __future__ import annotations

from itertools import pairwise

from tallystick_shared.session.shape import LOW_LATENCY, TEXT, Beat, Cadence, padded_count


def test_the_shapes_of_section_6():
    assert (TEXT.down, TEXT.up) == (Beat(0.1, 512), Beat(0.5, 256))
    assert (LOW_LATENCY.down, LOW_LATENCY.up) == (Beat(0.04, 256), Beat(0.2, 256))


def test_tails_grow_by_a_quarter():
    series = sorted({padded_count(count) for count in range(1, 500)})
    assert series[:6] == [10, 13, 17, 22, 28, 35]
    assert all(after <= before * 5 / 4 + 1 for before, after in pairwise(series))


def test_a_tail_is_never_shorter_than_what_was_sent():
    assert all(count <= padded_count(count) <= max(10, count * 1.25 + 1) for count in range(1, 2000))


def test_a_cadence_that_was_not_started_is_silent():
    assert not Cadence(TEXT.down).due(100)


def test_one_beat_an_interval():
    cadence = Cadence(Beat(0.5, 256))
    cadence.start(10.0)
    beats = [tenth for tenth in range(100, 151) if cadence.due(tenth / 10)]
    assert beats == [105, 110, 115, 120, 125, 130, 135, 140, 145, 150]
    assert cadence.count == 10


def test_missed_beats_are_dropped_and_never_made_up():
    cadence = Cadence(Beat(0.1, 512))
    cadence.start(0.0)
    assert cadence.due(60.0)
    assert not cadence.due(60.0)
    assert not cadence.due(60.09)
    assert cadence.due(60.11)
    assert cadence.count == 2


def test_starting_twice_changes_nothing():
    cadence = Cadence(Beat(0.1, 512))
    cadence.start(0.0)
    cadence.due(0.1)
    cadence.start(0.15)
    assert cadence.count == 1 and cadence.next == 0.2


def test_starting_again_after_a_stop_counts_from_nought():
    cadence = Cadence(Beat(0.1, 512))
    cadence.start(0.0)
    cadence.due(0.1)
    cadence.stop()
    assert not cadence.due(5.0)
    cadence.start(5.0)
    assert cadence.count == 0 and not cadence.due(5.05) and cadence.due(5.1)
