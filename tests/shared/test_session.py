"""Two sessions back to back: the story of a paid answer, and what may go wrong on the way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick_shared import limits
from tallystick_shared.channel import Config
from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.messages import Open, amount_bytes
from tallystick_shared.money import Account, Price
from tallystick_shared.records import ALONE, LOW_LATENCY
from tallystick_shared.services import service_of
from tallystick_shared.session import Resume
from tallystick_shared.session import events as ev
from tallystick_shared.session.tables import ConnectionState, StreamState
from tallystick_shared.voucher import Signed
from tests.shared.pair import OFFER, PRICE_IN, PRICE_OUT, WINDOW, Pair
from tests.shared.tools import refused

IN, OUT = 10**6, 4 * 10**6


@pytest.fixture
def pair(crypto):
    return Pair(crypto).connect()


def error_of(pair, side="client"):
    closed = pair.seen(ev.Closed, side)
    assert len(closed) == 1
    return closed[0].error.code if closed[0].error else None


def answer(pair, units=50):
    """A whole answer of `units` units; returns its Finished."""
    stream = pair.ask()
    pair.engine(stream, units)
    pair.provider.finish(stream, "stop")
    pair.pass_time(12)
    return pair.seen(ev.Finished)[-1]


def test_connect_reaches_ready(pair):
    assert pair.client.state is ConnectionState.READY
    assert pair.provider.state is ConnectionState.READY
    assert pair.client.handshake_hash == pair.provider.handshake_hash
    assert pair.seen(ev.Ready)[0].window == WINDOW


def test_answer_is_paid_to_the_unit(pair):
    finished = answer(pair, 50)
    output = b"".join(event.data for event in pair.seen(ev.Output))
    assert output == b"word " * 50
    assert (finished.finish, finished.input_units, finished.units) == ("stop", 40, 50)
    assert finished.amount == 40 * IN + 50 * OUT
    assert pair.account.owed == pair.account.durable == pair.client.signed == finished.amount


def test_client_stores_every_amount_before_it_signs(pair):
    answer(pair, 50)
    assert pair.stored == sorted(pair.stored)
    assert pair.stored[-1] == pair.client.signed


def test_several_prompts_on_one_channel_add_up(pair):
    total = sum(answer(pair, units).amount for units in (10, 20, 30))
    assert pair.account.durable == total == pair.client.account.owed


def test_two_streams_take_turns(pair):
    first, second = pair.ask(), pair.ask()
    for stream in (first, second):
        pair.engine(stream, 120, b"0123456789 ")
        pair.provider.finish(stream, "length")
    pair.pass_time(1)
    assert {event.stream for event in pair.seen(ev.Output)} == {first, second}
    pair.pass_time(20)
    assert len(pair.seen(ev.Finished)) == 2
    assert pair.account.owed == pair.account.durable == 2 * (40 * IN + 120 * OUT)


def test_unpaid_stream_pauses_at_the_window_and_gives_up(pair):
    pair.durable = False
    stream = pair.ask()
    pair.engine(stream, 500)
    pair.pass_time(4)
    assert pair.account.credit <= WINDOW
    assert not pair.seen(ev.Finished)
    pair.pass_time(6)
    assert pair.seen(ev.Stopped, "provider")[0].reason == "interrupted"
    assert pair.seen(ev.Finished)[0].finish == "interrupted"
    assert WINDOW - OUT < pair.account.credit <= WINDOW


def test_cancel_stops_meter_and_engine_at_once(pair):
    stream = pair.ask()
    pair.engine(stream, 20)
    pair.pass_time(0.3)
    delivered = pair.account.owed
    pair.client.cancel(stream)
    pair.settle()
    assert pair.seen(ev.Stopped, "provider") == [ev.Stopped(stream, "cancelled")]
    pair.engine(stream, 20)
    pair.pass_time(3)
    assert pair.account.owed == delivered
    assert pair.seen(ev.Finished)[0].finish == "cancelled"
    assert pair.client.signed == delivered


def test_cancel_before_work_costs_nothing(crypto):
    pair = Pair(crypto, window=0).connect()
    pair.durable = False
    stream = pair.ask()
    pair.client.cancel(stream)
    pair.settle()
    pair.pass_time(3)
    assert pair.seen(ev.Finished)[0].amount == 0
    assert pair.account.owed == 0


def test_input_beyond_the_window_is_paid_first(crypto):
    pair = Pair(crypto, window=10 * IN).connect()
    stream = pair.ask(b"y" * 400)  # 100 units of input
    pair.pass_time(1)
    assert pair.account.durable == 100 * IN
    assert pair.seen(ev.RequestReady, "provider")[0].stream == stream


def test_advance_beyond_the_limit_is_refused(pair):
    pair.account.settled = 5 * WINDOW
    pair.ask()
    pair.pass_time(1)
    refused = pair.seen(ev.Refused)[0]
    assert refused.error.code is Code.ADVANCE_TOO_LARGE
    assert pair.client.signed < WINDOW


def test_deposit_bounds_the_answer(crypto):
    pair = Pair(crypto, cap=40 * IN + 10 * OUT).connect()
    stream = pair.ask()
    assert pair.seen(ev.RequestReady, "provider")[0].units == 10
    pair.engine(stream, 11)
    pair.pass_time(12)
    assert pair.seen(ev.Finished)[0].finish == "deposit"
    assert pair.account.durable == pair.cap


def test_input_that_the_deposit_cannot_pay_is_refused(crypto):
    pair = Pair(crypto, cap=39 * IN).connect()
    pair.ask()
    pair.pass_time(2)
    assert pair.seen(ev.Refused)[0].error.code is Code.DEPOSIT_EXHAUSTED


def test_voucher_above_the_cap_is_refused_on_both_sides(pair):
    with pytest.raises(LocalError) as raised:
        pair.client.send_voucher(pair.cap + 1)
    assert raised.value.code is Code.ABOVE_CAP
    pair.client.account.cap = 10 * pair.cap
    pair.client.send_voucher(pair.cap + 1)
    pair.settle()
    assert error_of(pair) is Code.ABOVE_CAP
    assert pair.account.durable == 0


def test_overcount_of_input_is_not_paid(pair):
    request = pair.request(b"z" * 40)
    stream = pair.client.open(request, pair.client.first_amount(request))
    pair.count = lambda data: len(data) + OFFER.template_units + 1
    pair.settle()
    pair.pass_time(2)
    assert stream
    assert error_of(pair) is Code.OVERCHARGED


def test_overcount_of_output_is_not_paid(pair):
    stream = pair.ask()
    pair.provider.data(stream, b"ab", 19)
    pair.pass_time(2)
    assert error_of(pair) is Code.OVERCHARGED
    assert pair.client.account.owed == 40 * IN


def test_close_with_exactly_what_is_owed(pair):
    finished = answer(pair)
    pair.client.close()
    pair.settle()
    asked = pair.seen(ev.CloseAsked, "provider")[0].voucher
    assert asked.amount == finished.amount
    pair.provider.close_ok(b"\x09" * 32)
    pair.settle()
    assert pair.seen(ev.CloseAccepted)[0].transaction == b"\x09" * 32
    assert error_of(pair) is None


def test_close_takes_back_an_advance(pair):
    pair.client.send_voucher(70 * IN)
    pair.settle()
    pair.client.close()
    pair.settle()
    assert pair.account.durable == 70 * IN
    assert pair.seen(ev.CloseAsked, "provider")[0].voucher.amount == 0


def test_low_final_voucher_does_not_undercut_what_is_owed(pair):
    finished = answer(pair)
    pair.client.account.settled = 1
    pair.client.close()
    pair.settle()
    assert pair.seen(ev.CloseAsked, "provider")[0].voucher.amount == finished.amount


def test_lost_connection_keeps_what_was_delivered(pair):
    stream = pair.ask()
    pair.engine(stream, 10)
    pair.pass_time(0.5)
    pair.provider.lost()
    pair.settle()
    assert pair.account.owed == 40 * IN + 10 * OUT
    pair.shelf.tick(pair.now + pair.shelf.limits.seconds)
    done = pair.shelf.events()[-1]
    assert (done.finish, done.units, done.settled) == ("lost", 10, True)
    assert pair.account.owed == done.amount == 40 * IN + 10 * OUT and not pair.account.running


def test_reconnect_after_a_cut_pays_the_rest_once(pair):
    stream = pair.ask()
    pair.engine(stream, 10)
    pair.pass_time(0.34)
    kept = Resume(pair.client.signed, pair.client.account.owed, True)
    pair.provider.lost()
    pair.settle()
    again = pair.reconnect(kept)
    finished = answer(again, 50)
    assert again.account.owed == again.account.durable == again.client.signed
    assert again.account.owed == 40 * IN + 10 * OUT + finished.amount


def test_a_voucher_that_a_cut_swallowed_is_signed_again_beside_the_next_open(crypto):
    account = Account(cap=10**12, window=WINDOW, settled=40 * IN)
    pair = Pair(crypto, account=account, resume=Resume(40 * IN, 40 * IN, False)).connect()
    assert account.durable == 0
    pair.ask()
    assert account.durable == 40 * IN + 10 * IN


def test_amount_of_the_provider_counts_only_with_our_signature(crypto):
    pair = Pair(crypto)
    pair.client.start()
    pair.highest = Signed(10**9, b"\x01" * 64 + b"\x1b")
    pair.settle()
    assert error_of(pair) is Code.BAD_VOUCHER
    assert pair.client.signed == 0


@pytest.mark.parametrize("flags", [0, ALONE, LOW_LATENCY, ALONE | LOW_LATENCY])
def test_whether_it_is_the_only_connection_is_told_with_the_proof(crypto, flags):
    pair = Pair(crypto)
    pair.client.hello = replace(pair.hello, flags=flags)
    pair.connect()
    (offered,) = pair.seen(ev.AuthOffered, "provider")
    assert offered.alone == bool(flags & ALONE)


def test_an_older_connection_that_is_replaced_costs_what_it_had_sent(pair):
    """Both count the same from the moment the new one is accepted, whatever the old one still had in store."""
    stream = pair.ask()
    pair.engine(stream, 50)
    pair.pass_time(0.3)
    kept = Resume(pair.client.signed, pair.client.account.owed, True)
    pair.engine(stream, 50)
    pair.now += 0.1
    pair.provider.tick(pair.now)  # what leaves now reaches nobody
    pair.provider.refuse(PeerError(Code.REPLACED))
    again = pair.reconnect(kept)
    pair.provider.tick(pair.now + 10)
    assert again.client.account.owed == again.account.owed > kept.owed
    assert answer(again, 5).units == 5
    assert again.client.account.owed == again.account.owed == again.account.durable


def test_an_offer_dearer_than_agreed_is_not_asked(crypto):
    pair = Pair(crypto).connect()
    agreed = replace(pair.client.purse.limits, price=OFFER.price)
    pair.client.purse.limits = agreed
    assert answer(pair, 5).units == 5
    pair.client.purse.limits = replace(agreed, price=Price(PRICE_IN - 1, PRICE_OUT))
    signed = pair.client.signed
    with refused(Code.PRICE_CHANGED, PeerError):
        pair.client.first_amount(pair.request())
    assert pair.client.signed == signed


def test_window_larger_than_allowed_is_refused(crypto):
    pair = Pair(crypto, window=WINDOW + 1).connect()
    assert error_of(pair) is Code.ADVANCE_TOO_LARGE


def test_wrong_node_key_sends_nothing_readable(crypto):
    pair = Pair(crypto)
    other = crypto.x25519_public(b"\x06" * 32)
    pair.client = type(pair.client)(crypto, pair.hello, other, pair.client.purse.limits)
    pair.connect()
    assert error_of(pair) is Code.HANDSHAKE_FAILED
    assert [sender for sender, _ in pair.wire] == ["client", "provider"]


def test_auth_needs_the_root_of_this_provider(crypto):
    pair = Pair(crypto)
    config = pair.config
    pair.config = Config(config.payer, config.signer, b"\x07" * 32, config.token, config.delay, config.salt)
    pair.connect()
    assert error_of(pair) is Code.BAD_PROOF


def test_auth_needs_the_session_key(crypto):
    pair = Pair(crypto)
    pair.session_key = b"\x08" * 32
    pair.connect()
    assert error_of(pair) is Code.BAD_SIGNATURE


@pytest.mark.parametrize("name", ["chat", "audio.transcriptions", "something new"])
def test_an_input_is_as_long_as_its_service_may_have(pair, name):
    """More is refused, and the stream alone: it is no use to try it again."""
    most = service_of(name).most_input
    assert most == (limits.ATTACHMENTS if name == "audio.transcriptions" else limits.PROMPT).value
    for number, length in ((1, most), (3, min(most + 1, limits.ATTACHMENTS.value))):
        opening = Open(bytes([number]) * 16, name, "toy", b"", length, 1, amount_bytes(1), amount_bytes(1))
        pair.client._post(opening, number, at_once=True)
        pair.settle()
    states = {number: held.state for number, held in pair.provider.streams.items()}
    assert states[1] is StreamState.OFFERED and not pair.provider.closed
    assert states[3] is (StreamState.FAILED if most < limits.ATTACHMENTS.value else StreamState.OFFERED)


def test_too_many_streams_are_refused_one_by_one(pair):
    for _ in range(9):
        pair.ask()
    pair.pass_time(2)
    refused = pair.seen(ev.Refused)
    assert [event.error.code for event in refused] == [Code.TOO_MANY_STREAMS]
    assert refused[0].retryable


def test_failed_engine_leaves_the_connection_usable(pair):
    stream = pair.ask()
    pair.provider.fail(stream, PeerError(Code.ENGINE_FAILED))
    pair.pass_time(1)
    assert pair.seen(ev.Refused)[0].error.code is Code.ENGINE_FAILED
    assert answer(pair, 5).units == 5


def test_error_text_never_carries_details(pair):
    stream = pair.ask()
    pair.provider.fail(stream, PeerError(Code.ENGINE_FAILED, detail="/etc/secret"))
    pair.pass_time(1)
    assert "secret" not in str(pair.seen(ev.Refused)[0].error)


def test_bye_is_orderly(pair):
    pair.client.bye()
    pair.settle()
    assert error_of(pair, "provider") is None


def test_price_is_what_open_said(pair):
    stream = pair.ask()
    assert pair.provider.streams[stream].price.output == PRICE_OUT


def test_large_input_is_padded_to_a_power_of_two(pair):
    before = len(pair.wire)
    pair.ask(b"p" * 20_000)
    sizes = [len(message) for sender, message in pair.wire[before:] if sender == "client"]
    assert sum(size == 4096 + 17 for size in sizes) == 1 + 8  # OPEN's own record has the same size


def test_shape_is_constant_while_a_stream_is_live(pair):
    stream = pair.ask()
    before = len(pair.wire)
    pair.pass_time(2)
    pair.engine(stream, 40)
    pair.pass_time(2)
    pair.provider.finish(stream, "stop")
    pair.pass_time(0.4)
    down = [len(message) for sender, message in pair.wire[before:] if sender == "provider"]
    up = [len(message) for sender, message in pair.wire[before:] if sender == "client"]
    assert set(down) == {512 + 17} and 42 <= len(down) <= 44
    assert set(up) == {256 + 17} and 8 <= len(up) <= 9


def test_shape_ends_after_the_tail(pair):
    answer(pair, 5)
    pair.pass_time(10)
    before = len(pair.wire)
    pair.pass_time(5)
    assert len(pair.wire) == before


def test_low_latency_shape(crypto):
    pair = Pair(crypto, low_latency=True).connect()
    stream = pair.ask()
    pair.engine(stream, 10)
    before = len(pair.wire)
    pair.pass_time(0.4)
    assert {len(m) for s, m in pair.wire[before:] if s == "provider"} == {256 + 17}
    assert b"".join(event.data for event in pair.seen(ev.Output)) == b"word " * 10
