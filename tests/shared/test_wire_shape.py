"""What an eavesdropper sees of a session is its class, its start and its length class; nothing else."""

from __future__ import annotations

import pytest

from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.messages import (
    TYPES,
    Auth,
    AuthOk,
    Cancel,
    PayFirst,
    Ping,
    Voucher,
    VoucherOk,
    Window,
    encode_body,
)
from tallystick_shared.records import LOW_LATENCY as FAST
from tallystick_shared.records import RICH as LARGE
from tallystick_shared.records import SIZES, Record, Type, size_for
from tallystick_shared.session import events as ev
from tallystick_shared.session.rekey import RECORDS as REKEY_RECORDS
from tallystick_shared.session.shape import BULK, LOW_LATENCY, RICH, TEXT, padded_count, shape_of
from tallystick_shared.session.tables import StreamState
from tests.shared.eavesdropper import FLIGHT, OVERHEAD, Seen, Tapped, check, check_beats
from tests.shared.pair import WINDOW

CLASSES = pytest.mark.parametrize("flags", [0, LARGE, FAST], ids=["text", "rich", "low latency"])


def tapped(crypto, flags=0, **more):
    pair = Tapped(crypto, flags=flags, **more).connect()
    pair.seen_by.clear()
    return pair


def talk(pair, pieces, seconds=2.0, text=b"x" * 160):
    """Asks, lets the engine give these pieces one by one within that time, and waits for silence."""
    stream = pair.ask(text)
    pair.let_pass(2.5)  # paid for, whatever the window
    for piece in pieces:
        pair.engine(stream, 1, piece)
        pair.let_pass(seconds / len(pieces))
    pair.provider.finish(stream, "stop")
    pair.rest()
    assert b"".join(event.data for event in pair.seen(ev.Output)) == b"".join(pieces)


@CLASSES
def test_one_answer(crypto, flags):
    pair = tapped(crypto, flags)
    talk(pair, [b"one ", b"two ", b"three " * 300, b"4"])
    check(pair, shape_of(flags, "chat"))


@CLASSES
def test_two_answers_of_one_length_class_look_the_same(crypto, flags):
    """Other words, other tokens, another pace, another question, another price's vouchers: the same wire."""
    seen = []
    for pieces, text in (([b"yes"], b"q"), ([b"w"] * 90, b"q" * 3000), ([b"word " * 20] * 7, b"q" * 4000)):
        pair = tapped(crypto, flags)
        talk(pair, pieces, 2.0, text)
        seen.append(pair.view())
    assert seen[0] == seen[1] == seen[2]


@CLASSES
def test_questions_one_after_another_and_at_once(crypto, flags):
    pair = tapped(crypto, flags)
    for wait in (0.0, 0.33, 1.7, 20.0):
        stream = pair.ask()
        pair.engine(stream, 12)
        pair.let_pass(wait)
        pair.provider.finish(stream, "stop")
    pair.rest()
    assert len(pair.seen(ev.Finished)) == 4
    check(pair, shape_of(flags, "chat"))


@CLASSES
@pytest.mark.parametrize("end", ["stop", "length", "failed", "cancelled", "refused"])
def test_every_end_has_a_tail(crypto, flags, end):
    pair = tapped(crypto, flags)
    stream = pair.ask()
    pair.engine(stream, 9)
    pair.let_pass(0.77)
    if end == "failed":
        pair.provider.fail(stream, PeerError(Code.ENGINE_FAILED))
    elif end == "cancelled":
        pair.cancel(stream)
    elif end == "refused":
        pair.provider.fail(stream, PeerError(Code.BUSY), retry_after_ms=1000)
    else:
        pair.provider.finish(stream, end)
    pair.rest()
    assert not pair.client.live
    check(pair, shape_of(flags, "chat"))


@CLASSES
def test_a_pause_for_money_is_not_seen(crypto, flags):
    pair = tapped(crypto, flags, window=WINDOW // 20)
    stream = pair.ask()
    pair.let_pass(2.5)  # PAY_FIRST is paid
    pair.engine(stream, 9)
    states = set()
    for _ in range(100):
        pair.let_pass(0.05)
        states.add(pair.provider.streams[stream].state)
    assert StreamState.PAUSED in states
    pair.provider.finish(stream, "stop")
    pair.rest()
    assert pair.seen(ev.Finished)[0].units == 9
    check(pair, shape_of(flags, "chat"))


@CLASSES
def test_a_payment_in_advance_is_not_seen(crypto, flags):
    pair = tapped(crypto, flags, window=0)
    stream = pair.ask(b"x" * 400)
    pair.let_pass(3)
    assert pair.seen(ev.Accepted)
    pair.engine(stream, 3)
    pair.let_pass(8)
    pair.provider.finish(stream, "stop")
    pair.rest()
    assert pair.seen(ev.Finished)[0].units == 3
    check(pair, shape_of(flags, "chat"))


@CLASSES
def test_a_disk_that_is_slow_at_the_end_moves_the_tail_on(crypto, flags):
    """The last voucher's acknowledgement would otherwise leave by itself, and tell when the answer ended."""
    pair = tapped(crypto, flags)
    stream = pair.ask()
    pair.engine(stream, 5)
    pair.provider.finish(stream, "stop")
    pair.durable = False
    pair.let_pass(3.4)
    pair.durable = True
    received = [event for event in pair.provider_events if isinstance(event, ev.VoucherReceived)]
    pair.provider.voucher_durable(received[-1].voucher)
    pair.settle()
    pair.rest()
    assert pair.seen(ev.VoucherDurable)
    check(pair, shape_of(flags, "chat"))


def test_a_ping_is_answered_at_the_next_beat(crypto):
    pair = tapped(crypto)
    stream = pair.ask()
    pair.let_pass(0.05)
    for side in (pair.client, pair.provider):
        side._queue.append(Record(Type.PING, 0, encode_body(Ping(bytes(8)))))
    pair.let_pass(1.0)
    pair.provider.finish(stream, "stop")
    pair.rest()
    check(pair, TEXT)


def test_late_ticks_bring_no_bursts_and_no_other_sizes(crypto):
    pair = tapped(crypto)
    pair.ask()
    for late in (0.13, 0.51, 0.02, 3.0, 0.09):
        pair.now += late
        for side in (pair.client, pair.provider):
            side.tick(pair.now)
        pair.settle()
    down = pair.heard("provider")
    assert len(down) == len({seen.at for seen in down}) <= 5
    assert {seen.size for seen in down} == {TEXT.down.size + OVERHEAD}


def test_after_the_tail_nothing_is_sent(crypto):
    pair = tapped(crypto)
    talk(pair, [b"word "] * 5)
    before = len(pair.seen_by)
    pair.let_pass(60)
    assert len(pair.seen_by) == before


def test_the_size_of_auth_and_its_answer_tells_nothing(crypto):
    """Neither the path to the payee's leaf nor what was signed before shows."""
    pair = Tapped(crypto).connect()
    sizes = [(seen.sender, seen.size) for seen in pair.seen_by[2:]]
    assert sizes == [("client", 4096 + OVERHEAD), ("provider", 512 + OVERHEAD)]
    assert {Auth, AuthOk} <= set(TYPES)


def test_no_record_outgrows_its_beat(crypto):
    """Bodies at their longest, in the class with the smallest records."""
    pair = tapped(crypto, FAST)
    for number in range(8):
        pair.client.streams[2**32 - 1 - number] = pair.client.streams.setdefault(pair.ask(), None)
    for stream in list(pair.provider.streams):
        pair.engine(stream, 300)
        pair.let_pass(0.3)
        pair.provider.fail(stream, PeerError(Code.UNCONFIRMED))
    pair.rest()
    check(pair, LOW_LATENCY)


def test_a_long_question_comes_by_its_window_beside_the_beats(crypto):
    """Its records are of 4 KiB and a power of two; the beats go on as if nothing came."""
    pair = tapped(crypto)
    stream = pair.ask(b"q" * 150_000)
    pair.let_pass(5)
    pair.engine(stream, 3)
    pair.provider.finish(stream, "stop")
    pair.rest()
    assert pair.seen(ev.Finished)
    up = pair.heard("client")
    assert sum(seen.size == FLIGHT for seen in up) == 1 + 64
    voucher = up.index(Seen(pair.opened[0], "client", TEXT.up.size + OVERHEAD))
    check_beats([seen for seen in up[voucher + 1 :] if seen.size != FLIGHT], TEXT.up, pair.opened, series=False)
    check_beats(pair.heard("provider"), TEXT.down, pair.opened, series=True)


@CLASSES
def test_the_shape_goes_on_from_resume(crypto, flags):
    """A new connection beats from RESUME on, whatever is sent again, and has its own tail."""
    pair = tapped(crypto, flags)
    stream = pair.ask()
    pair.engine(stream, 20, b"word " * 40)
    pair.let_pass(0.95)
    pair.break_off()
    pair.seen_by.clear()
    again = pair.rejoin(opened=[pair.now], lengths=[])
    voucher = shape_of(flags, "chat").up.size + OVERHEAD
    assert [seen.size for seen in again.heard("client")[1:]] == [FLIGHT, voucher, FLIGHT]  # AUTH, voucher, RESUME
    again.seen_by.clear()
    again.let_pass(1.3)
    again.provider.finish(stream, "stop")
    again.rest()
    assert b"".join(event.data for event in again.seen(ev.Output)) == b"word " * 800
    check_beats(again.heard("provider"), shape_of(flags, "chat").down, again.opened, series=True)
    check_beats(again.heard("client"), shape_of(flags, "chat").up, again.opened, series=False)


# -- bulk


def image(pair, size, units=1):
    stream = pair.ask(b"a picture", service="images")
    pair.let_pass(0.8)
    pair.provider.data(stream, b"\xff" * size, units)
    pair.provider.finish(stream, "stop")
    pair.settle()
    return stream


@pytest.mark.parametrize("size", [100, 16_000, 100_000, 400_000])
def test_bulk_is_whole_records_padded_to_the_series(crypto, size):
    pair = tapped(crypto)
    image(pair, size)
    assert sum(len(event.data) for event in pair.seen(ev.Output)) == size
    assert pair.seen(ev.Finished)
    pair.rest()
    down = pair.heard("provider")
    assert {seen.size for seen in down} == {BULK.down.size + OVERHEAD}
    assert len(down) == padded_count(len(down)) <= padded_count(-(-size // 16_000) + 6)
    assert {seen.size for seen in pair.heard("client")} == {4096 + OVERHEAD}


def test_bulk_goes_at_full_rate(crypto):
    """All of it at once where the driver has room; only a second of farewell keeps its beats."""
    pair = tapped(crypto)
    image(pair, 400_000)
    asked = pair.opened[0] + 0.8
    assert sum(seen.at <= asked + 1e-9 for seen in pair.heard("provider")) >= 26
    pair.rest()
    assert pair.heard("provider")[-1].at < asked + 3.0


def test_a_piece_dearer_than_the_window_is_paid_before_a_byte_of_it_leaves(crypto):
    pair = tapped(crypto, window=WINDOW // 20)
    stream = pair.ask(b"x" * 16, service="images")
    pair.let_pass(1.0)
    dear = 10  # units; the window is worth one
    pair.provider.data(stream, b"\xff" * 100_000, dear)
    while not pair.seen(ev.Output):
        assert pair.account.durable < pair.account.owed_with(pair.provider.streams[stream].open.request_id, dear)
        pair.let_pass(0.01)
    assert pair.account.durable >= pair.account.owed_with(pair.provider.streams[stream].open.request_id, dear)
    pair.provider.finish(stream, "stop")
    pair.rest()
    assert pair.seen(ev.Finished)[0].units == dear


def test_bulk_of_one_class_looks_the_same(crypto):
    seen = []
    for size in (200_000, 205_000):
        pair = tapped(crypto)
        image(pair, size)
        pair.rest()
        seen.append(pair.view())
    assert seen[0] == seen[1]


def test_bulk_waits_for_no_more_than_a_full_record(crypto):
    """What an engine makes in drops leaves in whole records: its pace does not show."""
    pair = tapped(crypto)
    stream = pair.ask(b"speak", service="audio.speech")
    pair.let_pass(0.1)
    before = len(pair.seen_by)
    for _ in range(10):
        pair.provider.data(stream, b"\1" * 1500, 1)
        pair.settle()
    assert len(pair.seen_by) == before
    pair.provider.data(stream, b"\1" * 2000, 1)
    pair.settle()
    assert pair.seen_by[before:] == [Seen(pair.now, "provider", BULK.down.size + OVERHEAD)]


def test_a_new_key_in_the_middle_of_bulk_counts_like_any_record(crypto):
    pair = tapped(crypto)
    pair.ask(b"a picture", service="images")
    pair.let_pass(0.1)
    pair.provider._sent.records = REKEY_RECORDS - 7
    pair.provider.data(1, b"\xff" * 300_000, 1)
    pair.provider.finish(1, "stop")
    pair.rest()
    assert pair.provider._sent.records < 100
    down = pair.heard("provider")
    assert pair.seen(ev.Finished) and len(down) == padded_count(len(down))


def test_a_crowded_socket_gets_nothing_until_it_has_room(crypto):
    pair = tapped(crypto)
    pair.ask(b"a picture", service="images")
    pair.let_pass(0.6)
    before = len(pair.heard("provider"))
    pair.provider.crowded = True
    pair.let_pass(5)
    assert len(pair.heard("provider")) == before
    pair.provider.crowded = False
    pair.let_pass(0.6)
    assert len(pair.heard("provider")) > before


def test_what_still_waits_at_the_end_of_a_connection_leaves_in_the_size_of_its_class(crypto):
    """The end shows anyway; beside it there is only how many records waited for their beats."""
    pair = tapped(crypto)
    pair.ask()
    for _ in range(3):
        pair.provider._post(Ping(b"12345678"))
    before = len(pair.heard("provider"))
    pair.provider.bye()
    pair.settle()
    last = pair.heard("provider")[before:]
    assert len(last) >= 4 and {seen.size for seen in last} == {TEXT.down.size + OVERHEAD}


def test_the_largest_voucher_fits_the_smallest_record():
    """A P-256 signature, and eight streams with the highest numbers: only its class says how large a record is."""
    most = (2**32 - 1, 2**32 - 1)
    assert size_for(len(encode_body(Voucher(b"\xff" * 16, bytes(128), (most,) * 8)))) == TEXT.up.size
    for small in (VoucherOk(b"\xff" * 16), PayFirst(b"\xff" * 16), Cancel(2**16 - 1), Window(2**63 - 1)):
        assert size_for(len(encode_body(small))) == min(SIZES)


def test_a_class_changes_only_at_rest(crypto):
    pair = tapped(crypto)
    stream = pair.ask()
    with pytest.raises(LocalError) as raised:
        pair.ask(b"a picture", service="images")
    assert raised.value.code is Code.OTHER_TRAFFIC
    pair.provider.finish(stream, "stop")
    pair.rest()
    check(pair, TEXT)
    image(pair, 1000)
    pair.rest()
    assert pair.client.shape is pair.provider.shape is BULK
    talk_again = pair.ask()
    pair.provider.finish(talk_again, "stop")
    pair.rest()
    assert pair.client.shape is pair.provider.shape is TEXT
    assert len(pair.seen(ev.Finished)) == 3


def test_a_provider_refuses_to_mix_classes_in_its_own_shape(crypto):
    pair = tapped(crypto)
    stream = pair.ask()
    pair.client.shape = BULK  # a client that does not care
    other = pair.ask(b"a picture", service="images")
    pair.let_pass(1)
    assert pair.seen(ev.Refused)[0].stream == other
    assert pair.seen(ev.Refused)[0].error.code is Code.OTHER_TRAFFIC
    pair.provider.finish(stream, "stop")
    pair.rest()
    assert {seen.size for seen in pair.heard("provider")} == {TEXT.down.size + OVERHEAD}


def test_all_classes_agree_on_both_sides(crypto):
    for flags, shape in ((0, TEXT), (LARGE, RICH), (FAST, LOW_LATENCY)):
        pair = tapped(crypto, flags)
        assert pair.client.shape is pair.provider.shape is shape


# -- what it costs

HEAD_DOWN, HEAD_UP = 4, 8  # a frame's header for 126 to 65,535 bytes of payload; a client's has a mask (RFC 6455)


@pytest.mark.parametrize(("flags", "most"), [(0, 7_000), (FAST, 8_500), (LARGE, 90_000)])
def test_overhead(crypto, flags, most):
    """Bytes of WebSocket frames each second, both ways together: text has at most 7 kB."""
    pair = tapped(crypto, flags)
    stream = pair.ask()
    pair.let_pass(0.05)
    pair.engine(stream, 300)
    pair.seen_by.clear()
    pair.let_pass(20)
    size = sum(seen.size + (HEAD_DOWN if seen.sender == "provider" else HEAD_UP) for seen in pair.seen_by)
    assert 0 < size / 20 <= most
    assert len(pair.seen(ev.Output)) > 3
