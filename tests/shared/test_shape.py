"""The metronome and the series of tails."""

from __future__ import annotations

from itertools import pairwise

from tallystick_shared.records import LOW_LATENCY as FAST
from tallystick_shared.records import RICH as LARGE
from tallystick_shared.session.shape import (
    BULK,
    FAREWELL_LIMIT,
    LOW_LATENCY,
    RICH,
    SHAPES,
    TEXT,
    Beat,
    Cadence,
    Tail,
    padded_count,
    shape_of,
)


def test_the_shapes_of_section_6():
    assert (TEXT.down, TEXT.up) == (Beat(0.1, 512), Beat(0.5, 256))
    assert (LOW_LATENCY.down, LOW_LATENCY.up) == (Beat(0.04, 256), Beat(0.2, 256))
    assert (RICH.down, RICH.up) == (Beat(0.1, 4096), Beat(0.1, 4096))
    assert (BULK.down.size, BULK.up.size, BULK.full_rate) == (16384, 4096, True)
    assert not any(shape.full_rate for shape in SHAPES.values() if shape is not BULK)


def test_the_class_goes_by_the_service_and_among_texts_by_the_greeting():
    assert shape_of(0, "chat") is shape_of(0, "something new") is TEXT
    assert shape_of(FAST, "chat") is shape_of(FAST, "audio.transcriptions") is LOW_LATENCY
    assert shape_of(LARGE, "chat") is shape_of(LARGE | FAST, "completion") is RICH
    for flags in (0, FAST, LARGE):
        assert shape_of(flags, "images") is shape_of(flags, "embeddings") is shape_of(flags, "audio.speech") is BULK


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


def test_an_early_record_counts_and_moves_the_beat():
    cadence = Cadence(BULK.down)
    cadence.start(0.0)
    cadence.early(0.3)
    assert cadence.count == 1 and not cadence.due(0.7) and cadence.due(0.8)


def test_a_tail_holds_a_farewell_and_ends_in_the_series():
    tail = Tail()
    assert not tail.over(10**6, 0.0, waiting=False, owing=False)
    tail.begin(7, TEXT.farewell, 0.0)
    assert tail.target == padded_count(8 + 10) == 22
    assert not tail.over(21, 1.0, waiting=False, owing=False)
    assert tail.over(22, 1.0, waiting=False, owing=False)
    assert not tail.over(23, 1.0, waiting=False, owing=False)


def test_what_is_late_moves_a_tail_to_the_next_of_the_series():
    tail = Tail()
    tail.begin(7, TEXT.farewell, 0.0)
    assert not tail.over(22, 1.0, waiting=True, owing=False)
    assert tail.target == 28
    assert not tail.over(28, 1.0, waiting=False, owing=True)
    assert tail.target == 35
    assert tail.over(35, FAREWELL_LIMIT, waiting=False, owing=True)


def test_a_new_stream_clears_the_tail():
    tail = Tail()
    tail.begin(7, TEXT.farewell, 0.0)
    tail.clear()
    assert not tail.over(22, 9.0, waiting=False, owing=False) and not tail.room(0)


def test_at_full_rate_all_but_the_farewell_leaves_at_once():
    tail = Tail()
    tail.begin(14, BULK.farewell, 0.0)
    assert tail.target == 17 and BULK.farewell == 2
    assert [count for count in range(13, 18) if tail.room(count)] == [13, 14]


def test_a_farewell_is_a_second_in_every_class():
    for shape in SHAPES.values():
        assert 1.0 <= shape.farewell * shape.down.interval < 1.0 + shape.down.interval
        assert shape.quiet >= 1.0


def test_a_beat_that_is_put_off_does_not_count():
    cadence = Cadence(BULK.down)
    cadence.start(0.0)
    cadence.put_off(0.4)
    assert cadence.next == 0.5
    cadence.put_off(0.6)
    assert cadence.next == 1.1 and not cadence.due(1.0) and cadence.due(1.1) and cadence.count == 1
