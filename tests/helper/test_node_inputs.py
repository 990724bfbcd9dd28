"""Room for inputs: bounded over all requests, and never held by those who only begin."""

from __future__ import annotations

from contextlib import ExitStack

from tallystick_helper.node.inputs import Inputs, Room
from tallystick_shared import limits
from tallystick_shared.errors import Code
from tallystick_shared.messages import Open, amount_bytes
from tallystick_shared.session.events import Ready
from tests.shared.tools import refused

from .knocks import Knock
from .world import Serving, until

MINE, HERS = bytes(32), b"\x01" * 32


class Bench:
    def __init__(self, most: int) -> None:
        self.inputs, self.evicted = Inputs(most), list[str]()
        self.held = ExitStack()

    def take(self, name: str, size: int, channel: bytes = MINE) -> Room:
        return self.held.enter_context(self.inputs.room(channel, size, lambda: self.evicted.append(name)))


def test_room_is_given_back() -> None:
    bench = Bench(100)
    with bench.inputs.room(MINE, 60, lambda: None):
        bench.take("other", 40)
        assert bench.inputs.taken == 100
    assert bench.inputs.taken == 40
    bench.held.close()
    assert bench.inputs.taken == 0


def test_the_oldest_half_goes() -> None:
    bench = Bench(100)
    whole = bench.take("whole", 40)
    whole.whole = True
    for name in ("first", "second", "third"):
        bench.take(name, 30)
    assert bench.evicted == ["first"] and bench.inputs.taken == 100
    bench.take("large", 60)
    assert bench.evicted == ["first", "second", "third"] and bench.inputs.taken == 100


def test_whole_inputs_stay() -> None:
    bench = Bench(100)
    for _ in range(2):
        bench.take("whole", 50).whole = True
    with refused(Code.BUSY):
        bench.take("late", 1)
    assert bench.evicted == [] and bench.inputs.taken == 100


def test_one_channel_crowds_out_its_own() -> None:
    """However many uploads it begins: those of others stay, older ones too."""
    bench = Bench(100)
    bench.take("hers", 30, HERS)
    for number in range(7):
        bench.take(f"mine {number}", 20)
    assert bench.evicted == [f"mine {number}" for number in range(4)] and bench.inputs.taken == 90


def test_what_would_be_the_most_by_itself_crowds_out_nobody() -> None:
    bench = Bench(100)
    bench.take("hers", 50, HERS)
    with refused(Code.BUSY):
        bench.take("mine", 60)
    assert bench.evicted == [] and bench.inputs.taken == 50


def test_as_much_as_the_table_says() -> None:
    with refused(Code.BUSY), Inputs().room(MINE, limits.INPUTS.value + 1, lambda: None):
        pass


async def begin(provider: Serving, model: str = "loopback", number: int = 0) -> Knock:
    """OPEN tells a megabyte, and nothing follows."""
    knock = await (await Knock.dial(provider)).enter(await provider.deposit())
    await knock.until(Ready)
    price = provider.node.profile.dearest
    opening = Open(bytes(16), "chat", model, b"", 1 << 20, 10, amount_bytes(price.input), amount_bytes(price.output))
    knock.session._post(opening, 1, at_once=True)
    await knock.flush()
    return knock


async def test_what_is_not_sold_takes_no_room(provider: Serving) -> None:
    provider.node.inputs = Inputs(1 << 20)
    first = await begin(provider)
    await until(lambda: provider.node.inputs.taken == 1 << 20)
    [room] = provider.node.inputs._taken
    before = set(provider.node._connections)
    other = await begin(provider, "another")
    [connection] = provider.node._connections - before
    await until(lambda: any(held.ending for held in connection.session.streams.values()))
    assert list(provider.node.inputs._taken) == [room]
    for knock in (first, other):
        await knock.websocket.close()


async def test_a_request_that_only_begins_makes_room(provider: Serving) -> None:
    """Over a real socket; then somebody else needs the room."""
    provider.node.inputs = Inputs(1 << 20)
    knock = await begin(provider)
    await until(lambda: provider.node.inputs.taken == 1 << 20)
    conversation = await provider.conversation(await provider.deposit())
    await conversation.connect()
    pieces = [piece async for piece in conversation.ask([("user", "count")], "loopback", 5)]
    assert pieces[-1].output_units == 5  # type: ignore[union-attr]
    assert len(provider.node._connections) == 2  # only its stream ended
    await until(lambda: provider.node.inputs.taken == 0)
    await conversation.leave()
    await knock.websocket.close()
