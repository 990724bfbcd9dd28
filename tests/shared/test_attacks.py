"""Attacks on a client's money that reviews found: a provider that says more was paid, or more is owed, than is so.

The attacks on a provider's money stand in tests/helper/test_attacks.py, against a real node.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from tallystick_shared.channel import channels_domain
from tallystick_shared.errors import Code
from tallystick_shared.messages import AuthOk, End, PayFirst, VoucherOk, amount_bytes, amount_int, decode
from tallystick_shared.money import Account
from tallystick_shared.profile import answer_digest
from tallystick_shared.records import Type
from tallystick_shared.session import ClientLimits, Resume
from tallystick_shared.session import events as ev
from tallystick_shared.session.tables import ConnectionState
from tallystick_shared.voucher import Receipt, Signed
from tests.shared.pair import CHAIN, CHANNELS, OFFER, OPERATOR_KEY, WINDOW, Pair

IN, OUT = 10**6, 4 * 10**6
INPUT = 40 * IN


@pytest.fixture
def pair(crypto):
    return Pair(crypto).connect()


def says(pair, body, stream=0):
    """The client hears this from its provider, in order and rightly encrypted."""
    pair.provider._post(body, stream, at_once=True)
    pair.settle()


def fault(pair):
    (closed,) = pair.seen(ev.Closed)
    return closed.error.code


@pytest.mark.parametrize("forged", [b"", b"\1" * 64 + b"\x1b", b"\1" * 128])
def test_attack_auth_ok_says_more_was_paid(pair, forged):
    """Believed, the next voucher would be signed on top of it."""
    pair.client.state = ConnectionState.AUTHING
    says(pair, AuthOk(amount_bytes(10**9), forged, amount_bytes(0), amount_bytes(WINDOW), 0))
    assert fault(pair) is Code.BAD_VOUCHER and pair.client.signed == 0


def test_attack_auth_ok_with_our_signature_for_less(pair):
    signature = pair.client._sign(100).signature
    pair.client.state = ConnectionState.AUTHING
    says(pair, AuthOk(amount_bytes(101), signature, amount_bytes(101), amount_bytes(WINDOW), 0))
    assert fault(pair) is Code.BAD_VOUCHER and pair.client.signed == 0


@pytest.mark.parametrize("owed", [1, WINDOW, 10**12, 2**128 - 1])
def test_attack_auth_ok_says_more_is_owed(crypto, owed):
    """Without a cut our own count stands; after one, all cuts together are worth one advance."""
    for resume, most in ((Resume(90, 90, False), 90), (Resume(90, 90, True), 90 + WINDOW)):
        account = Account(cap=2**128 - 1, window=WINDOW, settled=owed, durable=0)
        pair = Pair(crypto, account=account, cap=10**12, resume=resume).connect()
        pair.pass_time(2)
        assert pair.client.signed <= most


def test_attack_voucher_ok_says_more_is_durable(pair):
    """It would hide that the provider gives away what we did not sign, and then asks for it."""
    pair.client.send_voucher(1000)
    pair.settle()
    says(pair, VoucherOk(amount_bytes(1001)))
    assert fault(pair) is Code.PROTOCOL and pair.client.signed == 1000


def inflated(pair, **changes):
    """An answer's END with other figures, and a receipt that its operator signed for just these."""
    stream = pair.ask()
    pair.engine(stream, 5)
    pair.pass_time(0.5)
    record = pair.provider._conclude(stream, pair.provider.streams[stream])
    assert record.type == Type.END
    body = structs.replace(decode(End, record.body), **changes)
    held, domain = pair.client.streams[stream], channels_domain(CHAIN, CHANNELS)
    digest = answer_digest(body.salt, body.digest)
    receipt = Receipt(
        pair.provider.channel_id, held.request.request_id, amount_int(body.amount), body.units,
        held.request.offer.manifest, digest, body.salt,
    )  # fmt: skip
    signature = receipt.signed(pair.crypto, domain, OPERATOR_KEY).signature
    says(pair, structs.replace(body, receipt=signature), stream)


def test_attack_end_with_the_true_figures_is_taken(pair):
    """The control: what follows is refused for its figures alone."""
    inflated(pair)
    assert pair.seen(ev.Finished)[0].amount == INPUT + 5 * OUT


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": amount_bytes(INPUT + 5 * OUT + 1)}, Code.OVERCHARGED),
        ({"amount": amount_bytes(2**128 - 1)}, Code.OVERCHARGED),
        ({"units": 6}, Code.OVERCHARGED),
        ({"units": 6, "amount": amount_bytes(INPUT + 6 * OUT)}, Code.OVERCHARGED),
        ({"digest": b"\7" * 32}, Code.BAD_DIGEST),
    ],
)
def test_attack_end_says_that_more_was_delivered(pair, changes, code):
    inflated(pair, **changes)
    pair.pass_time(2)
    assert fault(pair) is code and not pair.seen(ev.Finished)
    assert pair.client.signed <= pair.client.account.owed == INPUT + 5 * OUT


@pytest.mark.parametrize("change", ["amount", "units", "request_id"])
def test_attack_a_receipt_for_other_figures(pair, change):
    """END says the truth, the receipt beside it does not: it would be shown as proof of what never was."""
    stream = pair.ask()
    pair.engine(stream, 5)
    pair.pass_time(0.5)
    body = decode(End, pair.provider._conclude(stream, pair.provider.streams[stream]).body)
    held = pair.client.streams[stream]
    true = {"request_id": held.request.request_id, "amount": INPUT + 5 * OUT, "units": 5}
    wrong = {**true, change: bytes(16) if change == "request_id" else true[change] + 1}
    digest = answer_digest(body.salt, body.digest)
    receipt = Receipt(pair.provider.channel_id, manifest=held.request.offer.manifest, digest=digest, **wrong)
    signature = receipt.signed(pair.crypto, channels_domain(CHAIN, CHANNELS), OPERATOR_KEY).signature
    says(pair, structs.replace(body, receipt=signature), stream)
    assert fault(pair) is Code.BAD_RECEIPT and not pair.seen(ev.Finished)


@pytest.mark.parametrize("amount", [10 * WINDOW, 10**12, 10**12 + 1, 2**128 - 1])
def test_attack_pay_first_beyond_what_explains_it(pair, amount):
    pair._provider_driver = lambda event: None  # it does nothing but ask
    pair.ask()
    says(pair, PayFirst(amount_bytes(amount)))
    pair.pass_time(2)
    assert pair.client.signed <= pair.request().most_input + WINDOW
    assert not pair.client.purse.wanted


def test_attack_pay_first_again_and_again_earns_one_advance(crypto):
    """On every connection it asks for all that it may, delivers nothing, and hangs up."""
    signed, resume = [], Resume()
    for _ in range(6):
        account = Account(cap=10**12, window=WINDOW, settled=resume.signed, durable=resume.signed)
        pair = Pair(crypto, account=account, resume=resume).connect()
        pair._provider_driver = lambda event: None
        pair.ask()
        purse = pair.client.purse
        says(pair, PayFirst(amount_bytes(pair.client.account.owed + purse.waiting + purse.limits.advance)))
        pair.pass_time(1)
        signed.append(pair.client.signed)
        resume = Resume(pair.client.signed, pair.client.account.owed, True, purse.waiting, purse.unseen)
    most = pair.request().most_input
    assert signed[-1] <= 6 * most + 2 * WINDOW
    assert signed[-1] - signed[-2] <= most


@pytest.mark.parametrize("more", [1, WINDOW])
def test_attack_a_voucher_above_the_cap(pair, more):
    """By a client that has changed its own limits: its signature is good, and buys nothing."""
    above: Signed = pair.client._sign(pair.cap + more)
    pair.client.account.cap = 2 * pair.cap
    pair.client.send_voucher(above.amount)
    pair.settle()
    assert fault(pair) is Code.ABOVE_CAP
    assert pair.provider.highest.amount == pair.account.durable == 0
    assert not pair.seen(ev.VoucherReceived, "provider")


def test_attack_amounts_above_64_bits_are_paid_to_the_unit(crypto):
    """A token of 18 decimals, of which an answer costs more than 2**64 of the smallest units."""
    dear = structs.replace(OFFER, price_in=amount_bytes(10**24), price_out=amount_bytes(10**24 + 7))
    pair = Pair(crypto, cap=2**111, window=10**20)
    pair.client.purse.limits = ClientLimits(10**20, 10**20)
    pair.connect()
    request = replace(pair.request(), offer=dear)
    stream = pair.client.open(request, pair.client.first_amount(request))
    pair.settle()
    pair.pass_time(2)
    pair.engine(stream, 30)
    pair.provider.finish(stream, "stop")
    pair.pass_time(20)
    (finished,) = pair.seen(ev.Finished)
    exact = -(-(40 * 10**24 + 30 * (10**24 + 7)) // 10**6)
    assert finished.amount == pair.account.owed == pair.account.durable == exact > 1 << 64


def test_attack_an_input_that_is_never_paid_for_takes_no_room_for_long(crypto):
    """PAY_FIRST is asked, and no voucher comes: the stream ends as others do that wait for one, at no cost."""
    pair = Pair(crypto, window=INPUT // 2)
    pair.client.purse.pay_first = lambda amount: None
    stream = pair.connect().ask()
    pair.pass_time(4.8)
    assert pair.provider.streams[stream].waiting == INPUT and not pair.seen(ev.Stopped, "provider")
    pair.pass_time(0.6)
    (done,) = pair.seen(ev.StreamDone, "provider")
    (finished,) = pair.seen(ev.Finished)
    assert (done.accepted, done.finish) == (False, finished.finish) == (False, "interrupted")
    assert pair.account.owed == finished.amount == 0 and not pair.provider.closed


def test_a_voucher_that_is_slow_to_reach_the_disk_keeps_its_input(crypto):
    pair = Pair(crypto, window=INPUT // 2, durable=False).connect()
    pair.ask()
    pair.pass_time(9)
    assert not pair.seen(ev.Stopped, "provider") and pair.provider.highest.amount == INPUT
    pair.provider.voucher_durable(pair.provider.highest)
    pair.pass_time(0.5)
    assert pair.seen(ev.RequestReady, "provider")
