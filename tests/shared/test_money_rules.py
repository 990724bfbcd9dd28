"""The twelve rules of money, each by its number in section 5 of the protocol: what is said there, and what fails there.

Rules that speak of a node's disk and engine (1, 6, 7, 8) also have tests of that name in tests/helper.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import PayFirst, amount_bytes
from tallystick_shared.session import Request
from tallystick_shared.session import events as ev
from tests.shared.pair import OFFER, WINDOW, Pair
from tests.shared.tools import refused

IN, OUT = 10**6, 4 * 10**6
INPUT = 40 * IN
"""What the usual question costs."""


@pytest.fixture
def pair(crypto):
    return Pair(crypto).connect()


def answer(pair, units=5):
    """A whole answer of `units` units; returns its Finished."""
    stream = pair.ask()
    pair.engine(stream, units)
    pair.provider.finish(stream, "stop")
    pair.pass_time(12)
    return pair.seen(ev.Finished)[-1]


def sent(pair, kind):
    """Bodies of that type that the provider posts from now on."""
    bodies, post = [], pair.provider._post

    def noted(body, *rest, **more):
        if isinstance(body, kind):
            bodies.append(body)
        post(body, *rest, **more)

    pair.provider._post = noted
    return bodies


def closed_for(pair):
    pair.client.close()
    pair.settle()
    return pair.seen(ev.CloseAsked, "provider")[-1].voucher.amount


# -- rule 10: the first-voucher minimum

FIRST = INPUT + 10 * OUT


def test_rule_10_the_first_voucher_comes_to_the_minimum_at_once(crypto):
    pair = Pair(crypto, first=FIRST).connect()
    asked = sent(pair, PayFirst)
    pair.ask()
    assert pair.account.durable == pair.client.signed == FIRST
    assert pair.seen(ev.RequestReady, "provider") and not asked


def test_rule_10_it_is_credited_against_use(crypto):
    pair = Pair(crypto, first=FIRST).connect()
    answer(pair, 5)
    assert pair.account.durable == pair.client.signed == FIRST  # not used up yet
    answer(pair, 5)
    assert pair.account.owed == pair.account.durable == pair.client.signed == 2 * (INPUT + 5 * OUT)
    assert closed_for(pair) == pair.account.owed


def test_rule_10_who_promises_less_is_asked_before_any_work(crypto):
    """A client that does not know of it promises what its input costs: PAY_FIRST, and nothing starts without."""
    pair = Pair(crypto, first=FIRST)
    pair.client.purse.first = 0
    pair.connect()
    asked = sent(pair, PayFirst)
    pair.durable = False
    pair.ask()
    pair.pass_time(1)
    assert asked == [PayFirst(amount_bytes(FIRST))] and not pair.seen(ev.RequestReady, "provider")
    assert pair.client.signed == FIRST  # within the advance that it allows
    pair.durable = True
    pair.provider.voucher_durable(pair.provider.highest)
    pair.settle()
    assert pair.seen(ev.RequestReady, "provider")


def test_rule_10_more_than_the_client_allows_is_never_signed(crypto):
    pair = Pair(crypto, first=WINDOW + 1).connect()
    with refused(Code.ADVANCE_TOO_LARGE, PeerError):
        pair.client.first_amount(pair.request())
    assert pair.client.signed == 0
    pair.client.purse.limits = replace(pair.client.purse.limits, first=WINDOW + 1)  # the person was told, and agreed
    pair.ask()
    assert pair.client.signed == WINDOW + 1


def test_rule_10_a_pay_first_that_crosses_with_it_is_no_reason_to_give_up(crypto):
    pair = Pair(crypto, first=3 * WINDOW)
    pair.client.purse.limits = replace(pair.client.purse.limits, first=3 * WINDOW)
    pair.connect()
    pair.durable = False
    asked = sent(pair, PayFirst)
    pair.ask()
    pair.pass_time(1)
    assert asked and not pair.seen(ev.Refused)
    assert pair.client.live and pair.client.signed == 3 * WINDOW


def test_rule_10_what_was_served_at_all_is_closed_for_the_minimum(crypto):
    """Else the close of a deposit that was hardly used would cost its provider more than it brings."""
    pair = Pair(crypto, first=FIRST).connect()
    answer(pair, 1)
    assert closed_for(pair) == FIRST


def test_rule_10_a_last_word_below_it_gives_way_to_the_first_voucher(crypto):
    pair = Pair(crypto, first=FIRST).connect()
    answer(pair, 1)
    pair.client.purse.first = 0
    assert closed_for(pair) == FIRST


def test_rule_10_whoever_got_nothing_pays_nothing(crypto):
    pair = Pair(crypto, first=FIRST).connect()
    pair._provider_driver = lambda event: None  # never measured: the model is busy, say
    pair.ask()
    pair.provider.fail(1, PeerError(Code.BUSY))
    pair.pass_time(1)
    assert pair.client.signed == FIRST
    assert closed_for(pair) == 0


def test_rule_10_what_costs_nothing_needs_no_first_voucher(crypto):
    pair = Pair(crypto, first=FIRST).connect()
    free = structs.replace(OFFER, price_in=b"", price_out=b"")
    request = Request(crypto.random(16), "chat", b"", b"x" * 160, free, 10)
    assert pair.client.first_amount(request) == 0
    pair.client.open(request, 0)
    pair.settle()
    assert pair.seen(ev.RequestReady, "provider") and pair.account.durable == 0
