"""The ledger's arithmetic, with numbers (section 5 of the protocol)."""

from __future__ import annotations

import pytest

from tallystick_shared.messages import MAX_AMOUNT
from tallystick_shared.money import (
    MILLION,
    Account,
    Price,
    Running,
    lower_bound_units,
    plausible_input,
    plausible_output,
)

ETHER = 10**18
ONE, TWO = b"1" * 16, b"2" * 16


@pytest.mark.parametrize(
    ("price", "units", "amount"),
    [
        (Price(0, 0), (10, 10), 0),
        (Price(1, 0), (0, 10**6), 0),
        (Price(1, 0), (1, 0), 1),  # a part of the smallest unit is a whole one
        (Price(1, 1), (500_000, 500_000), 1),
        (Price(1, 1), (500_000, 500_001), 2),
        (Price(3 * 10**6, 5 * 10**6), (7, 11), 76),
        (Price(2 * ETHER, 8 * ETHER), (1_000, 250), 4 * ETHER // 1000),
    ],
)
def test_price_is_a_ceiling_on_totals(price, units, amount):
    assert price.amount(*units) == amount


def test_one_ceiling_for_a_request_and_not_one_for_each_piece():
    account = Account(cap=100, window=100)
    account.start(ONE, Price(1, 1), 1)
    for units in range(1, 11):
        account.deliver(ONE, units)
    assert account.finish(ONE) == account.owed == 1


def test_amounts_beyond_64_bits():
    price = Price(0, MAX_AMOUNT // 10**6)
    assert price.amount(0, 10**6) == MAX_AMOUNT // 10**6 > 2**64


def test_owed_is_all_requests_finished_and_running():
    account = Account(cap=10**9, window=10**9)
    account.start(ONE, Price(10**6, 10**6), 10)
    account.start(TWO, Price(10**6, 2 * 10**6), 5)
    account.deliver(ONE, 3)
    account.deliver(TWO, 4)
    assert account.owed == 10 + 3 + 5 + 8
    assert account.finish(ONE) == 13
    assert account.owed == 26 and account.settled == 13
    assert account.finish(TWO) == 13
    assert account.owed == account.settled == 26


def test_units_never_fall_and_no_request_runs_twice():
    account = Account(cap=100, window=100)
    account.start(ONE, Price(10**6, 10**6), 0)
    account.deliver(ONE, 5)
    account.deliver(ONE, 5)
    with pytest.raises(ValueError):
        account.deliver(ONE, 4)
    with pytest.raises(ValueError):
        account.start(ONE, Price(1, 1), 1)


def test_credit_never_exceeds_the_window():
    """Rule 2: owed − durable ≤ W, to the unit."""
    account = Account(cap=10**9, window=20)
    account.start(ONE, Price(0, 2 * 10**6), 0)
    assert account.allows(ONE, 10) and not account.allows(ONE, 11)
    account.deliver(ONE, 10)
    assert account.credit == 20
    assert account.acknowledge(20) and account.credit == 0
    assert account.allows(ONE, 20) and not account.allows(ONE, 21)


def test_what_is_paid_ahead_widens_what_may_be_sent():
    account = Account(cap=10**9, window=20)
    account.start(ONE, Price(0, 10**6), 0)
    account.acknowledge(30)
    assert account.credit == -30
    assert account.allows(ONE, 50) and not account.allows(ONE, 51)


def test_nothing_beyond_the_cap():
    account = Account(cap=15, window=1000)
    account.start(ONE, Price(0, 10**6), 0)
    assert account.allows(ONE, 15) and not account.allows(ONE, 16)


def test_two_streams_share_one_window():
    account = Account(cap=10**9, window=20)
    account.start(ONE, Price(0, 10**6), 0)
    account.start(TWO, Price(0, 10**6), 0)
    account.deliver(ONE, 15)
    assert account.allows(TWO, 5) and not account.allows(TWO, 6)
    assert account.owed_with(TWO, 6) == 21


def test_input_beyond_the_window_is_paid_first():
    """Rule 4: PAY_FIRST names the total, not the part beyond the window."""
    account = Account(cap=10**9, window=20, settled=100, durable=100)
    assert account.first_payment(Price(10**6, 0), 20) == 0
    assert account.first_payment(Price(10**6, 0), 21) == 121
    account.acknowledge(101)
    assert account.first_payment(Price(10**6, 0), 21) == 0


@pytest.mark.parametrize(("unit", "durable", "needed"), [(20, 100, 0), (21, 100, 126), (21, 105, 126), (21, 106, 0)])
def test_a_unit_dearer_than_the_window_is_paid_before_it_is_made(unit, durable, needed):
    """Rule 4: an image. The first one is part of what is paid before the engine starts."""
    account = Account(cap=10**9, window=20, settled=100, durable=durable)
    assert account.first_payment(Price(10**6, unit * 10**6), 5) == needed


def test_affordable_output_after_the_input():
    account = Account(cap=100, window=20, settled=10)
    assert account.affordable(Price(10**6, 3 * 10**6), 30) == 20
    assert account.affordable(Price(10**6, 3 * 10**6), 90) == 0
    assert account.affordable(Price(10**6, 3 * 10**6), 91) == -1
    assert account.affordable(Price(10**6, 0), 10) == 2**31


@pytest.mark.parametrize("price", [Price(1, 1), Price(999_999, 1), Price(7, 3), Price(10**6 + 1, 10**6 - 1)])
def test_what_is_affordable_fits_the_cap_and_one_window_more_does_not(price):
    account = Account(cap=1000, window=1000, settled=17)
    units = account.affordable(price, 123)
    assert account.settled + price.amount(123, units) <= account.cap
    assert account.settled + price.amount(123, units + 2 * 10**6 // price.output) > account.cap


def test_only_a_higher_voucher_counts():
    account = Account(cap=100, window=10)
    assert account.acknowledge(5)
    assert not account.acknowledge(5) and not account.acknowledge(4)
    assert account.durable == 5


def test_lower_bound_of_an_input():
    assert lower_bound_units(100, 16) == 6
    assert lower_bound_units(15, 16) == 0
    assert lower_bound_units(100, 0) == 0


def test_bounds_on_what_a_provider_counts():
    assert plausible_input(164, 100, 64) and not plausible_input(165, 100, 64)
    assert plausible_output(16, 0) and not plausible_output(17, 0)
    assert plausible_output(116, 100) and not plausible_output(117, 100)


def test_what_is_not_stored_is_bounded_like_what_is_not_paid():
    """Money that came in advance: a crash would still forget what was sent for it."""
    account = Account(cap=1000, window=10, durable=500, stored=0)
    account.start(b"a", Price(0, MILLION), 0)
    assert account.allows(b"a", 10) and not account.unstored
    account.deliver(b"a", 10)
    assert not account.allows(b"a", 11) and account.unstored
    account.store(8)
    assert account.allows(b"a", 18, 10) and not account.allows(b"a", 19, 18)
    assert account.allows(b"a", 18) and not account.allows(b"a", 19) and not account.unstored
    account.store(3)
    assert account.stored == 8


def test_a_piece_dearer_than_the_window_goes_once_all_before_is_stored():
    account = Account(cap=1000, window=0, durable=500, stored=0)
    account.start(b"a", Price(0, MILLION), 0)
    assert account.allows(b"a", 100)
    account.deliver(b"a", 100)
    assert not account.allows(b"a", 200) and account.unstored
    account.store(100)
    assert account.allows(b"a", 200) and not account.allows(b"a", 501)


def test_a_client_keeps_its_own():
    account = Account(cap=1000, window=10, durable=500)
    account.start(b"a", Price(0, MILLION), 0)
    account.store(5)
    assert account.stored is None and account.allows(b"a", 510) and not account.unstored


@pytest.mark.parametrize(
    ("window", "stored", "owed", "wanted"),
    [(10, 0, 5, False), (10, 0, 6, True), (0, 5, 5, False), (0, 5, 6, True), (10, None, 100, False)],
)
def test_what_is_owed_is_brought_to_the_disk_once_it_is_above_half_a_window(window, stored, owed, wanted):
    assert Account(1000, window, settled=owed, stored=stored).unstored is wanted


@pytest.mark.parametrize("price", [Price(MILLION, 0), Price(0, MILLION)])
def test_the_first_voucher_comes_to_the_minimum_where_anything_is_charged(price):
    account = Account(cap=100, window=50, first=30)
    assert account.first_payment(price, 1) == 30
    assert account.first_payment(Price(0, 0), 1) == 0
    account.acknowledge(30)
    assert account.first_payment(price, 1) == 0


def test_what_is_due_in_the_end_is_the_minimum_only_as_far_as_it_was_promised():
    assert Account(100, 50, settled=5, durable=0, first=30).due == 5
    assert Account(100, 50, settled=5, durable=20, first=30).due == 20
    assert Account(100, 50, settled=5, durable=50, first=30).due == 30
    assert Account(100, 50, settled=40, durable=50, first=30).due == 40


def test_a_request_begins_with_nothing():
    assert Running(Price(1, 1)).amount == 0
