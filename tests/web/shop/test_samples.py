"""What was measured from here: weighted by what was paid, and never without end."""

from __future__ import annotations

import msgspec

from tallystick_web.shop.samples import EACH, MODELS, PROVIDERS, Reach, Sample, Samples, speed_of, weighted_median


def test_a_median_goes_by_weight() -> None:
    assert weighted_median([(1, 1), (2, 1), (3, 1)]) == 2
    assert weighted_median([(1, 1), (2, 1), (9, 10)]) == 9
    assert weighted_median([]) is None


def test_a_paid_answer_weighs_more_than_many_free_ones() -> None:
    free = [Sample(1, 100, 90.0)] * 10
    assert speed_of([*free, Sample(2, 3000, 5.0, "1000")]).first_ms == 3000


def test_answers_without_a_word_have_no_time_to_the_first() -> None:
    speed = speed_of([Sample(5, -1, 0.0), Sample(3, -1, 0.0)])
    assert (speed.samples, speed.first_ms, speed.per_second, speed.at) == (2, None, 0.0, 5)


def test_the_latest_stay() -> None:
    held = Samples()
    for at in range(EACH + 5):
        held = held.with_answer("a", Sample(at, at, 1.0))
    assert [sample.at for sample in held.answers["a"]] == list(range(5, EACH + 5))
    for number in range(MODELS):
        held = held.with_answer(f"m{number}", Sample(number, 1, 1.0))
    assert len(held.answers) == MODELS and "a" not in held.answers


def test_looks_are_counted() -> None:
    held = Samples().with_look(b"\x01", True).with_look(b"\x01", False)
    assert held.reach == {"01": Reach(2, 1)}
    for number in range(PROVIDERS):
        held = held.with_look(number.to_bytes(20, "big"), True)
    assert len(held.reach) == PROVIDERS and "01" not in held.reach


def test_it_goes_into_the_vault_and_comes_back() -> None:
    held = Samples().with_answer("a", Sample(1, 2, 3.0, "4")).with_look(b"\x01", True)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(held), type=Samples) == held
    assert held.speeds()["a"].samples == 1
