"""The twelve rules of money, each by its number in section 5 of the protocol: what is said there, and what fails there.

Rules that speak of a node's disk, chain and engine also have tests of that name in tests/helper/test_money_rules.py.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from msgspec import structs

from tallystick_shared.channel import channels_domain
from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.limits import KEPT_TIME, PAUSE
from tallystick_shared.messages import (
    Accept,
    Data,
    End,
    PayFirst,
    Voucher,
    amount_bytes,
    amount_int,
    decode,
    encode_body,
)
from tallystick_shared.money import Account, Price
from tallystick_shared.session import ClientLimits, Request, Resume
from tallystick_shared.session import events as ev
from tallystick_shared.session.detached import ShelfLimits
from tallystick_shared.session.tables import StreamState
from tallystick_shared.voucher import RECEIPT, Payment, Signed
from tests.shared.crypto_conformance import N
from tests.shared.pair import CHAIN, CHANNELS, OFFER, PAYEE, PRICE_IN, PRICE_OUT, WINDOW, Pair
from tests.shared.stage import Stage
from tests.shared.tools import drive, flipped, refused

IN, OUT = 10**6, 4 * 10**6
INPUT = 40 * IN
"""What the usual question costs."""
ETHER = 10**18


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


def sent(pair, kind, side="provider"):
    """Bodies of that type that one side posts from now on."""
    peer, bodies = getattr(pair, side), []
    post = peer._post

    def noted(body, *rest, **more):
        if isinstance(body, kind):
            bodies.append(body)
        post(body, *rest, **more)

    peer._post = noted
    return bodies


def says(pair, side, body, stream=0):
    """The other side hears this body, in order and rightly encrypted."""
    getattr(pair, side)._post(body, stream, at_once=True)
    pair.settle()


def fault(pair, side="client"):
    (closed,) = pair.seen(ev.Closed, side)
    return closed.error.code


def closed_for(pair):
    pair.client.close()
    pair.settle()
    return pair.seen(ev.CloseAsked, "provider")[-1].voucher.amount


def both(crypto, count=2, **more):
    """Connections of one channel, on its one account."""
    account = Account(cap=10**12, window=WINDOW)
    return account, [Pair(crypto, account=account, **more).connect() for _ in range(count)]


# -- rule 1: one ledger for each channel and payee


def test_rule_01_one_ledger_over_all_streams_and_connections(crypto):
    account, pairs = both(crypto)
    for pair in pairs:
        pair.durable = False
        for stream in (pair.ask(b"x" * 40), pair.ask(b"y" * 40)):
            pair.engine(stream, 2)
        pair.pass_time(2)
    assert account.owed == sum(pair.client.account.owed for pair in pairs) == 4 * (10 * IN + 2 * OUT)


def test_rule_01_owed_is_all_input_accepted_and_all_output_ever_sent(pair):
    stream = pair.ask()
    assert pair.account.owed == INPUT  # accepted, though nothing was answered
    pair.engine(stream, 10)
    pair.pass_time(0.5)
    output = pair.seen(ev.Output)[-1].units
    assert pair.account.owed == INPUT + output * OUT > INPUT
    pair.client.cancel(stream)
    pair.pass_time(1)
    assert pair.account.owed == INPUT + output * OUT  # what was sent stays owed


def test_rule_01_it_outlives_the_connection(pair):
    stream = pair.ask()
    pair.engine(stream, 10)
    pair.pass_time(0.5)
    owed = pair.account.owed
    pair.provider.lost()
    pair.settle()
    assert pair.account.owed == owed
    again = pair.reconnect(Resume(pair.client.signed, pair.client.account.owed, True))
    assert again.client.account.owed == owed


# -- rule 2: the credit window


@pytest.mark.parametrize("cap", [10 * WINDOW, 10**6 * WINDOW])
def test_rule_02_the_window_is_an_amount_and_no_share_of_the_deposit(crypto, cap):
    pair = Pair(crypto, cap=cap).connect()
    pair.durable = False
    pair.engine(pair.ask(), 500)
    pair.pass_time(4)
    assert WINDOW - OUT < pair.account.credit <= WINDOW
    assert [held.state for held in pair.provider.streams.values()] == [StreamState.PAUSED]


def test_rule_02_a_paused_stream_goes_on_with_the_voucher(crypto):
    pair = Pair(crypto).connect()
    pair.durable = False
    stream = pair.ask()
    pair.engine(stream, 60)
    pair.provider.finish(stream, "stop")
    pair.pass_time(3)
    assert pair.provider.streams[stream].state is StreamState.PAUSED
    pair.durable = True
    pair.provider.voucher_durable(pair.provider.highest)
    pair.pass_time(4)
    assert pair.seen(ev.Finished)[0].units == 60


def test_rule_02_all_streams_and_connections_share_it(crypto):
    account, pairs = both(crypto, 3)
    for pair in pairs:
        pair.durable = False
        for stream in [pair.ask() for _ in range(2)]:
            if stream in pair.provider.streams and pair.provider.streams[stream].started:
                pair.engine(stream, 100)
    for _ in range(40):
        for pair in pairs:
            pair.pass_time(0.1)
            assert account.credit <= WINDOW


# -- rule 3: what a client signs


def test_rule_03_it_signs_for_what_it_received_and_the_input_that_was_accepted(pair):
    vouchers = sent(pair, Voucher, "client")
    stream = pair.ask()
    pair.engine(stream, 30)
    seen = []
    for _ in range(60):
        pair.pass_time(0.1)
        received = (pair.seen(ev.Output) or [ev.Output(0, b"", 0, 0)])[-1].units
        seen.append(pair.client.signed <= INPUT + received * OUT)
    assert all(seen) and len(vouchers) > 2
    assert pair.client.signed == INPUT + 30 * OUT


def test_rule_03_never_beyond_the_cap(crypto):
    pair = Pair(crypto, cap=INPUT + 10 * OUT).connect()
    answer(pair, 50)
    assert pair.client.signed == pair.cap
    with refused(Code.ABOVE_CAP, LocalError):
        pair.client.send_voucher(pair.cap + 1)


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (ClientLimits(WINDOW - 1, WINDOW), Code.ADVANCE_TOO_LARGE),
        (ClientLimits(WINDOW, WINDOW, Price(PRICE_IN - 1, PRICE_OUT)), Code.PRICE_CHANGED),
        (ClientLimits(WINDOW, WINDOW, Price(PRICE_IN, PRICE_OUT - 1)), Code.PRICE_CHANGED),
    ],
)
def test_rule_03_offers_beyond_its_limits_are_refused(crypto, limits, code):
    pair = Pair(crypto)
    pair.client.purse.limits = limits
    pair.connect()
    if code is Code.ADVANCE_TOO_LARGE:
        assert fault(pair) is code
    else:
        with refused(code, PeerError):
            pair.client.first_amount(pair.request())
    assert pair.client.signed == 0


@pytest.mark.parametrize("moment", range(1, 30, 4))
def test_rule_03_closing_in_the_middle_costs_either_no_more_than_its_limit(crypto, moment):
    """The provider is out at most its window, the user at most its advance, whenever the line goes dead."""
    pair = Pair(crypto, window=50 * IN).connect()
    for text in (b"x" * 160, b"y" * 800):
        stream = pair.ask(text)
        pair.engine(stream, 40) if pair.provider.streams[stream].started else None
    pair.pass_time(moment / 10)
    received = sum(
        held.request.offer.price.amount(held.input_units, held.units)
        for held in pair.client.streams.values()
        if held.accepted
    )
    waiting = sum(held.request.most_input for held in pair.client.streams.values() if not held.accepted)
    assert pair.account.owed - pair.account.durable <= pair.account.window
    assert pair.client.signed - received <= pair.client.purse.limits.advance + waiting


# -- rule 4: the first voucher, PAY_FIRST, and what may be counted


def test_rule_04_the_first_voucher_comes_with_open(pair):
    """A lower bound, from the input's bytes by the ratio that the offer states; in the same flight as OPEN."""
    request = pair.request(b"x" * 160)
    amount = pair.client.first_amount(request)
    assert amount == 160 // OFFER.bytes_per_unit * IN
    vouchers = sent(pair, Voucher, "client")
    pair.client.open(request, amount)
    assert [amount_int(voucher.amount) for voucher in vouchers] == [amount]
    assert len(pair.client.outgoing()) == 3  # OPEN, VOUCHER, INPUT: nothing waits for a beat
    assert 0 < amount < INPUT


def test_rule_04_pay_first_comes_before_prefill(crypto):
    pair = Pair(crypto, window=INPUT - 1)
    pair.durable = False
    pair.connect()
    asked = sent(pair, PayFirst)
    pair.ask()
    assert asked == [PayFirst(amount_bytes(INPUT))]
    assert not pair.seen(ev.RequestReady, "provider") and pair.account.owed == 0
    exact = Pair(crypto, window=INPUT).connect()
    exact.ask()
    assert exact.seen(ev.RequestReady, "provider")


@pytest.mark.parametrize(("more", "good"), [(0, True), (1, False)])
def test_rule_04_accepted_units_are_bounded_by_bytes_and_template(crypto, more, good):
    pair = Pair(crypto).connect()
    pair._provider_driver = lambda event: None
    pair.client.purse.limits = ClientLimits(10**12, 10**12)
    pair.ask(b"z" * 40)
    says(pair, "provider", Accept(40 + OFFER.template_units + more, 0, 0, False), 1)
    if good:
        assert pair.seen(ev.Accepted)
    else:
        assert fault(pair) is Code.OVERCHARGED and pair.client.account.owed == 0


@pytest.mark.parametrize(("units", "good"), [(3 + 16, True), (3 + 17, False)])
def test_rule_04_units_of_text_are_bounded_by_its_bytes(pair, units, good):
    """Else the client stops, and signs for none of it."""
    stream = pair.ask()
    pair.pass_time(0.3)
    says(pair, "provider", Data(1, units, 0, b"abc"), stream)
    if good:
        assert pair.client.account.owed == INPUT + units * OUT
    else:
        assert fault(pair) is Code.OVERCHARGED and pair.client.account.owed == INPUT


IMAGE = structs.replace(OFFER, kind="image", price_out=amount_bytes(10**6 * 2 * WINDOW), unit="image")


def test_rule_04_an_image_dearer_than_the_window_is_paid_first(crypto):
    pair = Pair(crypto)
    pair.client.purse.limits = ClientLimits(WINDOW, 3 * WINDOW)
    pair.connect()
    asked = sent(pair, PayFirst)
    request = Request(crypto.random(16), "images", b"", b"x" * 160, IMAGE, 4)
    pair.durable = False
    stream = pair.client.open(request, pair.client.first_amount(request))
    pair.pass_time(1)
    assert asked == [PayFirst(amount_bytes(INPUT + 2 * WINDOW))]
    assert not pair.seen(ev.RequestReady, "provider") and pair.account.owed == 0  # its engine has not begun
    pair.durable = True
    pair.provider.voucher_durable(pair.provider.highest)
    pair.settle()
    assert pair.seen(ev.RequestReady, "provider")
    pair.durable = False
    for number in range(2):
        pair.provider.data(stream, b"\xff" * 200, 1, number)
    pair.provider.finish(stream, "stop")
    pair.pass_time(1)
    assert asked[1:] == [PayFirst(amount_bytes(INPUT + 4 * WINDOW))]
    assert [output.kind for output in pair.seen(ev.Output)] == [0]
    pair.durable = True
    pair.provider.voucher_durable(pair.provider.highest)
    pair.pass_time(12)
    assert pair.seen(ev.Finished)[0].amount == pair.account.durable == INPUT + 4 * WINDOW


def test_rule_04_an_engine_that_waits_for_money_is_a_pause_of_its_stream(crypto):
    """Nothing waits to be sent, yet the slot is not held for longer than a pause."""
    pair = Pair(crypto).connect()
    pair.durable = False
    stream = pair.ask()
    held = pair.provider.streams[stream]
    held.blocked = WINDOW // OUT
    pair.pass_time(1)
    assert held.state is StreamState.PAUSED
    pair.pass_time(PAUSE.value + 8)
    assert [event.reason for event in pair.seen(ev.Stopped, "provider")] == ["interrupted"]
    assert pair.seen(ev.Finished)[0].finish == "interrupted" and pair.account.owed == INPUT


# -- rule 5: amounts


@pytest.mark.parametrize(
    ("price", "units", "amount"),
    [
        (Price(1, 1), (1, 0), 1),
        (Price(1, 1), (999_999, 1), 1),
        (Price(1, 1), (10**6, 1), 2),
        (Price(3 * ETHER, 15 * ETHER), (7, 11), -(-(3 * 7 + 15 * 11) * ETHER // 10**6)),
    ],
)
def test_rule_05_a_request_costs_the_ceiling_of_its_totals(price, units, amount):
    assert price.amount(*units) == amount


def test_rule_05_never_the_sum_of_its_pieces(crypto):
    """A price at which each piece by itself would be rounded up: both sides count the whole, once."""
    cheap = structs.replace(OFFER, price_in=amount_bytes(0), price_out=amount_bytes(10**5))  # a tenth for each unit
    pair = Pair(crypto).connect()
    request = Request(crypto.random(16), "chat", b"", b"x" * 160, cheap, 1000)
    stream = pair.client.open(request, pair.client.first_amount(request))
    pair.settle()
    for _ in range(11):
        pair.engine(stream, 1)
        pair.pass_time(0.2)
    pair.provider.finish(stream, "stop")
    pair.pass_time(12)
    assert len(pair.seen(ev.Output)) >= 10
    assert pair.seen(ev.Finished)[0].amount == pair.account.owed == 2


def test_rule_05_amounts_are_sixteen_big_endian_bytes(crypto):
    for amount in (0, 1, 2**64, 10**30, 2**128 - 1):
        assert amount_bytes(amount) == amount.to_bytes(16, "big")
        voucher = decode(Voucher, encode_body(Voucher(amount_bytes(amount), b"\1" * 65, ())))
        assert amount_int(voucher.amount) == amount
    for body in (encode_body(Voucher(bytes(15), b"\1" * 65, ())), encode_body(Voucher(bytes(17), b"\1" * 65, ()))):
        with refused(Code.BAD_MESSAGE, PeerError):
            decode(Voucher, body)


def test_rule_05_a_voucher_above_the_cap_is_refused_and_never_stored(pair):
    pair.client.account.cap = 10 * pair.cap
    pair.client.send_voucher(pair.cap + 1)
    pair.settle()
    assert fault(pair) is Code.ABOVE_CAP
    assert not pair.seen(ev.VoucherReceived, "provider")
    assert pair.provider.highest.amount == pair.account.durable == 0


# -- rule 6: one request id, one request


def test_rule_06_the_same_id_with_other_content_is_an_error(pair):
    request = pair.request()
    for units in (10, 11):
        pair.client.open(replace(request, max_units=units), 0)
        pair.settle()
    pair.pass_time(1)
    assert [event.error.code for event in pair.seen(ev.Refused)] == [Code.REQUEST_CONFLICT]
    assert pair.account.owed == INPUT


def test_rule_06_what_is_kept_no_longer_is_gone_with_nothing_new_billed(pair):
    stream = pair.ask()
    pair.engine(stream, 5)
    pair.pass_time(0.5)
    pair.break_off()
    pair.now += KEPT_TIME.value + 1
    pair.shelf.tick(pair.now)
    owed = pair.account.owed
    again = pair.rejoin()
    again.pass_time(2)
    assert [event.finish for event in again.seen(ev.Finished)] == ["gone"]
    assert again.account.owed == owed == again.client.account.owed


# -- rule 7: after a drop


def test_rule_07_what_waits_is_bounded():
    """256 KiB a stream, 8 streams a channel, 64 MiB a node, 120 s, and the engine's slot for 5 s."""
    assert ShelfLimits() == ShelfLimits(256 * 1024, 8, 64 * 1024 * 1024, 120.0, 5.0)
    assert PAUSE.value == 5.0


def test_rule_07_no_gap_and_nothing_paid_twice(pair):
    stream = pair.ask()
    pair.engine(stream, 10)
    pair.pass_time(0.3)
    pair.engine(stream, 10)
    pair.now += 0.1
    pair.provider.tick(pair.now)
    pair.provider.outgoing()  # it left, and never arrives
    pair.break_off()
    again = pair.rejoin()
    again.engine(stream, 10)
    again.provider.finish(stream, "stop")
    again.pass_time(12)
    assert b"".join(event.data for event in again.seen(ev.Output)) == b"word " * 30
    assert again.seen(ev.Finished)[0].amount == INPUT + 30 * OUT
    assert again.account.owed == again.account.durable == again.client.signed == INPUT + 30 * OUT


# -- rule 8: acknowledged once it is durable


def test_rule_08_no_acknowledgement_before_it_is_durable(crypto):
    """What a session does; tests/helper shows the same of the disk."""
    pair = Pair(crypto).connect()
    pair.durable = False
    pair.client.send_voucher(1000)
    pair.pass_time(3)
    assert pair.seen(ev.VoucherReceived, "provider") and not pair.seen(ev.VoucherDurable)
    assert pair.account.durable == pair.client.account.durable == 0
    pair.provider.voucher_durable(pair.provider.highest)
    pair.pass_time(1)
    assert pair.seen(ev.VoucherDurable) == [ev.VoucherDurable(1000)]


def test_rule_08_a_voucher_that_is_not_verified_goes_no_further(pair):
    good = pair.client._sign(1000)
    says(pair, "client", Voucher(amount_bytes(1001), good.signature, ()))
    assert fault(pair, "provider") is Code.BAD_VOUCHER
    assert not pair.seen(ev.VoucherReceived, "provider")


# -- rule 9: whose word an amount is


def test_rule_09_an_amount_counts_only_with_our_own_signature(crypto):
    for held, code in ((Signed(10**9, b"\1" * 64 + b"\x1b"), Code.BAD_VOUCHER), (Signed(10**9, b""), Code.BAD_VOUCHER)):
        pair = Pair(crypto, highest=held).connect()
        assert fault(pair) is code and pair.client.signed == 0


def test_rule_09_a_signature_for_less_proves_no_more(crypto):
    pair = Pair(crypto)
    payment = Payment.on(CHAIN, CHANNELS, pair.deposit().channel_id(crypto), PAYEE, pair.config.signer)
    signed = payment.sign(crypto, pair.session_key, 500)
    pair.highest = Signed(501, signed.signature)
    assert fault(pair.connect()) is Code.BAD_VOUCHER
    honest = Pair(crypto, highest=signed).connect()
    assert honest.client.signed == 500 and not honest.seen(ev.Closed)


def test_rule_09_an_amount_that_we_kept_ourselves_needs_no_proof(crypto):
    """It is no more than we know to have signed; what is said beside it is not believed either."""
    pair = Pair(crypto, resume=Resume(700, 600, False), highest=Signed(700, b"\1" * 65)).connect()
    assert (pair.client.signed, pair.client.account.owed) == (700, 0)


def test_rule_09_an_amount_is_stored_before_its_signature_leaves(crypto):
    stage = Stage(Pair(crypto))
    user = stage.user(limits=ClientLimits(WINDOW, WINDOW))
    stage.until(ev.Ready)
    order, save, send = [], stage.save, user.session._post

    async def saved(account_id, resume):
        await save(account_id, resume)
        order.append(resume.signed)

    def posted(body, *rest, **more):
        if isinstance(body, Voucher):
            order.append(-amount_int(body.amount))
        send(body, *rest, **more)

    stage.save, user.session._post = saved, posted
    drive(user.ask("chat", b"", b"hello " * 30, "toy", 100))
    stage.until(ev.Finished)
    left = [-amount for amount in order if amount < 0]
    assert len(left) > 1
    for amount in left:
        assert max(kept for kept in order[: order.index(-amount)] if kept >= 0) >= amount


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


# -- rule 11: signatures


def mutations(signature):
    r, s, v = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]
    yield r + (N - s).to_bytes(32, "big") + bytes([55 - v])  # the other half: high s
    yield from (signature[:64] + bytes([wrong]) for wrong in (0, 1, v - 27, 55 - v, 29, 255))
    yield from (signature[:64], signature + b"\0", b"", bytes(65), bytes(128))


def test_rule_11_only_r_s_v_with_v_27_or_28_and_low_s(pair):
    signature = pair.client._sign(1000).signature
    assert len(signature) == 65 and signature[64] in (27, 28)
    assert int.from_bytes(signature[32:64], "big") <= N // 2
    for wrong in mutations(signature):
        again = Pair(pair.crypto).connect()
        if not 65 <= len(wrong) <= 128:
            with refused(Code.BAD_MESSAGE, PeerError):
                decode(Voucher, encode_body(Voucher(amount_bytes(1000), wrong, ())))
            continue
        says(again, "client", Voucher(amount_bytes(1000), wrong, ()))
        assert fault(again, "provider") is Code.BAD_VOUCHER
        assert not again.seen(ev.VoucherReceived, "provider")


# -- rule 12: the receipt


def test_rule_12_the_receipt_is_the_operators_over_all_of_it(pair):
    finished = answer(pair, 5)
    receipt, domain = finished.receipt, channels_domain(CHAIN, CHANNELS)
    held = pair.client.streams[finished.stream]
    receipt.verify(pair.crypto, domain, pair.operator)
    assert receipt.channel_id == pair.provider.channel_id
    assert (receipt.request_id, receipt.amount, receipt.units) == (held.request.request_id, INPUT + 5 * OUT, 5)
    assert receipt.manifest == OFFER.manifest
    for name in ("channel_id", "request_id", "manifest", "digest"):
        with refused(Code.BAD_RECEIPT, PeerError):
            replace(receipt, **{name: flipped(getattr(receipt, name), 0)}).verify(pair.crypto, domain, pair.operator)
    for name in ("amount", "units"):
        with refused(Code.BAD_RECEIPT, PeerError):
            replace(receipt, **{name: getattr(receipt, name) + 1}).verify(pair.crypto, domain, pair.operator)
    with refused(Code.BAD_RECEIPT, PeerError):
        receipt.verify(pair.crypto, domain, pair.owner)
    assert "salt" not in RECEIPT


def test_rule_12_its_digest_is_salted(crypto):
    """Two equal answers: whoever is shown both receipts cannot tell, and whoever has an answer and its salt can."""
    ends = []
    for _ in range(2):
        pair = Pair(crypto).connect()
        bodies = sent(pair, End)
        finished = answer(pair, 5)
        ends.append((finished.receipt, pair.client.streams[finished.stream].digest.digest()))
        assert not bodies  # END is a record of its own making, and leaves at a beat
    (one, first), (other, second) = ends
    assert first == second and one.salt != other.salt and one.digest != other.digest
    assert one.digest == hashlib.blake2s(one.salt + first).digest()
