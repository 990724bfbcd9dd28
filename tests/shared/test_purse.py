"""What a client signs ahead of delivery, and what cuts may cost it: never more than the advance it allows."""

from __future__ import annotations

import msgspec
import pytest

from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import amount_bytes
from tallystick_shared.money import Account, Price
from tallystick_shared.session import ClientLimits, Request, Resume
from tallystick_shared.session.client_stream import ClientStream
from tallystick_shared.session.purse import Purse
from tallystick_shared.session.tables import StreamState
from tests.shared.pair import OFFER, PRICE_IN, PRICE_OUT, WINDOW
from tests.shared.tools import refused

IN, OUT = 10**6, 4 * 10**6
CAP = 10**12
LIMITS = ClientLimits(WINDOW, WINDOW)
REQUEST = Request(bytes(16), "chat", b"", b"x" * 100, OFFER, 1000)
MOST = (100 + OFFER.template_units) * IN


def purse(resume=None, **streams):
    made = Purse(LIMITS, dict(enumerate(streams.values(), 1)))
    made.bring(CAP, resume or Resume())
    return made


def waiting():
    return ClientStream(REQUEST)


@pytest.mark.parametrize(
    ("limit", "good"),
    [
        (None, True),
        (Price(PRICE_IN, PRICE_OUT), True),
        (Price(PRICE_IN - 1, PRICE_OUT), False),
        (Price(PRICE_IN, PRICE_OUT - 1), False),
    ],
)
def test_an_offer_dearer_than_agreed(limit, good):
    """Neither its input nor its output: long inputs are what PAY_FIRST may ask most for."""
    limits = ClientLimits(WINDOW, WINDOW, limit)
    if good:
        limits.check(OFFER)
        return
    with refused(Code.PRICE_CHANGED, PeerError):
        limits.check(OFFER)


def test_the_most_that_an_input_costs_is_a_unit_for_each_byte_and_the_template():
    assert REQUEST.most_input == MOST


# -- after a cut


def test_without_a_cut_our_count_stands():
    ours = purse(Resume(100, 90, False))
    ours.agree(0, 500, WINDOW)
    assert (ours.account.owed, ours.signed, ours.unseen) == (90, 100, 0)


def test_a_provider_that_lost_some_of_its_count():
    ours = purse(Resume(100, 90, True))
    ours.agree(0, 80, WINDOW)
    assert (ours.account.owed, ours.unseen) == (80, 0)


def test_what_a_cut_kept_from_us_is_taken_over_and_remembered():
    ours = purse(Resume(100, 90, True))
    ours.agree(0, 95, WINDOW)
    assert (ours.account.owed, ours.unseen) == (95, 5)


def test_what_our_own_signature_proves_after_our_store_lost_it():
    ours = purse(Resume(0, 0, True))
    ours.agree(5 * WINDOW, 5 * WINDOW, WINDOW)
    assert (ours.account.owed, ours.signed, ours.unseen) == (5 * WINDOW, 5 * WINDOW, 0)


def test_an_input_that_was_accepted_unheard_is_no_loss():
    ours = purse(Resume(0, 0, True, waiting=MOST))
    ours.agree(0, 25 * IN, WINDOW)
    assert (ours.account.owed, ours.unseen) == (25 * IN, 0)


def test_cuts_earn_no_more_than_the_advance_however_many():
    """A provider that hangs up in every answer, each time with half a window that nobody ever saw."""
    resume, counted = Resume(0, 0, True), 0
    for _ in range(10):
        counted += WINDOW // 2
        ours = purse(resume)
        ours.agree(resume.signed, counted, WINDOW)
        ours.sign(ours.target())
        resume = Resume(ours.signed, ours.account.owed, True, 0, ours.unseen)
    assert resume.signed == resume.owed == LIMITS.advance


def test_an_advance_that_was_paid_first_is_not_lost_to_each_cut():
    """A provider that asks for all it may before every answer, never answers, and calls it delivered."""
    resume, rounds = Resume(0, 0, True), 10
    for _ in range(rounds):
        ours = purse(resume, held=waiting())
        ours.agree(resume.signed, resume.signed, WINDOW)
        assert ours.pay_first(ours.account.owed + MOST + LIMITS.advance) is None
        ours.sign(ours.target())
        resume = Resume(ours.signed, ours.account.owed, True, ours.waiting, ours.unseen)
    assert resume.signed <= rounds * MOST + 2 * LIMITS.advance


# -- ahead of delivery


def test_pay_first_as_far_as_input_and_advance_explain_it():
    ours = purse(held=waiting())
    assert ours.pay_first(MOST + LIMITS.advance) is None
    assert ours.target() == MOST + LIMITS.advance
    refusal = ours.pay_first(MOST + LIMITS.advance + 1)
    assert refusal is not None and refusal.code is Code.ADVANCE_TOO_LARGE
    assert ours.target() == MOST + LIMITS.advance


def test_pay_first_beyond_the_cap():
    ours = purse(held=waiting())
    ours.account = Account(10 * IN, WINDOW)
    refusal = ours.pay_first(11 * IN)
    assert refusal is not None and refusal.code is Code.DEPOSIT_EXHAUSTED


def test_what_waits_is_what_nobody_has_accepted():
    accepted, over = waiting(), waiting()
    accepted.accepted, accepted.state = True, StreamState.RUNNING
    over.state = StreamState.FAILED
    cancelled = waiting()
    cancelled.state = StreamState.CANCELLED
    assert purse(one=waiting(), two=accepted, three=over, four=cancelled).waiting == 2 * MOST


def test_the_last_voucher_says_what_is_owed_also_below_an_advance():
    ours = purse(Resume(1000, 90, False))
    ours.agree(0, 90, WINDOW)
    assert ours.final == 90 and not ours.wanted


def test_a_new_purse_is_empty():
    made = Purse(LIMITS, {})
    assert made.account == Account(cap=0, window=0)
    assert (made.signed, made.unseen, made.asked, made.target(), made.final) == (0, 0, False, 0, 0)
    assert not made.wanted
    assert made.pay_first(1) is not None
    made.agree(0, 5, 0)
    assert (made.account.owed, made.unseen) == (0, 0)


# -- where streams are resumed


def rejoined(owed, best=0, resume=None, **streams):
    made = purse(resume, **streams)
    made.asked = True
    made.rejoin(best, owed, WINDOW)
    return made


def test_rejoining_keeps_our_count_and_takes_the_better_voucher():
    made = rejoined(100, best=7, resume=Resume(signed=3, owed=50))
    assert (made.signed, made.asked, made.account.owed) == (7, False, 50)
    assert (made.account.durable, made.account.window, made.account.cap) == (7, WINDOW, CAP)
    assert rejoined(100, best=2, resume=Resume(signed=3)).signed == 3
    assert rejoined(100, best=2, resume=Resume(signed=3)).account.durable == 2


def test_rejoining_a_window_beyond_what_we_allow():
    made = purse()
    with refused(Code.ADVANCE_TOO_LARGE, PeerError):
        made.rejoin(0, 0, WINDOW + 1)
    made.rejoin(0, 0, WINDOW)


def test_what_a_cancelled_stream_may_cost_is_reckoned_anew():
    for come_back in (lambda made: made.rejoin(5, 0, 30), lambda made: made.agree(5, 0, 30)):
        held, running = waiting(), waiting()
        held.state = StreamState.CANCELLED
        made = purse(a=held, b=running)
        come_back(made)
        assert held.most == 5 + 30
        assert running.most is None


def test_a_stream_that_is_gone_costs_its_input_and_output_up_to_the_advance():
    accepted = waiting()
    accepted.accepted = True
    made = rejoined(10 * WINDOW)
    assert made.missed(accepted, 5) == 5
    assert (made.unseen, made.account.owed) == (5, 5)
    assert made.missed(accepted, 10 * WINDOW) == WINDOW - 5
    assert (made.unseen, made.account.owed) == (WINDOW, WINDOW)
    assert made.missed(accepted, 1) == 0
    assert made.missed(waiting(), 10 * MOST) == MOST  # an input that was never accepted explains itself
    assert (made.unseen, made.account.owed) == (WINDOW, WINDOW + MOST)


def test_a_stream_that_is_gone_costs_no_more_than_the_provider_counts_beyond_us():
    made = rejoined(50, resume=Resume(owed=40))
    assert made.missed(waiting(), 100) == 10
    assert made.missed(waiting(), 100) == 0
    assert (made.unseen, made.account.owed) == (0, 50)
    assert rejoined(30, resume=Resume(owed=40)).missed(waiting(), 100) == 0


def test_the_rest_of_an_input_that_was_not_taken_explains_the_next():
    made = rejoined(10 * WINDOW + 2 * MOST)
    assert made.missed(waiting(), 1) == 1
    accepted = waiting()
    accepted.accepted = True
    assert made.missed(accepted, MOST) == MOST
    assert made.unseen == 1  # all but one was still explained by the first input


def test_a_provider_that_lost_its_memory_is_believed_as_after_a_cut():
    made = rejoined(3 * WINDOW)
    made.lost_memory()
    assert (made.unseen, made.account.owed) == (WINDOW, WINDOW)
    made.lost_memory()
    assert made.account.owed == WINDOW
    little = rejoined(7)
    little.lost_memory()
    assert (little.unseen, little.account.owed) == (7, 7)
    spent = rejoined(3 * WINDOW, resume=Resume(unseen=2 * WINDOW))
    spent.lost_memory()
    assert spent.account.owed == 0


@pytest.mark.parametrize(("state", "pays"), [(StreamState.INPUT, True), (StreamState.RUNNING, True),
    (StreamState.RESUMED, True), (StreamState.DETACHED, False), (StreamState.DONE, False),
    (StreamState.CANCELLED, False)])  # fmt: skip
def test_what_was_asked_for_counts_while_work_is_under_way(state, pays):
    held = waiting()
    made = purse(a=held)
    made.agree(0, 0, WINDOW)
    assert made.pay_first(WINDOW) is None
    held.state = state
    assert made.target() == (WINDOW if pays else 0)


@pytest.mark.parametrize("state", list(StreamState))
def test_inputs_whose_fate_is_open(state):
    held = waiting()
    held.state = state
    made = purse(a=held)
    assert made.waiting == (MOST if state.name in ("INPUT", "CANCELLED", "DETACHED") else 0)
    held.accepted = True
    assert made.waiting == 0


@pytest.mark.parametrize(("price_in", "price_out", "first"), [(0, 0, 0), (1, 0, 9), (0, 1, 9)])
def test_the_first_voucher_comes_to_the_minimum_where_anything_is_charged(price_in, price_out, first):
    offer = msgspec.structs.replace(OFFER, price_in=amount_bytes(price_in), price_out=amount_bytes(price_out))
    made = Purse(LIMITS, {}, first=9)
    made.bring(CAP, Resume())
    made.agree(0, 0, WINDOW)
    asked = Request(bytes(16), "chat", b"", b"", offer, 10)
    assert made.first_amount(asked) == first
    made.sign(9)
    assert made.first_amount(asked) == 9
    assert Purse(LIMITS, {}).first == 0


def test_what_was_asked_for_others_that_are_over_counts_no_more():
    held = waiting()
    made = purse(a=held)
    made.agree(0, 0, WINDOW)
    assert made.pay_first(WINDOW) is None
    made.opened()
    assert made.target() == WINDOW  # it is still under way
    held.state = StreamState.DONE
    made.opened()
    held.state = StreamState.INPUT
    assert made.target() == 0


def test_pay_first_at_each_of_its_bounds():
    asked, stopped = waiting(), waiting()
    stopped.state = StreamState.CANCELLED
    made = purse(Resume(signed=5), a=asked, b=stopped)
    made.agree(5, 0, WINDOW)
    assert made.pay_first(5) is None and made.target() == 0  # it crossed with the voucher that says so
    assert made.pay_first(2 * MOST + WINDOW) is None and made.target() == 0  # for the input that was cancelled
    assert made.pay_first(2 * MOST + WINDOW + 1).code is Code.ADVANCE_TOO_LARGE
    assert made.pay_first(CAP).code is Code.ADVANCE_TOO_LARGE
    assert made.pay_first(CAP + 1).code is Code.DEPOSIT_EXHAUSTED
    assert made.pay_first(MOST + WINDOW) is None and made.target() == MOST + WINDOW


def test_a_cancelled_stream_may_cost_what_it_ran_up_and_a_window_beyond_what_is_signed():
    held = waiting()
    made = purse(a=held)
    made.agree(0, 0, 30)
    assert made.most(held) == 30
    made.account.start(REQUEST.request_id, Price(10**6, 0), 12)
    assert made.most(held) == 30 + 12
    made.sign(20)
    assert made.most(held) == 30 + 12 + 8
