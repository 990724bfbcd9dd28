"""Peers that hold all keys and break the rules: they are refused in order, cost little, and are never paid for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from tallystick_shared.channel import channels_domain
from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.messages import (
    MAX_INPUT,
    Accept,
    AuthOk,
    Cancel,
    Close,
    Data,
    End,
    Error,
    Input,
    Open,
    PayFirst,
    Voucher,
    amount_bytes,
    decode,
    encode_body,
)
from tallystick_shared.money import Account
from tallystick_shared.records import Frame, Record, Type
from tallystick_shared.session import Request, Resume
from tallystick_shared.session import events as ev
from tallystick_shared.session.greeting import read_hello, write_answer
from tallystick_shared.session.peer import MAX_QUEUE
from tallystick_shared.session.tables import ConnectionState, StreamState
from tallystick_shared.voucher import Signed
from tests.shared.pair import CHAIN, CHANNELS, OFFER, WINDOW, Pair
from tests.shared.tools import refused

IN, OUT = 10**6, 4 * 10**6


@pytest.fixture
def pair(crypto):
    return Pair(crypto).connect()


def says(pair, side, body, stream=0):
    """The other side hears this body, in order and rightly encrypted."""
    getattr(pair, side)._post(body, stream, at_once=True)
    pair.settle()


def fault(pair, side):
    (closed,) = pair.seen(ev.Closed, side)
    return closed.error.code


def running(pair):
    """A stream whose ACCEPT has arrived."""
    stream = pair.ask()
    pair.pass_time(0.25)
    assert pair.seen(ev.Accepted)
    return stream


def open_body(pair, request):
    price = request.offer.price
    return Open(
        request.request_id,
        request.service,
        request.offer.model,
        request.params,
        len(request.input),
        request.max_units,
        amount_bytes(price.input),
        amount_bytes(price.output),
    )


# -- a hostile provider


@pytest.mark.parametrize("payload", [b"", b"\0", b"\xff\xff", b"\x00\x05", b"\x00\x01\xc0" + bytes(253)])
def test_an_answer_without_server_info(crypto, payload):
    """Whoever holds the node's key can send any payload, also one too short to hold its own length."""
    pair = Pair(crypto)
    pair.client.start()
    (hello,) = pair.client.outgoing()
    greeted = read_hello(crypto, pair.identity, hello[1:])
    pair.client.receive(bytes([Frame.HANDSHAKE]) + write_answer(crypto, greeted, payload), 0.0)
    pair.settle()
    assert fault(pair, "client") is Code.BAD_MESSAGE
    assert not pair.seen(ev.Keyed)


@pytest.mark.parametrize("code", [0, 1, 99, 600, 601, 65535])
def test_a_refusal_never_speaks_of_this_sides_own_wallet(crypto, code):
    pair = Pair(crypto)
    pair.client.start()
    pair.client.receive(b"\x03" + code.to_bytes(2, "big"), 0.0)
    pair.settle()
    assert fault(pair, "client") is Code.PROTOCOL


def test_accept_twice_after_cancel(pair):
    stream = running(pair)
    pair.client.cancel(stream)
    says(pair, "provider", Accept(40, 0, 0, False), stream)
    assert fault(pair, "client") is Code.PROTOCOL


def test_output_that_goes_on_after_cancel_is_not_paid(pair):
    """What was under way counts; more than a window beyond what was signed was not under way."""
    stream = running(pair)
    pair.client.cancel(stream)
    pair.client.outgoing()
    signed = pair.client.signed
    for seq in range(1, 40):
        pair.provider._post(Data(seq, 5 * seq, 0, b"words"), stream, at_once=True)
        pair.settle()
    assert fault(pair, "client") is Code.OVERCHARGED
    assert pair.client.account.owed <= max(signed, 40 * IN) + WINDOW


def test_input_that_is_accepted_after_cancel_is_bounded_too(crypto):
    pair = Pair(crypto, window=0).connect()
    pair.count = lambda data: 10**9  # the provider never gets to answer by itself
    pair._provider_driver = lambda event: None
    request = pair.request(b"z" * 400)
    stream = pair.client.open(request, 0)
    pair.client.cancel(stream)
    says(pair, "provider", Accept(400, 0, 0, False), stream)
    assert fault(pair, "client") is Code.OVERCHARGED
    assert pair.client.account.owed == 0


def test_output_before_accept(crypto):
    pair = Pair(crypto).connect()
    pair._provider_driver = lambda event: None
    stream = pair.ask()
    pair.client.cancel(stream)
    says(pair, "provider", Data(1, 1, 0, b"word"), stream)
    assert fault(pair, "client") is Code.PROTOCOL


@pytest.mark.parametrize(
    "body", [Data(2, 1, 0, b"x"), Data(0, 1, 0, b"x"), Data(1, 1001, 0, b"x" * 2000), Data(1, 17, 0, b"")]
)
def test_output_out_of_order_or_beyond_what_was_asked(pair, body):
    stream = running(pair)
    says(pair, "provider", body, stream)
    assert fault(pair, "client") in (Code.PROTOCOL, Code.OVERCHARGED)
    assert pair.client.account.owed == 40 * IN


def test_units_that_fall(pair):
    stream = running(pair)
    says(pair, "provider", Data(1, 5, 0, b"words"), stream)
    says(pair, "provider", Data(2, 4, 0, b"words"), stream)
    assert fault(pair, "client") is Code.PROTOCOL


@pytest.mark.parametrize(
    ("units", "amount", "digest", "code"),
    [
        (1, 40 * IN + OUT, None, Code.OVERCHARGED),
        (0, 40 * IN + 1, None, Code.OVERCHARGED),
        (0, 40 * IN, b"\1" * 32, Code.BAD_DIGEST),
    ],
)
def test_an_end_that_does_not_add_up(pair, units, amount, digest, code):
    stream = running(pair)
    right = pair.client.streams[stream].digest.digest()
    end = End(40, units, amount_bytes(amount), "stop", digest or right, bytes(16), bytes(65))
    says(pair, "provider", end, stream)
    assert fault(pair, "client") is code
    assert not pair.seen(ev.Finished)
    assert pair.client.account.owed == 40 * IN


@pytest.mark.parametrize("fault_of", ["key", "manifest", "salt", "nothing"])
def test_a_receipt_that_the_operator_did_not_sign_for_this_answer(pair, crypto, fault_of):
    """All sums are right, only the receipt is not: it would prove nothing, so the answer does not count as finished."""
    if fault_of == "key":
        pair.provider.identity = replace(pair.identity, operator_key=b"\x09" * 32)
    pair._provider_driver = lambda event: (
        pair.provider.measure(event.stream, 40, bytes(32) if fault_of == "manifest" else OFFER.manifest)
        if isinstance(event, ev.InputComplete)
        else Pair._provider_driver(pair, event)
    )
    stream = running(pair)
    pair.engine(stream, 3)
    pair.pass_time(0.3)
    if fault_of == "salt":
        end = pair.provider._conclude(stream, pair.provider.streams[stream])
        body = decode(End, end.body)
        says(pair, "provider", structs.replace(body, salt=bytes(16)), stream)
    else:
        pair.provider.finish(stream, "stop")
        pair.pass_time(0.5)
    if fault_of == "nothing":
        (finished,) = pair.seen(ev.Finished)
        receipt = finished.receipt
        receipt.verify(crypto, channels_domain(CHAIN, CHANNELS), pair.operator)
        assert (receipt.amount, receipt.units, receipt.manifest) == (40 * IN + 3 * OUT, 3, OFFER.manifest)
        return
    assert fault(pair, "client") is Code.BAD_RECEIPT
    assert not pair.seen(ev.Finished)
    assert pair.client.account.owed == 40 * IN + 3 * OUT


def test_a_first_connection_owes_nothing_whatever_the_provider_says(crypto):
    """A new deposit: the provider claims that half a window is owed already."""
    pair = Pair(crypto, account=Account(cap=10**12, window=WINDOW, settled=WINDOW // 2)).connect()
    pair.pass_time(2)
    assert pair.client.account.owed == pair.client.signed == 0


def test_after_a_cut_the_provider_gets_no_more_than_the_advance(crypto):
    account = Account(cap=10**12, window=WINDOW, settled=10**11)
    pair = Pair(crypto, account=account, resume=Resume(100, 90, True)).connect()
    pair.pass_time(2)
    assert pair.client.signed == 90 + pair.client.purse.limits.advance


def test_a_voucher_of_someone_else_as_ours(pair):
    pair.client.state = ConnectionState.AUTHING
    says(pair, "provider", AuthOk(amount_bytes(10**9), bytes(65), amount_bytes(10**9), amount_bytes(0), 0))
    assert fault(pair, "client") is Code.BAD_VOUCHER
    assert pair.client.signed == 0


@pytest.mark.parametrize("amount", [10**12 + 1, 2**128 - 1, 11 * WINDOW])
def test_pay_first_beyond_reason(pair, amount):
    pair.count = lambda data: 10**6  # the answer to it waits for CANCEL
    pair.ask()
    says(pair, "provider", PayFirst(amount_bytes(amount)))
    pair.pass_time(2)
    assert pair.seen(ev.Refused)[0].error.code in (Code.ADVANCE_TOO_LARGE, Code.DEPOSIT_EXHAUSTED)
    assert pair.client.signed <= WINDOW


def test_pay_first_when_nothing_waits_is_not_paid(pair):
    before = pair.client.signed
    says(pair, "provider", PayFirst(amount_bytes(WINDOW)))
    pair.pass_time(3)
    assert pair.client.signed == before


def test_pay_first_is_forgotten_once_its_input_is_cancelled(pair):
    pair._provider_driver = lambda event: None
    stream = pair.ask()
    signed = pair.client.signed
    pair.client.cancel(stream)
    says(pair, "provider", PayFirst(amount_bytes(WINDOW)))
    pair.pass_time(3)
    assert pair.client.signed == signed


def test_pay_first_for_an_input_that_was_cancelled_harms_no_other(crypto):
    """It was under way when CANCEL left; the next question is small and goes through, and both count the same."""
    pair = Pair(crypto, window=0).connect()
    long = pair.ask(b"q" * 5000)
    pair.client.cancel(long)
    short = pair.ask()
    pair.pass_time(2)
    pair.provider.finish(short, "stop")
    pair.pass_time(5)
    assert [event.stream for event in pair.seen(ev.Finished)] == [long, short]
    assert pair.client.account.owed == pair.account.owed == 40 * IN


def test_an_advance_that_is_refused_leaves_both_with_the_same_count(crypto):
    """ACCEPT and PAY_FIRST cross: what was accepted counts on both sides although the client has given up."""
    pair = Pair(crypto).connect()
    stream = pair.ask()
    pair.client._pay(11 * WINDOW)
    pair.pass_time(3)
    assert pair.seen(ev.Refused)[0].error.code is Code.ADVANCE_TOO_LARGE
    assert not pair.seen(ev.Finished) and not pair.client.live and stream
    assert pair.client.account.owed == pair.account.owed == 40 * IN


def test_an_error_for_a_stream_that_ended_in_order(pair):
    stream = pair.ask()
    pair.provider.finish(stream, "stop")
    pair.pass_time(0.5)
    assert pair.seen(ev.Finished)
    says(pair, "provider", Error(100, False, 0, bytes(16), ""), stream)
    assert fault(pair, "client") is Code.PROTOCOL


# -- a hostile client


def test_the_whole_input_comes_once(pair):
    request = pair.request(b"abcd")
    pair._provider_driver = lambda event: None
    says(pair, "client", open_body(pair, request), 1)
    for _ in range(2):
        says(pair, "client", Input(0, b"abcd", True), 1)
    assert len(pair.seen(ev.InputComplete, "provider")) == 1
    assert fault(pair, "provider") is Code.PROTOCOL


@pytest.mark.parametrize(
    "body", [Input(1, b"abc", True), Input(0, b"abcde", True), Input(0, b"abc", True), Input(2**32 - 1, b"abcd", False)]
)
def test_input_that_does_not_fit_what_was_announced(pair, body):
    says(pair, "client", open_body(pair, pair.request(b"abcd")), 1)
    says(pair, "client", body, 1)
    assert fault(pair, "provider") is Code.BAD_MESSAGE


def test_one_request_on_two_streams(pair):
    """Both would be the same entry of the ledger: the second is refused, and no timer of the node ever breaks."""
    pair._provider_driver = lambda event: None
    request = pair.request(b"abcd")
    for stream in (1, 2):
        says(pair, "client", open_body(pair, request), stream)
        pair.client.streams.setdefault(stream, pair.client.streams.get(1))
    assert len(pair.seen(ev.RequestOffered, "provider")) == 1
    assert pair.provider.streams[2].state is StreamState.FAILED


def test_one_request_on_two_connections(crypto):
    """Offered on both before either starts: only one runs, whichever is paid first."""
    account = Account(cap=10**12, window=WINDOW)
    one, other = Pair(crypto, account=account).connect(), Pair(crypto, account=account).connect()
    request = one.request()
    for pair in (one, other):
        pair._provider_driver = lambda event: None
        pair.client.open(request, 0)
        pair.settle()
    one.provider.measure(1, 40, OFFER.manifest)
    other.provider.measure(1, 40, OFFER.manifest)
    other.provider.tick(1.0)
    assert len(one.provider.events()) == 1
    other.pass_time(1)
    assert other.seen(ev.Refused)[0].error.code is Code.REQUEST_CONFLICT
    assert account.owed == 40 * IN


def test_waiting_inputs_together_stay_within_the_window(crypto):
    """Eight inputs, each within the window by itself: only as many start as the window and what is paid cover."""
    pair = Pair(crypto, window=50 * IN).connect()
    for _ in range(8):
        pair.ask()  # 40 units of input each
    for _ in range(200):
        pair.pass_time(0.04)
        assert pair.account.credit <= pair.account.window
    assert len(pair.seen(ev.RequestReady, "provider")) == 8


def test_a_second_pay_first_that_comes_while_the_store_is_slow_is_not_forgotten(crypto):
    """Two inputs wait; the first's amount is still being stored when the second's is asked; then ACCEPT comes."""
    pair = Pair(crypto, window=10 * IN).connect()
    answer = pair._client_driver
    pair._client_driver = lambda event: None if isinstance(event, ev.VoucherDue) else answer(event)
    first, second = pair.ask(), pair.ask(b"y" * 320)
    pair.pass_time(0.55)  # just after a beat: the next voucher would be asked for in 0.3 s
    asked = pair.seen(ev.VoucherDue)[0].amount
    pair._client_driver = answer
    pair.client.send_voucher(asked, at_once=True)
    pair.settle()
    pair.pass_time(6)
    assert {event.stream for event in pair.seen(ev.Accepted)} == {first, second}


def test_waiting_inputs_together_stay_within_the_cap(crypto):
    pair = Pair(crypto, window=10 * IN, cap=100 * IN).connect()
    for _ in range(3):
        pair.ask()
    pair.pass_time(6)
    assert pair.account.owed <= pair.cap
    assert len(pair.seen(ev.RequestReady, "provider")) == 2
    assert pair.seen(ev.Refused)[0].error.code is Code.DEPOSIT_EXHAUSTED


def test_many_inputs_that_are_paid_first_all_start(crypto):
    """No PAY_FIRST is lost where several wait: all eight start, and all is paid."""
    pair = Pair(crypto, window=10 * IN).connect()
    streams = [pair.ask() for _ in range(8)]
    pair.pass_time(12)
    assert len(pair.seen(ev.Accepted)) == 8
    for stream in streams:
        pair.provider.finish(stream, "stop")
    pair.pass_time(12)
    assert pair.account.owed == pair.account.durable == 8 * 40 * IN


def test_a_second_pay_first_is_asked_only_when_the_first_is_paid(crypto):
    pair = Pair(crypto, window=10 * IN)
    pair.durable = False
    pair.connect()
    pair.ask()
    sent = []
    post = pair.provider._post
    pair.provider._post = lambda body, *rest, **more: (sent.append(type(body)), post(body, *rest, **more))
    pair.ask()
    pair.pass_time(5)
    assert sent.count(PayFirst) == 1


def test_vouchers_without_end_fill_no_memory(pair):
    pair.ask()
    voucher = Voucher(amount_bytes(0), bytes(65), tuple((number, 1) for number in range(8)))
    for number in range(2 * MAX_QUEUE):
        acknowledged = tuple((8 * number + at + 10, 1) for at in range(8))
        pair.client._post(Voucher(voucher.amount, voucher.signature, acknowledged), at_once=True)
    pair.settle()
    assert fault(pair, "provider") is Code.TOO_LARGE
    assert len(pair.provider.streams) == 1


def test_only_acknowledgements_wait_at_the_first_beat(pair):
    """The input is still being counted; the first voucher is durable already."""
    pair._provider_driver = lambda event: (
        pair.provider.voucher_durable(event.voucher) if isinstance(event, ev.VoucherReceived) else None
    )
    pair.ask()
    pair.pass_time(1)
    assert pair.seen(ev.VoucherDurable) and not pair.provider.closed


def test_conflicting_opens_without_end_fill_no_memory(pair):
    pair.ask()
    request = pair.client.streams[1].request
    for number in range(2, 600):
        pair.client._send(Record(Type.OPEN, number, encode_body(open_body(pair, request))))
    pair.settle()
    assert len(pair.provider.streams) <= 70
    assert fault(pair, "provider") is Code.TOO_LARGE


def test_input_of_ended_streams_is_not_kept(pair):
    for number in range(1, 20):
        says(pair, "client", open_body(pair, pair.request(bytes(100_000))), number)
        for at in range(6):
            pair.client._send(Record(Type.INPUT, number, encode_body(Input(at * 16_000, bytes(16_000), False))))
        pair.client._send(Record(Type.CANCEL, number, encode_body(Cancel(0))))
    pair.provider.tick(0.0)
    pair.settle()
    assert not pair.provider.closed
    assert sum(len(held.input) for held in pair.provider.streams.values()) == 0


@pytest.mark.parametrize("signature", [b"", bytes(65), bytes(128)])
def test_close_with_a_bad_signature(pair, signature):
    says(pair, "client", Close(amount_bytes(10), signature))
    assert fault(pair, "provider") is Code.BAD_VOUCHER


def test_close_above_the_cap(pair):
    says(pair, "client", Close(amount_bytes(2**128 - 1), bytes(65)))
    assert fault(pair, "provider") is Code.ABOVE_CAP


def test_a_price_that_overflows_everything(pair):
    request = pair.request(b"abcd")
    body = Open(request.request_id, "chat", "toy", b"", 4, 2**32 - 1, b"\xff" * 16, b"\xff" * 16)
    says(pair, "client", body, 1)
    says(pair, "client", Input(0, b"abcd", True), 1)
    assert not pair.provider.closed and not pair.seen(ev.RequestReady, "provider")
    assert pair.account.owed == 0


# -- our own drivers, late or hasty


def test_accepting_a_channel_whose_connection_is_gone(crypto):
    pair = Pair(crypto)
    pair._provider_driver = lambda event: None
    pair.connect()
    pair.provider.lost()
    pair.provider.accept_auth(Account(10, 10), Signed(0, b""))
    assert pair.provider.closed


def test_late_answers_to_an_ended_session_do_nothing(pair):
    stream = pair.ask()
    pair.provider.lost()
    pair.provider.events()
    pair.provider.outgoing()
    pair.provider.data(stream, b"x", 1)
    pair.provider.finish(stream, "stop")
    pair.provider.fail(stream, PeerError(Code.BUSY))
    pair.provider.measure(stream, 1, bytes(32))
    pair.provider.refuse(PeerError(Code.BUSY))
    pair.provider.close_ok(bytes(32))
    pair.provider.bye()
    pair.provider.tick(5.0)
    assert not pair.provider.outgoing() and not pair.provider.events()


@pytest.mark.parametrize("started", [False, True])
def test_goodbye_before_there_is_a_key(crypto, started):
    pair = Pair(crypto)
    if started:
        pair.client.start()
    pair.client.bye()
    assert pair.client.closed and pair.client.events() == [ev.Closed(None)]
    with refused(Code.PROVIDER_GONE, LocalError):
        pair.client.start()


def test_a_prompt_longer_than_the_protocol_takes():
    Request(bytes(16), "chat", b"", bytes(MAX_INPUT), OFFER, 1)
    with refused(Code.PROMPT_TOO_LONG, LocalError):
        Request(bytes(16), "chat", b"", bytes(MAX_INPUT + 1), OFFER, 1)
    for params, units in ((bytes(8193), 1), (b"", 0), (b"", 2**32)):
        with refused(Code.BAD_REQUEST, LocalError):
            Request(bytes(16), "chat", params, b"", OFFER, units)


def test_a_long_piece_of_many_units_is_never_taken_for_an_overcount(crypto):
    pair = Pair(crypto, window=WINDOW, low_latency=True).connect()
    stream = pair.ask()
    pair.provider.data(stream, b"x" * 1000, 18)
    pair.provider.finish(stream, "stop")
    pair.pass_time(3)
    assert pair.seen(ev.Finished)[0].units == 18
    outputs = pair.seen(ev.Output)
    assert [event.units for event in outputs][-1] == 18 and outputs[0].units == 0
    assert len(b"".join(event.data for event in outputs)) == 1000


def test_a_piece_dearer_than_the_window_is_paid_first_and_comes(crypto):
    """An image of several units, say: no voucher for what was received could ever cover it."""
    pair = Pair(crypto, window=OUT - 1).connect()
    stream = pair.ask()
    pair.pass_time(2)
    pair.provider.data(stream, b"an image", 5)
    pair.engine(stream, 2)
    pair.provider.finish(stream, "stop")
    pair.pass_time(8)
    (finished,) = pair.seen(ev.Finished)
    assert (finished.finish, finished.units) == ("stop", 7)
    assert pair.client.account.owed == pair.account.owed == pair.account.durable == 40 * IN + 7 * OUT


def test_a_piece_dearer_than_the_advance_is_not_paid(crypto):
    pair = Pair(crypto, window=OUT).connect()
    stream = pair.ask()
    pair.pass_time(2)
    signed = pair.client.signed
    pair.provider.data(stream, b"i" * 400, WINDOW // OUT + 1)
    pair.pass_time(3)
    (refusal,) = pair.seen(ev.Refused)
    assert refusal.error.code is Code.ADVANCE_TOO_LARGE
    assert pair.client.signed == signed == pair.account.owed and not pair.client.closed


def test_a_piece_that_is_paid_first_and_never_comes_is_no_lasting_loss(pair):
    """What was signed ahead serves for whatever comes next, and CLOSE takes the rest back."""
    running(pair)
    says(pair, "provider", PayFirst(amount_bytes(40 * IN + WINDOW)))
    pair.pass_time(1)
    assert pair.client.signed == 40 * IN + WINDOW
    says(pair, "provider", PayFirst(amount_bytes(40 * IN + 2 * WINDOW)))
    pair.pass_time(1)
    assert pair.client.signed == 40 * IN + WINDOW
    assert pair.client.purse.final == pair.client.account.owed == 40 * IN
