"""The shelf by itself: what it keeps, for how long, and what it overwrites first."""

from __future__ import annotations

import pytest

from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import Open, amount_bytes
from tallystick_shared.money import Account, Price
from tallystick_shared.session.detached import Shelf, ShelfEnded, ShelfLimits, ShelfStopped
from tallystick_shared.session.provider_stream import ProviderStream
from tallystick_shared.session.tables import StreamState

PRICE = Price(10**6, 4 * 10**6)  # per unit: 1 and 4
CHANNEL = bytes(32)


def stream(account, number=0, sent=0, made=0):
    """A running request that sent so many bytes and made so many more, a unit for each four."""
    request_id = number.to_bytes(16, "big")
    wanted = Open(request_id, "chat", "toy", b"", 0, 10**6, amount_bytes(PRICE.input), amount_bytes(PRICE.output))
    held = ProviderStream(wanted, PRICE, state=StreamState.RUNNING, input_units=10, accepted=True)
    account.start(request_id, PRICE, 10)
    for _ in range(sent // 4):
        held.add(b"word", 1, 0)
    while held.pending:
        held.next_data(4000, account)
    for _ in range(made // 4):
        held.add(b"word", 1, 0)
    held.state = StreamState.DETACHED
    return (CHANNEL, request_id), held


def put(shelf, account, now=0.0, **values):
    key, held = stream(account, **values)
    shelf.put(key, held, account, now)
    return key, held


@pytest.fixture
def account():
    return Account(cap=10**9, window=10**6)


def ended(shelf):
    return [event for event in shelf.events() if isinstance(event, ShelfEnded)]


def test_a_stream_is_found_and_taken_once(account):
    shelf = Shelf()
    key, held = put(shelf, account, sent=40)
    assert shelf.find(key) is held and shelf.holds(CHANNEL) and not shelf.holds(b"\x01" * 32)
    assert shelf.take(key) is held
    assert shelf.take(key) is shelf.find(key) is None and not shelf.holds(CHANNEL)


def test_after_its_time_it_is_settled_and_overwritten(account):
    shelf = Shelf(ShelfLimits(seconds=10, slot_seconds=2))
    key, held = put(shelf, account, sent=40, made=40)
    bodies = [one.body for one in held.sent] + [piece for piece, _, _ in held.pending]
    assert bodies and all(any(body) for body in bodies)
    assert shelf.next_deadline() == 2
    shelf.tick(1.9)
    assert not shelf.events()
    shelf.tick(2)
    assert shelf.events() == [ShelfStopped(*key)] and held.finish == "interrupted"
    assert shelf.next_deadline() == 10
    shelf.tick(9.9)
    assert not shelf.events() and account.running
    shelf.tick(10)
    cost = 10 + 10 * 4
    assert shelf.events() == [ShelfStopped(*key), ShelfEnded(*key, "interrupted", 10, cost, True)]
    assert account.owed == account.settled == cost and shelf.past(key) == cost
    assert not any(any(body) for body in bodies) and not held.sent and not held.pending
    assert shelf.next_deadline() is None and len(shelf) == shelf.size == 0


def test_one_that_ended_keeps_its_end_and_costs_nothing_more(account):
    shelf = Shelf()
    key, held = stream(account, sent=8)
    held.cost = account.finish(key[1])
    held.ending = (1, b"the end")
    shelf.put(key, held, account, 0.0)
    shelf.tick(60)
    assert shelf.find(key) is held and not shelf.events()
    shelf.tick(120)
    assert shelf.events() == [ShelfEnded(*key, "lost", 2, 18, False)] and account.owed == 18


def test_more_than_a_stream_may_keep(account):
    shelf = Shelf(ShelfLimits(stream_bytes=200))
    key, _ = put(shelf, account, sent=400)
    (event,) = ended(shelf)
    assert (event.request_id, event.settled) == (key[1], True) and len(shelf) == 0


def test_the_oldest_of_a_channel_makes_room(account):
    shelf = Shelf(ShelfLimits(channel_streams=3))
    keys = [put(shelf, account, number=number, now=float(number))[0] for number in range(5)]
    assert [event.request_id for event in ended(shelf)] == [key[1] for key in keys[:2]]
    assert len(shelf) == 3 and shelf.find(keys[4])


def test_the_oldest_of_the_node_makes_room(account):
    shelf = Shelf(ShelfLimits(total_bytes=2000))
    keys = [put(shelf, account, number=number, sent=800, now=float(number))[0] for number in range(4)]
    assert [event.request_id for event in ended(shelf)] == [key[1] for key in keys[:2]]
    assert shelf.size <= 2000


def finished(shelf, account, number, sent):
    """An ended stream on a connection, of which nothing is acknowledged."""
    key, held = stream(account, number=number, sent=sent)
    held.cost, held.state = account.finish(key[1]), StreamState.DONE
    shelf.enter(key, held, None, number)
    shelf.ended(key, held)
    return key, held


def test_what_ended_on_a_connection_counts_too(account):
    shelf = Shelf(ShelfLimits(total_bytes=2000))
    (first, held), *others = (finished(shelf, account, number, 800) for number in range(2))
    bodies = [one.body for one in held.sent]
    waiting, _ = put(shelf, account, number=7, sent=800)
    assert shelf.size <= 2000
    assert shelf.find(first) is None and shelf.past(first) == held.cost > 0
    assert not any(any(body) for body in bodies)
    assert shelf.find(waiting) and shelf.find(others[0][0])


def test_a_channel_keeps_so_many_that_ended(account):
    shelf = Shelf(ShelfLimits(channel_streams=3))
    keys = [finished(shelf, account, number, 40)[0] for number in range(5)]
    assert [shelf.find(key) is None for key in keys] == [True, True, False, False, False]
    held = shelf.find(keys[2])
    shelf.leave(keys[2], held)  # acknowledged
    assert shelf.size == sum(shelf.find(key).size for key in keys[3:])


def test_the_engine_is_stopped_where_it_made_more_than_the_window(account):
    shelf = Shelf()
    account.window = 50
    key, held = put(shelf, account, sent=8)  # owes 18
    for _ in range(8):  # 32 more
        held.add(b"word", 1, 0)
        shelf.fed(key)
    assert not shelf.events() and not held.finish
    held.add(b"word", 1, 0)
    shelf.fed(key)
    assert shelf.events() == [ShelfStopped(*key)] and held.finish == "interrupted"
    shelf.fed(key)
    assert not shelf.events() and len(shelf) == 1


def test_all_streams_of_a_channel_share_one_window(account):
    """Eight streams, each within the window by itself: what they make together is within it too."""
    shelf, account.window = Shelf(), 180
    keys = [put(shelf, account, number=number, sent=8) for number in range(8)]  # owe 144
    for _ in range(4):
        for key, held in keys:
            if not held.finish:
                held.add(b"word", 1, 0)
                shelf.fed(key)
    made = sum(held.price.amount(10, held.queued_units) for _, held in keys)
    assert made <= account.window + 8 * 4  # the unit that was one too many, of each
    assert len(shelf.events()) == 8 and all(held.finish == "interrupted" for _, held in keys)


def test_the_engine_is_stopped_where_there_is_no_room(account):
    shelf = Shelf(ShelfLimits(stream_bytes=100))
    key, held = put(shelf, account, sent=8)
    held.add(bytes(200), 1, 0)
    shelf.fed(key)
    assert shelf.events() == [ShelfStopped(*key)]


def test_what_an_engine_says_of_a_stream_that_is_not_here(account):
    shelf = Shelf()
    shelf.fed((CHANNEL, bytes(16)))
    shelf.fail((CHANNEL, bytes(16)), PeerError(Code.ENGINE_FAILED), 0)
    assert not shelf.events()


def test_the_end_of_a_channel_and_of_the_node(account):
    shelf = Shelf()
    put(shelf, account, number=1)
    key, held = stream(account, number=2)
    other = (b"\x01" * 32, key[1])
    shelf.put(other, held, account, 0.0)
    shelf.end_channel(CHANNEL)
    assert [event.finish for event in ended(shelf)] == ["cancelled"] and shelf.find(other) is held
    shelf.close()
    assert [event.channel_id for event in ended(shelf)] == [other[0]] and not account.running


def test_what_is_remembered_of_the_past_is_bounded(account):
    shelf = Shelf(ShelfLimits(channel_streams=0))
    for number in range(1100):
        put(shelf, account, number=number)
    assert len(shelf._past) == 1024 and shelf.past((CHANNEL, bytes(16))) == 0
