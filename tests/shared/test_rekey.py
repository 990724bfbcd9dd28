"""REKEY: both directions renew their keys in time, nothing is lost, and it cannot be told from other records."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tallystick_shared.crypto import InvalidTag
from tallystick_shared.errors import Code
from tallystick_shared.messages import Ping, encode_body
from tallystick_shared.noise import CipherState
from tallystick_shared.records import Frame, Record, Type, decode_record
from tallystick_shared.session import events as ev
from tallystick_shared.session import rekey
from tallystick_shared.session.rekey import RECORDS, SECONDS, KeyAge
from tallystick_shared.session.shape import LOW_LATENCY, TEXT
from tests.shared.pair import Pair
from tests.shared.tools import flipped

STEP = 0.021  # of a pair's clock
PAD = Record(Type.PAD, 0, b"")


@pytest.fixture
def pair(crypto):
    return Pair(crypto).connect()


def keys_of(pair):
    return pair.client._sending._key, pair.client._receiving._key


def watch(pair) -> list[tuple[str, int, int]]:
    """Every record that crosses from now on: who sent it, its type and its size."""
    seen: list[tuple[str, int, int]] = []

    def look(sender, message):
        receiving = (pair.provider if sender == "client" else pair.client)._receiving
        nonce = receiving.nonce
        seen.append((sender, decode_record(receiving.decrypt_with_ad(b"", message[1:])).type, len(message)))
        receiving.nonce = nonce
        return message

    pair.tamper = look
    return seen


def old(pair, side="client") -> None:
    """This side's key is nearly used up: one more record, and then REKEY."""
    peer = getattr(pair, side)
    other = pair.provider if side == "client" else pair.client
    peer._sent.records = other._received.records = RECORDS - 2


def test_a_key_has_an_age():
    age = KeyAge(100.0)
    assert not age.due(100.0 + SECONDS - 1) and age.due(100.0 + SECONDS)
    age.records = RECORDS - 2
    assert not age.due(100.0)
    age.records += 1
    assert age.due(100.0) and not age.overdue
    age.records = RECORDS + 1
    assert age.overdue


def test_two_to_the_fourteen_records(pair):
    """Counted out: the REKEY is the last one under its key, and both ends go on with the next."""
    sender, receiver = pair.client, pair.provider
    before, renewed, records = receiver._receiving._key, [], sender._sent.records
    for _ in range(RECORDS):
        sender._send(PAD)
        for message in sender.outgoing():
            records += 1
            key = receiver._receiving._key
            receiver.receive(message, 0.0)
            if receiver._receiving._key != key:
                renewed.append(records)
    assert renewed == [RECORDS] and not receiver.closed
    assert sender._sending._key == receiver._receiving._key != before
    old(pair)
    sender._send(PAD), sender._send(PAD)
    pair.settle()
    assert sender._sending._key == receiver._receiving._key != key


def test_a_peer_that_never_renews_its_key_is_cut(pair):
    pair.client._sent.records = pair.provider._received.records = RECORDS - 1
    pair.client._sent.due = lambda now: False
    pair.client._send(PAD)
    pair.settle()
    assert not pair.provider.closed
    pair.client._send(PAD)
    pair.settle()
    assert pair.seen(ev.Closed, "provider")[0].error.code is Code.PROTOCOL


def test_fifteen_minutes(pair):
    before = keys_of(pair)
    pair.now += SECONDS - 1
    pair.client.tick(pair.now)
    seen = watch(pair)
    pair.client._post(Ping(b"12345678"))
    pair.settle()
    assert [kind for _, kind, _ in seen] == [Type.PING, Type.PONG] and keys_of(pair) == before
    pair.now += 1
    pair.client.tick(pair.now)
    pair.client._post(Ping(b"12345678"))
    pair.settle()
    assert [kind for _, kind, _ in seen[2:]] == [Type.REKEY, Type.PING, Type.REKEY, Type.PONG]
    assert not set(keys_of(pair)) & set(before)


@pytest.mark.parametrize("size", [256, 512, 4096, 16384])
def test_it_looks_like_the_record_behind_it(pair, size):
    seen = watch(pair)
    old(pair)
    for _ in range(3):
        pair.client._send(PAD, size)
    pair.settle()
    assert [kind for _, kind, _ in seen] == [Type.PAD, Type.REKEY, Type.PAD, Type.PAD]
    assert {length for _, _, length in seen} == {1 + size + 16}


@pytest.mark.parametrize("shape", [TEXT, LOW_LATENCY], ids=["text", "low latency"])
def test_while_the_cadence_runs_it_takes_a_beat(crypto, shape):
    """One record of one size leaves at each beat of either direction, whatever it is; the answer comes whole."""
    pair = Pair(crypto, low_latency=shape is LOW_LATENCY).connect()
    stream = pair.ask()
    old(pair), old(pair, "provider")
    seen, beats = watch(pair), []
    look = pair.tamper

    def note(sender, message):
        """While the metronome runs; what waited for a beat that never came leaves when it stops."""
        message = look(sender, message)
        if getattr(pair, sender)._cadence.running:
            beats.append((sender, pair.now, len(message)))
        return message

    pair.tamper = note
    pair.engine(stream, 40, piece := b"word " * 40)
    pair.provider.finish(stream, "stop")
    pair.pass_time(20)
    assert b"".join(event.data for event in pair.seen(ev.Output)) == piece * 40
    assert pair.seen(ev.Finished)[0].units == 40 and not pair.client.closed
    for side, beat in (("client", shape.up), ("provider", shape.down)):
        assert [kind for sender, kind, _ in seen if sender == side].count(Type.REKEY) == 1
        assert {size for sender, _, size in beats if sender == side} == {1 + beat.size + 16}
        at = [now for sender, now, _ in beats if sender == side]
        assert len(at) > 5
        assert [round(b - a, 2) for a, b in pairwise(at) if abs(b - a - beat.interval) > STEP] == []


@pytest.mark.parametrize("every", [2, 3, 7])
def test_a_whole_session_with_many_of_them(crypto, every):
    """Wherever it falls, in front of AUTH, in a prompt, a tail or a close: the story goes on and comes to the same."""
    told = []
    for renewing in (False, True):
        pair = Pair(crypto)

        def age(sender, message, pair=pair, renewing=renewing):
            peer = getattr(pair, sender)
            if renewing and peer._sent.records >= every:
                peer._sent.since = -SECONDS
            return message

        pair.tamper = age
        pair.connect()
        stream = pair.ask(b"x" * 9000)
        pair.engine(stream, 30)
        pair.provider.finish(stream, "stop")
        pair.pass_time(8)
        pair.client.close()
        pair.settle()
        pair.provider.close_ok(b"\x09" * 32)
        pair.settle()
        told.append((pair.seen(ev.Finished)[0].amount, [event.data for event in pair.seen(ev.Output)]))
        assert [event.error for event in pair.seen(ev.Closed)] == [None]
        assert pair.client.account.durable == pair.account.durable
    assert told[0][0] == told[1][0] and b"".join(told[0][1]) == b"".join(told[1][1])


def test_what_leaves_at_once_may_have_it_before(pair):
    stream = pair.ask()
    pair.pass_time(0.3)
    pair.client._sent.records = pair.provider._received.records = RECORDS - 1
    seen = watch(pair)
    pair.client.cancel(stream)
    pair.settle()
    assert [kind for sender, kind, _ in seen if sender == "client"] == [Type.REKEY, Type.CANCEL]
    pair.pass_time(12)
    assert pair.seen(ev.Finished)[0].finish == "cancelled"


def test_it_may_arrive_while_the_provider_looks_the_channel_up(crypto):
    pair = Pair(crypto)
    answer, pair._provider_driver = pair._provider_driver, lambda event: None
    pair.connect()
    pair.client._sent.records = RECORDS - 1
    pair.provider._received.records = RECORDS - 1
    pair.ask()
    answer(pair.seen(ev.AuthOffered, "provider")[0])
    pair._provider_driver = answer
    pair.settle()
    pair.pass_time(0.5)
    assert pair.seen(ev.Accepted) and not pair.provider.closed


def test_no_key_opens_what_another_sealed(crypto, pair):
    old_key = pair.client._sending._key
    old(pair)
    pair.client._send(PAD)
    pair.client._send(PAD)
    messages = pair.client.outgoing()
    assert [opens(crypto, old_key, message) for message in messages] == [True, True, False]
    assert [opens(crypto, pair.client._sending._key, message) for message in messages] == [False, False, True]


def opens(crypto, key: bytes, message: bytes) -> bool:
    """Under any of the first counters."""
    for nonce in range(8):
        cipher = CipherState(crypto, key)
        cipher.nonce = nonce
        try:
            cipher.decrypt_with_ad(b"", message[1:])
        except InvalidTag:
            continue
        return True
    return False


def test_only_that_record_renews(pair):
    before = keys_of(pair)
    pair.ask()
    pair.pass_time(3)
    pair.client._post(Ping(b"12345678"))
    pair.settle()
    assert keys_of(pair) == before


def test_every_byte_of_it(pair):
    pair.client._rekey(256)
    (message,) = pair.client.outgoing()
    key = pair.provider._receiving._key
    for at in range(1, len(message)):
        with pytest.raises(InvalidTag):
            pair.provider._receiving.decrypt_with_ad(b"", flipped(message, at)[1:])
    pair.provider.receive(message, 0.0)
    assert pair.provider._receiving._key != key and not pair.provider.closed


@pytest.mark.parametrize("record", [Record(Type.REKEY, 1, b""), Record(Type.REKEY, 0, b"\x90")])
def test_it_carries_nothing(pair, record):
    pair.client._send(record)
    pair.settle()
    assert pair.seen(ev.Closed, "provider")[0].error.code is Code.BAD_MESSAGE


def test_early_ones_are_taken(pair):
    """Some other implementation may renew more often; each costs us one block of the cipher."""
    for _ in range(20):
        pair.client._rekey(256)
        pair.client._send(Record(Type.PING, 0, encode_body(Ping(b"12345678"))))
    seen = watch(pair)
    pair.settle()
    assert [kind for sender, kind, _ in seen if sender == "provider"] == [Type.PONG] * 20


def test_one_before_any_key_is_nothing(crypto):
    pair = Pair(crypto)
    pair.provider.receive(bytes([Frame.RECORD]) + bytes(272), 0.0)
    pair.settle()
    assert pair.seen(ev.Closed, "provider")[0].error.code is Code.PROTOCOL
    assert rekey.SECONDS == 15 * 60 and rekey.RECORDS == 2**14
