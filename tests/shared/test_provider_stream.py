"""A request as its provider sees it: what it takes of the input, and what it sends, keeps and sends again."""

from __future__ import annotations

import pytest

from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import Data, Input, Open, ResumeAt, amount_bytes, decode
from tallystick_shared.money import Account, Price
from tallystick_shared.records import Type
from tallystick_shared.session.provider_stream import ProviderStream, wipe
from tallystick_shared.session.tables import StreamState
from tallystick_shared.session.windows import DATA_WINDOW, INPUT_WINDOW
from tests.shared.tools import refused

IN, OUT = 10**6, 4 * 10**6
PRICE = Price(IN * 10**6, OUT * 10**6)
ID = bytes(range(16))


@pytest.fixture
def account():
    return Account(cap=10**12, window=10**9)


def wanted(length=10):
    return Open(ID, "chat", "toy", b"", length, 1000, amount_bytes(PRICE.input), amount_bytes(PRICE.output))


def running(account, pieces=(), **more):
    """Accepted, 10 units of input; `pieces` are (bytes, units) that the engine made."""
    held = ProviderStream(wanted(), PRICE, state=StreamState.RUNNING, accepted=True, input_units=10, **more)
    account.start(ID, PRICE, 10)
    for data, units in pieces:
        held.add(data, units, 0)
    return held


def sent(held, account, room=100):
    """All that may leave now, as (seq, units, data)."""
    bodies = []
    while (body := held.next_data(room, account)) is not None:
        read = decode(Data, body)
        bodies.append((read.seq, read.units, read.data))
    return bodies


def words(count):
    return [(b"w%d" % number, 1) for number in range(count)]


def at(seq, units=None, input_units=10):
    return ResumeAt(ID, seq, amount_bytes(0 if units is None else PRICE.amount(input_units, units)))


def test_a_new_one():
    held = ProviderStream(wanted(), PRICE)
    assert (held.state, held.input_units, held.max_units, held.manifest) == (StreamState.OFFERED, -1, 0, bytes(32))
    assert (held.queued_units, held.blocked, held.units, held.seq, held.offset) == (0, 0, 0, 0, 0)
    assert (held.window, held.incoming.limit, held.incoming.moving) == (DATA_WINDOW, INPUT_WINDOW, False)
    assert (held.finish, held.waiting, held.place, held.heard, held.again, held.cost) == ("", 0, (0, 0), (0, 0), 0, 0)
    assert not (held.excused or held.complete or held.accepted or held.input_repeats) and held.resumable
    assert held.paused_since is held.ending is held.failure is held.next_total is None and held.size == 0


@pytest.mark.parametrize("state", StreamState)
def test_it_stands_on_the_account_from_accept_to_its_end(state):
    held = ProviderStream(wanted(), PRICE, state=state, accepted=True)
    names = ("RUNNING", "PAUSED", "RESUMED", "DETACHED")
    assert held.started == (state.name in names)
    held.ending = (Type.END, b"")
    assert not held.started
    held.ending, held.accepted = None, False
    assert not held.started


# -- input


def test_the_input_comes_in_order_and_whole():
    held = ProviderStream(wanted(10), PRICE)
    assert held.take_input(Input(0, b"0123", False)) is None and bytes(held.input) == b"0123"
    with refused(Code.BAD_MESSAGE, PeerError):
        ProviderStream(wanted(10), PRICE).take_input(Input(1, b"x", False))
    assert held.take_input(Input(4, b"456789", True)) == b"0123456789"
    assert held.complete and held.input == b""
    with refused(Code.PROTOCOL, PeerError):
        held.take_input(Input(10, b"", True))


@pytest.mark.parametrize(
    ("length", "body"),
    [(4, Input(0, b"01234", False)), (4, Input(0, b"01234", True)), (6, Input(0, b"01234", True))],
)
def test_neither_more_nor_less_than_was_said(length, body):
    with refused(Code.BAD_MESSAGE, PeerError):
        ProviderStream(wanted(length), PRICE).take_input(body)


def test_no_more_than_its_window():
    held = ProviderStream(wanted(10), PRICE)
    held.incoming.limit = 5
    assert held.take_input(Input(0, b"01234", False)) is None
    with refused(Code.TOO_LARGE, PeerError):
        held.take_input(Input(5, b"5", False))


# -- output


def test_pieces_are_put_together_as_far_as_they_fit(account):
    held = running(account, [(b"aaa", 1), (b"bbb", 2), (b"ccc", 1)])
    assert held.size == 9 and held.queued_units == 4 and held.next_total == 1
    assert sent(held, account, room=6) == [(1, 3, b"aaabbb"), (2, 4, b"ccc")]
    assert (held.seq, held.units, held.offset) == (2, 4, 9) and account.owed == 10 * IN + 4 * OUT
    assert not held.pending and held.next_total is None
    assert [(one.seq, one.units, one.offset) for one in held.sent] == [(1, 3, 6), (2, 4, 9)]
    assert held.size == sum(len(one.body) for one in held.sent) > 9


def test_what_left_is_overwritten_where_it_waited(account):
    held = running(account, [(b"aaa", 1), (b"bbbbbb", 1)])
    buffers = [piece for piece, _, _ in held.pending]
    assert sent(held, account, room=5) == [(1, 1, b"aaa"), (2, 1, b"bbbbb"), (3, 2, b"b")]
    assert not any(any(buffer) for buffer in buffers)


def test_a_piece_that_is_larger_than_a_record_counts_with_its_last_part(account):
    held = running(account, [(b"aaaaabbbbbc", 2), (b"d", 1)])
    assert sent(held, account, room=5) == [(1, 0, b"aaaaa"), (2, 0, b"bbbbb"), (3, 3, b"cd")]


def test_another_kind_takes_a_record_of_its_own(account):
    held = running(account, [(b"a", 1)])
    held.add(b"b", 1, 7)
    held.add(b"c", 1, 0)
    bodies = []
    while (body := held.next_data(100, account)) is not None:
        bodies.append(decode(Data, body))
    assert [(one.kind, one.data) for one in bodies] == [(0, b"a"), (7, b"b"), (0, b"c")]


def test_no_further_than_it_is_paid(account):
    account.window = 10 * IN + 2 * OUT
    held = running(account, words(5))
    assert sent(held, account) == [(1, 2, b"w0w1")]
    account.acknowledge(OUT)
    assert sent(held, account) == [(2, 3, b"w2")]


def test_no_further_than_the_window_of_what_is_kept(account):
    held = running(account, [(b"aaaa", 1), (b"bbbb", 1), (b"cccc", 1)])
    held.window = 8
    assert sent(held, account) == [(1, 2, b"aaaabbbb")]
    held.window = 10
    assert sent(held, account) == [(2, 2, b"cc")]
    free = running(Account(cap=10**12, window=10**9), [(b"aaaa", 1)], resumable=False)
    free.window = 0
    other = Account(cap=10**12, window=10**9)
    other.start(ID, PRICE, 10)
    assert sent(free, other) == [(1, 1, b"aaaa")]
    assert [bytes(one.body) for one in free.sent] == [b""]


@pytest.mark.parametrize(("room", "fills"), [(6, True), (5, True), (7, False)])
def test_it_fills_a_record(account, room, fills):
    assert running(account, [(b"aaa", 1), (b"bbb", 1)]).fills(room) is fills


@pytest.mark.parametrize(
    "last", [{"finish": "stop"}, {"again": 1}, {"ending": (Type.END, b"")}, {"failure": (PeerError(Code.BUSY), 0)}]
)
def test_the_last_fills_any(account, last):
    held = running(account)
    assert not held.fills(1)
    for name, value in last.items():
        setattr(held, name, value)
    assert held.fills(1000)


def test_what_its_engine_may_not_make_yet_is_its_next_total(account):
    held = running(account, words(2))
    held.blocked = 3
    assert held.next_total == 1
    sent(held, account)
    assert held.next_total == 5
    held.drop_pending()
    assert held.blocked == 0 and held.next_total is None


# -- what the client has


def four(account):
    """Four records, with 2 units each."""
    held = running(account, [(b"aaaa", 2), (b"bbbb", 2), (b"cccc", 2), (b"dddd", 2)])
    return held, sent(held, account, room=4)


@pytest.mark.parametrize("seq", [0, 1, 3, 4, 9])
def test_what_is_acknowledged_is_overwritten(account, seq):
    held, _ = four(account)
    bodies = [one.body for one in held.sent]
    held.acknowledge(seq)
    gone = min(seq, 4)
    assert [any(body) for body in bodies] == [False] * gone + [True] * (4 - gone)
    assert held.heard == (gone, 2 * gone) and [one.seq for one in held.sent] == list(range(gone + 1, 5))
    assert held.window == DATA_WINDOW + 4 * gone


def test_the_window_never_shrinks(account):
    held, _ = four(account)
    held.window = 10 * DATA_WINDOW
    held.acknowledge(2)
    assert held.window == 10 * DATA_WINDOW
    held.widen(5)
    assert held.window == 10 * DATA_WINDOW


@pytest.mark.parametrize(("more", "heard"), [(0, 0), (3, 0), (4, 1), (9, 2), (16, 4), (10**9, 4)])
def test_a_window_says_what_arrived(account, more, heard):
    held, _ = four(account)
    held.widen(DATA_WINDOW + more)
    assert held.heard == (heard, 2 * heard)
    assert held.window == DATA_WINDOW + min(16, more)


def test_it_is_sent_again_from_there(account):
    held, before = four(account)
    held.resume(3)
    assert (held.state, held.again, held.heard) == (StreamState.RESUMED, 3, (2, 4))
    owed = account.owed
    held.add(b"eeee", 2, 0)
    assert sent(held, account) == [*before[2:], (5, 10, b"eeee")]
    assert account.owed == owed + 2 * OUT


def test_nothing_is_sent_again_where_nothing_lacks(account):
    held, _ = four(account)
    held.waiting = 7
    held.resume(5)
    assert held.again == 0 and held.waiting == 0 and not held.sent


def test_what_arrives_meanwhile_is_not_sent_again(account):
    held, before = four(account)
    held.resume(1)
    assert held.again == 1
    held.acknowledge(2)
    assert held.again == 3
    assert held.next_data(100, account) is not None and held.again == 4
    held.acknowledge(3)
    assert held.again == 4
    held.acknowledge(4)
    assert held.again == 0 and sent(held, account) == [] and before


@pytest.mark.parametrize(
    ("resume", "good"),
    [
        (at(3, 4), True),
        (at(2, 2), False),  # it was acknowledged
        (at(5, 8), True),
        (at(6, 8), False),
        (at(4, 6), True),
        (at(4, 4), False),
        (at(3, 5), False),
        (at(3), False),
    ],
)
def test_what_fits(account, resume, good):
    held, _ = four(account)
    held.acknowledge(2)
    assert held.can_resume(resume) is good
    held.resumable = False
    assert not held.can_resume(resume)
    held.resumable, held.accepted = True, False
    assert not held.can_resume(resume)


def test_whoever_has_nothing_may_count_nothing_or_the_input(account):
    held, _ = four(account)
    assert held.can_resume(at(1)) and held.can_resume(at(1, 0)) and not held.can_resume(at(2))
    assert not held.can_resume(at(1, 1)) and not held.can_resume(at(0))


def test_a_pause_begins_anew_once(account):
    held, _ = four(account)
    held.paused_since = 5.0
    held.resume(5)
    assert held.paused_since is None and held.excused
    held.paused_since = 9.0
    held.resume(5)
    assert held.paused_since == 9.0
    held.add(b"eeee", 1, 0)
    sent(held, account)
    assert not held.excused
    held.resume(6)
    assert held.paused_since is None


def test_one_that_did_not_wait_is_not_excused(account):
    held, _ = four(account)
    held.resume(5)
    assert not held.excused


# -- the end


def test_all_of_it_is_overwritten(account):
    held, _ = four(account)
    held.add(b"eeee", 1, 0)
    held.input += b"secret"
    held.again, held.ending, held.blocked = 2, (Type.END, b"x"), 3
    buffers = [held.input, held.pending[0][0], *(one.body for one in held.sent)]
    held.forget()
    assert not any(any(buffer) for buffer in buffers)
    assert not held.sent and not held.pending and (held.again, held.ending, held.blocked) == (0, None, 0)


def test_wiping_leaves_the_length():
    data = bytearray(b"secret")
    wipe(data)
    assert data == bytes(6)
