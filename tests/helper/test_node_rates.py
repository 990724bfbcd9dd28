"""Token buckets: so many for an address, so many in all, and more after a while."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tallystick_helper.node.rates import Bucket, Meter, Rate
from tallystick_shared.errors import Code
from tests.shared.tools import refused


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


RATES = Rate(3, 0.5), Rate(5, 1.0)


def test_so_many_for_one_address_and_more_after_a_while() -> None:
    clock = Clock()
    meter = Meter(*RATES, clock)
    for _ in range(3):
        meter.take("192.0.2.1")
    with refused(Code.BUSY):
        meter.take("192.0.2.1")
    meter.take("192.0.2.2")
    clock.now += 2
    meter.take("192.0.2.1")
    with refused(Code.BUSY):
        meter.take("192.0.2.1")


def test_so_many_in_all() -> None:
    clock = Clock()
    meter = Meter(*RATES, clock)
    for number in range(5):
        meter.take(f"192.0.2.{number}")
    with refused(Code.BUSY):
        meter.take("192.0.2.9")
    clock.now += 1
    meter.take("192.0.2.9")


def test_a_neighbour_of_the_same_v6_network_counts_as_one() -> None:
    meter = Meter(*RATES, Clock())
    for number in range(3):
        meter.take(f"2001:db8::{number + 1}")
    with refused(Code.BUSY):
        meter.take("2001:db8::9")


def test_few_addresses_are_remembered() -> None:
    meter = Meter(Rate(3, 0.5), Rate(10**9, 1), Clock())
    for number in range(5000):
        meter.take(f"10.0.{number // 256}.{number % 256}")
    assert len(meter) == 4096


def test_what_was_refused_is_not_counted() -> None:
    clock = Clock()
    meter = Meter(Rate(1, 0.5), Rate(2, 1.0), clock, Code.TOO_MANY_CONNECTIONS)
    meter.take("192.0.2.1")
    for _ in range(100):
        with refused(Code.TOO_MANY_CONNECTIONS):
            meter.take("192.0.2.1")
    meter.take("192.0.2.2")
    clock.now += 2
    meter.take("192.0.2.1")


@given(st.lists(st.floats(0, 5), max_size=100))
def test_never_more_than_the_burst_and_what_time_gave(pauses: list[float]) -> None:
    clock, taken = Clock(), 0
    meter, start = Meter(Rate(10, 2.0), Rate(10**6, 1.0), clock), clock.now
    for pause in pauses:
        clock.now += pause
        try:
            meter.take("192.0.2.1")
        except Exception:
            continue
        taken += 1
    assert taken <= 10 + 2.0 * (clock.now - start) + 1e-6


def test_a_bucket_tells_how_long_to_wait() -> None:
    bucket = Bucket(Rate(2, 0.5), 0.0)
    assert bucket.wait(0.0) == 0
    bucket.take()
    bucket.take()
    assert bucket.wait(0.0) == 2.0
    assert bucket.wait(1.0) == 1.0
    assert bucket.left(100.0) == 2
