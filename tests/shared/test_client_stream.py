"""A request as its client sees it: what it sends of the input, and what it lets the provider count."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import Accept, Data, End, Input, amount_bytes, encode_body
from tallystick_shared.money import Account
from tallystick_shared.session import Request
from tallystick_shared.session.client_stream import GONE, INPUT_PIECE, INPUT_RECORD, ClientStream
from tallystick_shared.session.tables import StreamState
from tallystick_shared.session.windows import DATA_WINDOW, INPUT_WINDOW
from tests.shared.pair import OFFER
from tests.shared.tools import refused

IN, OUT = 10**6, 4 * 10**6
REQUEST = Request(bytes(16), "chat", b"", b"x" * 160, OFFER, 1000)


@pytest.fixture
def account():
    return Account(cap=10**12, window=10**9)


def accepted(account, units=40, **more):
    held = ClientStream(replace(REQUEST, **more))
    held.accept(Accept(units, 0, 0, True), account)
    return held


def piece(seq, units, data=b"word "):
    return Data(seq, units, 0, data)


def end(held, **changes):
    amount = held.request.offer.price.amount(held.input_units, held.units)
    values = {"units": held.units, "amount": amount, "finish": "stop", "digest": held.digest.digest(), **changes}
    return End(
        40, values["units"], amount_bytes(values["amount"]), values["finish"], values["digest"], bytes(16), bytes(65)
    )


def test_a_new_one():
    held = ClientStream(REQUEST)
    assert (held.state, held.seq, held.units, held.received, held.input_units) == (StreamState.INPUT, 0, 0, 0, 0)
    assert (held.brought, held.window, held.arriving.limit) == (0, INPUT_WINDOW, DATA_WINDOW)
    assert not (held.accepted or held.resuming or held.padded or held.most or held.refusal) and held.resumable


def test_heard_is_the_last_seq_and_one_more_with_the_end(account):
    held = accepted(account)
    held.data(piece(1, 1), account)
    held.data(piece(2, 2), account)
    assert held.heard == 2
    held.state = StreamState.FAILED
    assert held.heard == 2
    held.state = StreamState.DONE
    assert held.heard == 3
    held.accepted = False
    assert held.heard == 2


# -- the input


def test_a_record_holds_the_largest_piece_and_little_room_more():
    body = encode_body(Input(INPUT_WINDOW, bytes(INPUT_PIECE), True))
    assert INPUT_RECORD - 12 <= len(body) + 7 <= INPUT_RECORD and INPUT_PIECE == 4073


@pytest.mark.parametrize("size", [0, 1, INPUT_PIECE, INPUT_PIECE + 1, 3 * INPUT_PIECE])
def test_the_input_in_pieces(size):
    text = bytes(range(256)) * (size // 256 + 1)
    held = ClientStream(replace(REQUEST, input=text[:size]))
    pieces = []
    while (one := held.next_input()) is not None:
        assert not held.padded or one.fin
        assert held.brought == one.offset + len(one.data)
        pieces.append(one)
    assert b"".join(one.data for one in pieces) == text[:size]
    assert [one.offset for one in pieces] == [number * INPUT_PIECE for number in range(len(pieces))]
    assert [one.fin for one in pieces] == [False] * (len(pieces) - 1) + [True]
    assert len(pieces) == max(1, -(-size // INPUT_PIECE)) and held.padded


def test_no_further_than_the_window():
    held = ClientStream(replace(REQUEST, input=bytes(3 * INPUT_PIECE)))
    held.window = 2 * INPUT_PIECE - 1
    assert held.next_input() is not None and held.next_input() is None and held.brought == INPUT_PIECE
    held.window = 2 * INPUT_PIECE
    assert held.next_input() is not None and held.next_input() is None and not held.padded


@pytest.mark.parametrize(("records", "empty"), [(0, 0), (1, 0), (2, 0), (3, 1), (4, 0), (5, 3), (9, 7)])
def test_their_count_is_a_power_of_two(records, empty):
    held = ClientStream(replace(REQUEST, input=bytes(records * INPUT_PIECE)))
    assert held.input_padding() == empty


def test_it_is_opened_once_more_from_the_beginning():
    held = ClientStream(REQUEST, state=StreamState.DETACHED)
    held.window += 5
    first = held.next_input()
    held.begin_again()
    assert (held.state, held.brought, held.window, held.padded) == (StreamState.INPUT, 0, INPUT_WINDOW, False)
    assert held.next_input() == first


# -- what comes of it


@pytest.mark.parametrize(("units", "good"), [(0, True), (160 + OFFER.template_units, True), (225, False)])
def test_an_input_unit_is_at_least_a_byte(account, units, good):
    assert OFFER.template_units == 64
    if not good:
        with refused(Code.OVERCHARGED, PeerError):
            accepted(account, units)
        assert not account.running
        return
    held = accepted(account, units)
    assert held.accepted and held.input_units == units and account.owed == units * IN


def test_accept_comes_once_and_again_only_after_resume(account):
    held = accepted(account)
    with refused(Code.PROTOCOL, PeerError):
        held.accept(Accept(40, 0, 0, True), account)
    held.resuming = True
    with refused(Code.PROTOCOL, PeerError):
        held.accept(Accept(41, 0, 0, True), account)
    held.accept(Accept(40, 0, 0, False), account)
    assert not held.resuming and not held.resumable and account.owed == 40 * IN


def test_a_piece_counts(account):
    held = accepted(account)
    held.data(piece(1, 3), account)
    assert (held.seq, held.units, held.received, account.owed) == (1, 3, 5, 40 * IN + 3 * OUT)
    held.data(piece(2, 3, b""), account)
    assert (held.seq, held.units, held.received, account.owed) == (2, 3, 5, 40 * IN + 3 * OUT)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (piece(1, 4), Code.PROTOCOL),
        (piece(3, 4), Code.PROTOCOL),
        (piece(2, 0), Code.PROTOCOL),
        (piece(2, 1001, b"w" * 1000), Code.PROTOCOL),
        (piece(2, 10 + 16 + 1), Code.OVERCHARGED),
        (piece(2, 1, bytes(2 * 4096 - 5 + 1)), Code.TOO_LARGE),
        (piece(2, 1, bytes(2 * 4096 - 5)), None),
        (piece(2, 10 + 16), None),
        (piece(2, 1000, b"w" * 1000), None),
    ],
)
def test_what_may_come_next(account, body, code):
    held = accepted(account)
    held.data(piece(1, 1), account)
    if code is None:
        held.data(body, account)
        assert (held.seq, held.units, held.received) == (2, body.units, 5 + len(body.data))
        return
    with refused(code, PeerError):
        held.data(body, account)
    assert (held.seq, held.units, held.received, account.owed) == (1, 1, 5, 40 * IN + OUT)


def test_the_last_unit_may_be_no_larger_than_the_others(account):
    """With all units counted none is open any more."""
    for size, good in ((2 * 4096, True), (2 * 4096 + 1, False)):
        held = accepted(Account(cap=10**12, window=10**9), max_units=2)
        if good:
            held.data(piece(1, 2, bytes(size)), held_account(held))
            continue
        with refused(Code.TOO_LARGE, PeerError):
            held.data(piece(1, 2, bytes(size)), held_account(held))


def held_account(held):
    made = Account(cap=10**12, window=10**9)
    made.start(held.request.request_id, held.request.offer.price, held.input_units)
    return made


def test_nothing_comes_before_accept(account):
    with refused(Code.PROTOCOL, PeerError):
        ClientStream(REQUEST).data(piece(1, 1), account)


def test_after_cancel_only_what_was_under_way(account):
    held = accepted(account)
    held.most = 40 * IN + 2 * OUT
    held.data(piece(1, 2), account)
    with refused(Code.OVERCHARGED, PeerError):
        held.data(piece(2, 3), account)
    for most, good in ((40 * IN, True), (40 * IN - 1, False)):
        other = ClientStream(replace(REQUEST, request_id=bytes([good]) * 16), most=most)
        if good:
            other.accept(Accept(40, 0, 0, True), account)
            continue
        with refused(Code.OVERCHARGED, PeerError):
            other.accept(Accept(40, 0, 0, True), account)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"units": 2}, Code.OVERCHARGED),
        ({"units": 0}, Code.OVERCHARGED),
        ({"amount": 40 * IN + 3 * OUT + 1}, Code.OVERCHARGED),
        ({"amount": 40 * IN}, Code.OVERCHARGED),
        ({"digest": bytes(32)}, Code.BAD_DIGEST),
        ({"finish": GONE, "digest": bytes(32)}, Code.BAD_DIGEST),
        ({"finish": GONE, "units": 0, "amount": 7, "digest": bytes(32)}, None),
    ],
)
def test_the_end_says_what_we_counted(account, changes, code):
    held = accepted(account)
    held.data(piece(1, 3), account)
    if code is None:
        assert held.end(end(held, **changes), account) == account.owed == 40 * IN + 3 * OUT
    else:
        with refused(code, PeerError):
            held.end(end(held, **changes), account)
    assert not account.running and account.settled == 40 * IN + 3 * OUT


def test_the_digest_is_over_all_bodies(account):
    held, other = accepted(account), ClientStream(REQUEST)
    held.data(piece(1, 3), account)
    held.data(piece(2, 4), account)
    for body in (piece(1, 3), piece(2, 4)):
        other.digest.update(encode_body(body))
    assert held.digest.digest() == other.digest.digest() != ClientStream(REQUEST).digest.digest()


def test_one_that_was_never_accepted_costs_nothing(account):
    held = ClientStream(REQUEST)
    assert held.end(end(held, amount=0), account) == 0


def test_what_resume_says(account):
    held = accepted(account)
    held.data(piece(1, 3), account)
    at = held.resume_at(account)
    assert (at.request_id, at.next_seq, at.amount) == (bytes(16), 2, amount_bytes(40 * IN + 3 * OUT))
    account.finish(bytes(16))
    assert held.resume_at(account).amount == amount_bytes(0)
