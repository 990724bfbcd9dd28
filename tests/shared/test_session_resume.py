"""A connection breaks in mid-answer and another one goes on: no gap, nothing twice, nothing paid twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick_shared.channel import channels_domain
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import Error, ResumeAt, amount_bytes, decode
from tallystick_shared.profile import answer_digest
from tallystick_shared.records import Type
from tallystick_shared.session import events as ev
from tallystick_shared.session.detached import Shelf
from tallystick_shared.session.peer import KEPT_STREAMS
from tallystick_shared.session.tables import StreamState
from tests.shared.pair import CHAIN, CHANNELS, OFFER, WINDOW, Pair

IN, OUT = 10**6, 4 * 10**6
INPUT = 40 * IN


@pytest.fixture
def pair(crypto):
    return Pair(crypto).connect()


def text(pair, stream=1):
    return b"".join(event.data for event in pair.seen(ev.Output) if event.stream == stream)


def words(count):
    return b"".join(b"w%d " % number for number in range(count))


def make(pair, stream, first, last):
    for number in range(first, last):
        pair.provider.data(stream, b"w%d " % number, 1)


def feed(pair, stream, first, last):
    """The engine goes on although its connection is gone."""
    (kept,) = (kept for kept in pair.shelf._kept.values())
    for number in range(first, last):
        kept.held.add(b"w%d " % number, 1, 0)
        pair.shelf.fed((pair.provider.channel_id, kept.held.open.request_id))
    return kept.held


def settled(pair):
    """Both count the same, and all of it is paid."""
    assert not pair.account.running
    assert pair.client.account.owed == pair.account.owed == pair.account.durable == pair.client.signed


@pytest.mark.parametrize("swallowed", [0, 1, 3])
def test_an_answer_goes_on_over_a_new_connection(pair, swallowed):
    """Some records that left never arrive."""
    stream = pair.ask()
    make(pair, stream, 0, 10)
    pair.pass_time(0.3)
    make(pair, stream, 10, 20)
    for _ in range(swallowed):
        pair.now += 0.1
        pair.provider.tick(pair.now)
        pair.provider.outgoing()
        make(pair, stream, 20, 20)
    pair.break_off()
    again = pair.rejoin()
    request_id = again.client.streams[stream].request.request_id
    assert again.seen(ev.StreamResumed, "provider") == [ev.StreamResumed(stream, request_id)]
    make(again, stream, 20, 50)
    again.provider.finish(stream, "stop")
    again.pass_time(12)
    (finished,) = again.seen(ev.Finished)
    assert text(again) == words(50)
    assert (finished.units, finished.amount) == (50, INPUT + 50 * OUT)
    settled(again)


def test_a_stream_that_is_cut_again_and_again(pair):
    stream, made = pair.ask(), 0
    for _ in range(12):
        make(pair, stream, made, made + 5)
        made += 5
        pair.pass_time(0.14)
        pair.break_off()
        pair = pair.rejoin()
    pair.provider.finish(stream, "stop")
    pair.pass_time(12)
    assert text(pair) == words(60) and pair.seen(ev.Finished)[0].units == 60
    settled(pair)


def test_the_end_is_kept_until_it_is_heard(pair):
    stream = pair.ask()
    make(pair, stream, 0, 5)
    pair.pass_time(0.5)
    pair.provider.finish(stream, "stop")
    pair.now += 0.2
    pair.provider.tick(pair.now)
    assert pair.seen(ev.StreamDone, "provider") == [] and pair.provider.streams[1].ending is not None
    pair.break_off()
    again = pair.rejoin()
    again.pass_time(3)
    (finished,) = again.seen(ev.Finished)
    assert (finished.finish, finished.units, text(again)) == ("stop", 5, words(5))
    assert len(again.seen(ev.StreamDone, "provider")) == 1
    settled(again)


def test_an_error_is_kept_until_it_is_heard(pair):
    stream = pair.ask()
    make(pair, stream, 0, 5)
    pair.pass_time(0.5)
    pair.provider.fail(stream, PeerError(Code.ENGINE_FAILED), retry_after_ms=700)
    pair.break_off()
    again = pair.rejoin()
    again.pass_time(3)
    (refusal,) = again.seen(ev.Refused)
    assert (refusal.error.code, refusal.retryable, refusal.retry_after_ms) == (Code.ENGINE_FAILED, True, 700)
    settled(again)


def test_an_engine_that_fails_meanwhile(pair):
    stream = pair.ask()
    make(pair, stream, 0, 5)
    pair.pass_time(0.5)
    make(pair, stream, 5, 8)
    pair.now += 0.1
    pair.provider.tick(pair.now)  # these leave and never arrive
    pair.break_off()
    key = (pair.provider.channel_id, pair.client.streams[1].request.request_id)
    pair.shelf.fail(key, PeerError(Code.ENGINE_FAILED), 500)
    again = pair.rejoin()
    again.pass_time(3)
    assert text(again) == words(8)
    assert again.seen(ev.Refused)[0].error.code is Code.ENGINE_FAILED
    settled(again)


def test_what_was_not_accepted_is_asked_once_more(crypto):
    pair = Pair(crypto)
    pair.connect()
    pair._provider_driver = lambda event: None  # nobody counts the input
    stream = pair.ask()
    pair.break_off()
    again = pair.rejoin()
    assert len(again.seen(ev.RequestOffered, "provider")) == 2
    again.provider.measure(stream, 40, bytes(range(32)))
    again.pass_time(1)
    make(again, stream, 0, 3)
    again.provider.finish(stream, "stop")
    again.pass_time(3)
    assert again.seen(ev.Finished)[0].amount == INPUT + 3 * OUT
    settled(again)


def test_an_accept_that_never_arrived_is_told_by_the_same_open(pair):
    """The request runs; the client opens it again, and is re-attached instead of served twice."""
    stream = pair.ask()
    make(pair, stream, 0, 5)
    for _ in range(4):
        pair.now += 0.1
        pair.provider.tick(pair.now)
    pair.break_off()
    assert not pair.seen(ev.Accepted)
    again = pair.rejoin()
    assert len(again.seen(ev.RequestOffered, "provider")) == len(again.seen(ev.StreamResumed, "provider")) == 1
    again.provider.finish(stream, "stop")
    again.pass_time(4)
    assert text(again) == words(5)
    assert again.seen(ev.Finished)[0].amount == INPUT + 5 * OUT
    settled(again)


def test_what_was_cancelled_is_heard_to_its_end(pair):
    stream = pair.ask()
    make(pair, stream, 0, 20)
    pair.pass_time(0.5)
    pair.client.cancel(stream)  # it never arrives
    pair.break_off()
    again = pair.rejoin()
    again.pass_time(3)
    (finished,) = again.seen(ev.Finished)
    assert finished.finish == "cancelled" and text(again).startswith(b"w0 ")
    assert any(event.stream == stream for event in again.seen(ev.Stopped, "provider"))
    settled(again)


def test_the_same_request_number_with_other_content_is_an_error(pair):
    stream = pair.ask()
    make(pair, stream, 0, 5)
    pair.pass_time(0.5)
    pair.break_off()
    held = pair.client.streams[1]
    held.request, held.accepted = replace(held.request, max_units=7), False
    again = pair.rejoin()
    again.pass_time(1)
    assert again.seen(ev.Refused)[0].error.code is Code.REQUEST_CONFLICT
    assert len(again.shelf) == 1


def test_a_stream_is_taken_over_from_a_connection_that_still_stands(pair):
    stream = pair.ask()
    make(pair, stream, 0, 10)
    pair.pass_time(0.3)
    older = pair.provider
    again = pair.rejoin()  # the older provider's end does not know yet
    assert not older.closed
    make(again, stream, 10, 30)
    again.provider.finish(stream, "stop")
    for _ in range(100):
        older.tick(again.now)
        older.outgoing()
        again.pass_time(0.1)
    assert text(again) == words(30)
    assert [event for event in older.events() if isinstance(event, ev.StreamDetached)]
    older.lost()
    assert not [event for event in older.events() if isinstance(event, ev.StreamDone)]
    settled(again)


def test_eight_streams_are_resumed_at_once(pair):
    streams = [pair.ask() for _ in range(8)]
    pair.pass_time(6)  # all are paid for first
    for stream in streams:
        make(pair, stream, 0, 4)
    pair.pass_time(0.3)
    pair.break_off()
    again = pair.rejoin()
    for stream in streams:
        make(again, stream, 4, 6)
        again.provider.finish(stream, "stop")
    again.pass_time(15)
    assert [text(again, stream) for stream in streams] == [words(6)] * 8
    settled(again)


# -- while nobody is there


def test_the_engine_goes_on_as_far_as_the_window_reaches(pair):
    stream = pair.ask()
    make(pair, stream, 0, 5)
    pair.pass_time(1.2)
    pair.break_off()
    owed = pair.account.owed
    held = feed(pair, stream, 5, 5 + WINDOW // OUT)
    assert not held.finish and pair.account.owed == owed  # what was not sent is not owed
    feed(pair, stream, 5 + WINDOW // OUT, 6 + WINDOW // OUT)
    assert held.finish == "interrupted"
    again = pair.rejoin()
    again.pass_time(12)
    (finished,) = again.seen(ev.Finished)
    assert finished.finish == "interrupted" and text(again) == words(finished.units)
    settled(again)


def test_the_slot_is_given_back_after_five_seconds(pair):
    stream = pair.ask()
    make(pair, stream, 0, 5)
    pair.pass_time(0.5)
    pair.break_off()
    assert pair.shelf.next_deadline() == pair.now + 5
    pair.shelf.tick(pair.now + 4.9)
    assert pair.shelf.events() == []
    pair.shelf.tick(pair.now + 5)
    (stopped,) = pair.shelf.events()
    assert stopped.request_id == pair.client.streams[stream].request.request_id
    pair.now += 60
    again = pair.rejoin()
    again.pass_time(3)
    assert again.seen(ev.Finished)[0].finish == "interrupted" and text(again) == words(5)
    settled(again)


def test_what_is_kept_no_longer_is_gone_and_paid_once(pair):
    stream = pair.ask()
    make(pair, stream, 0, 5)
    pair.pass_time(0.5)
    make(pair, stream, 5, 8)
    pair.now += 0.1
    pair.provider.tick(pair.now)  # owed, and never seen
    pair.break_off()
    pair.now += 120
    pair.shelf.tick(pair.now)
    assert len(pair.shelf) == 0 and not pair.account.running
    again = pair.rejoin()
    again.pass_time(3)
    (finished,) = again.seen(ev.Finished)
    assert (finished.finish, finished.units) == ("gone", 5)
    assert finished.amount == again.account.owed == INPUT + 8 * OUT
    assert again.client.purse.unseen == 3 * OUT
    again.ask()
    again.pass_time(1)
    assert again.client.account.owed == again.account.owed


def test_a_provider_that_lost_its_memory_is_paid_what_it_still_knows(pair):
    """It crashed: of the answer only the ledger's last figure is left."""
    stream = pair.ask()
    make(pair, stream, 0, 8)
    pair.pass_time(0.6)
    pair.break_off()
    known = pair.account.owed - 2 * OUT
    account = replace(pair.account, settled=known, running={})
    again = pair.rejoin(account=account, shelf=Shelf())
    again.pass_time(3)
    (finished,) = again.seen(ev.Finished)
    assert finished.finish == "gone" and finished.stream == stream
    assert again.account.owed == known
    assert again.client.account.owed == INPUT + 8 * OUT == finished.amount  # what it received


def test_gone_is_no_way_to_earn(pair):
    """However much a provider says that a lost answer had cost."""
    pair.ask()
    pair.pass_time(0.5)
    pair.break_off()
    pair.account.settled += 100 * WINDOW
    pair.shelf.end_channel(pair.provider.channel_id)
    pair.shelf._past = dict.fromkeys(pair.shelf._past, 10**11)
    again = pair.rejoin()
    again.pass_time(3)
    assert again.seen(ev.Finished)[0].finish == "gone"
    assert again.client.account.owed <= INPUT + again.client.purse.limits.advance


@pytest.mark.parametrize(("seq", "amount"), [(0, 0), (99, 0), (3, 0), (2, INPUT), (2, INPUT + 99 * OUT)])
def test_a_resume_that_does_not_fit(pair, seq, amount):
    """Beyond what was sent, before what is kept, or with another count: nothing is taken over."""
    stream = pair.ask()
    make(pair, stream, 0, 5)
    pair.pass_time(0.5)
    pair.break_off()
    request_id = pair.client.streams[stream].request.request_id
    again = pair.reconnect(pair.resume)
    again.client._post(ResumeAt(request_id, seq, amount_bytes(amount)), 3, at_once=True)
    again.provider.receive(again.client.outgoing()[0], again.now)
    assert len(again.shelf) == 1 and again.provider.streams[3].state is StreamState.DONE
    assert again.provider.streams[3].finish == "gone"


def test_what_cannot_be_kept_says_so_and_is_not_kept(crypto):
    pair = Pair(crypto).connect()
    request = replace(pair.request(), service="images")
    stream = pair.client.open(request, pair.client.first_amount(request))
    pair.settle()
    make(pair, stream, 0, 5)
    pair.pass_time(0.5)
    assert not pair.client.streams[stream].resumable and not pair.client.can_resume
    pair.break_off()
    assert len(pair.shelf) == 0 and not pair.account.running
    assert pair.seen(ev.StreamDone, "provider")[0].finish == "lost"


def test_a_goodbye_keeps_nothing(pair):
    make(pair, pair.ask(), 0, 5)
    pair.pass_time(0.5)
    pair.client.bye()
    pair.settle()
    assert len(pair.shelf) == 0 and not pair.account.running


def test_close_ends_what_waits_elsewhere(pair):
    make(pair, pair.ask(), 0, 5)
    pair.pass_time(0.5)
    pair.break_off()
    again = pair.reconnect(replace(pair.resume, signed=pair.client.signed, owed=pair.client.account.owed))
    again.client.close()
    again.settle()
    assert len(again.shelf) == 0 and not again.account.running
    assert again.seen(ev.CloseAsked, "provider")[0].voucher.amount == again.account.owed


def test_close_sends_first_what_has_to_come_again(pair):
    stream = pair.ask()
    make(pair, stream, 0, 5)
    pair.pass_time(0.5)
    make(pair, stream, 5, 8)
    pair.now += 0.1
    pair.provider.tick(pair.now)
    pair.break_off()
    again = pair.rejoin()
    again.client.close()
    again.settle()
    again.provider.close_ok(bytes(32))
    again.settle()
    assert text(again) == words(8) and again.seen(ev.Finished)[0].units == 8
    assert again.seen(ev.CloseAsked, "provider")


def test_acknowledged_output_is_overwritten(pair):
    stream = pair.ask()
    pair.pass_time(0.5)
    make(pair, stream, 0, 5)
    pair.pass_time(0.12)
    held = pair.provider.streams[stream]
    bodies = [one.body for one in held.sent]
    assert bodies and any(any(body) for body in bodies)
    pair.pass_time(1)
    assert not held.sent and not any(any(body) for body in bodies)


def test_a_ninth_stream_is_not_resumed_but_kept(pair):
    stream = pair.ask()
    make(pair, stream, 0, 2)
    pair.pass_time(0.5)
    pair.break_off()
    again = pair.reconnect(pair.resume)
    for _ in range(8):
        again.ask()
    request_id = pair.client.streams[stream].request.request_id
    again.client._post(ResumeAt(request_id, 1, amount_bytes(0)), 99, at_once=True)
    again.provider.receive(again.client.outgoing()[0], again.now)
    held = again.provider.streams[99]
    assert held.ending[0] is Type.ERROR and len(again.shelf) == 1


def test_an_error_says_what_is_owed_and_when_to_come_back(pair):
    """Code, retryable, retry-after and what was delivered and is not paid yet: as it crosses, also the second time."""
    stream = pair.ask()
    pair.pass_time(0.5)
    pair.durable = False
    make(pair, stream, 0, 6)
    pair.pass_time(0.3)
    owed = pair.account.credit
    pair.provider.fail(stream, PeerError(Code.ENGINE_FAILED, detail="secret"), retry_after_ms=700)
    kind, body = pair.provider.streams[stream].ending
    told = decode(Error, body)
    assert kind is Type.ERROR and owed > 0
    assert (told.code, told.retryable, told.retry_after_ms) == (Code.ENGINE_FAILED, True, 700)
    assert int.from_bytes(told.owed, "big") == owed and len(told.text) <= 200 and "secret" not in told.text
    pair.break_off()
    again = pair.rejoin()
    again.pass_time(2)
    assert again.provider.streams[stream].ending == (kind, body) or not again.provider.streams[stream].sent
    assert again.seen(ev.Refused)[0].retry_after_ms == 700


def test_the_end_of_a_resumed_answer_is_that_of_one_whole_answer(pair, crypto):
    """The digest runs over all DATA bodies of both connections, and the operator's receipt is over it."""
    stream = pair.ask()
    make(pair, stream, 0, 9)
    pair.pass_time(0.5)
    pair.break_off()
    again = pair.rejoin()
    make(again, stream, 9, 20)
    again.provider.finish(stream, "stop")
    again.pass_time(4)
    (finished,) = again.seen(ev.Finished)
    receipt = finished.receipt
    receipt.verify(crypto, channels_domain(CHAIN, CHANNELS), again.operator)
    digest = again.client.streams[stream].digest.digest()
    assert receipt.digest == answer_digest(receipt.salt, digest)
    assert (receipt.amount, receipt.units, receipt.manifest) == (INPUT + 20 * OUT, 20, OFFER.manifest)


def test_a_half_answer_whose_rest_was_altered_is_refused(pair):
    """What the new connection brings must be what the old one would have: one byte else, and END does not add up."""
    stream = pair.ask()
    make(pair, stream, 0, 9)
    pair.pass_time(0.5)
    make(pair, stream, 9, 12)
    pair.now += 0.1
    pair.provider.tick(pair.now)
    pair.break_off()
    (kept,) = pair.shelf._kept.values()
    kept.held.sent[-1].body[-1] ^= 1
    again = pair.rejoin()
    again.provider.finish(stream, "stop")
    again.pass_time(4)
    assert again.seen(ev.Closed)[-1].error.code is Code.BAD_DIGEST and not again.seen(ev.Finished)


def handed_over(pair, stream, times, every=0.1):
    """A stream goes to and fro between two connections of its channel, each of them told by RESUME."""
    ends = [pair.provider, pair._again(account=pair.account).connect().provider]
    held = ends[0].streams[stream]
    at = ResumeAt(held.open.request_id, held.seq + 1, amount_bytes(held.price.amount(held.input_units, held.units)))
    for number in range(times):
        ends[(number + 1) % 2]._offer(1000 + number, at)
        for _ in range(round(every / 0.1)):
            pair.now += 0.1
            for end in ends:
                end.tick(pair.now)
                end.outgoing()
    return held, ends


def test_one_that_goes_to_and_fro_leaves_little_behind(pair):
    stream = pair.ask()
    make(pair, stream, 0, 5)
    pair.provider.finish(stream, "stop")
    for _ in range(5):  # nobody hears it
        pair.now += 0.1
        pair.provider.tick(pair.now)
    _, ends = handed_over(pair, stream, 400)
    assert not any(end.closed for end in ends)
    assert all(len(end.streams) <= KEPT_STREAMS + 2 for end in ends)


def test_attack_a_paused_stream_that_goes_to_and_fro_is_given_up(pair):
    """Its client owes a full window; a new connection lets it wait once more, but not a third time."""
    pair.client.purse.limits = replace(pair.client.purse.limits, window=0)
    stream = pair.ask()
    pair.durable = False
    make(pair, stream, 0, 200)
    pair.pass_time(2)
    held, _ = handed_over(pair, stream, 4, every=4)
    assert held.finish == "interrupted" and not held.pending


def test_attack_what_is_sent_again_is_no_excuse_for_not_paying(pair):
    """The pause counts from RESUME on, also while old output goes out once more: its slot is free in time."""
    stream = pair.ask()
    for number in range(40):  # a record for each, up to the window
        make(pair, stream, number, number + 1)
        pair.now += 0.1
        pair.provider.tick(pair.now)
        pair.provider.outgoing()  # nobody hears it
    held = pair.provider.streams[stream]
    assert held.state is StreamState.PAUSED and len(held.sent) >= 10
    other = pair._again(account=pair.account).connect().provider
    other._offer(stream, ResumeAt(held.open.request_id, held.sent[0].seq, held_amount(held)))
    sent = 0
    for _ in range(52):
        pair.now += 0.1
        other.tick(pair.now)
        sent += len(other.outgoing())
    assert not held.again and sent > len(held.sent)
    assert held.finish == "interrupted"


def held_amount(held):
    """What its client counts that heard all up to what is not acknowledged."""
    return amount_bytes(held.price.amount(held.input_units, held.heard[1]))
