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


class Bench:
    def __init__(self, most: int) -> None:
        self.inputs, self.evicted = Inputs(most), list[str]()
        self.held = ExitStack()

    def take(self, name: str, size: int) -> Room:
        return self.held.enter_context(self.inputs.room(size, lambda: self.evicted.append(name)))


def test_room_is_given_back() -> None:
    bench = Bench(100)
    with bench.inputs.room(60, lambda: None):
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


def test_as_much_as_the_table_says() -> None:
    with refused(Code.BUSY), Inputs().room(limits.INPUTS.value + 1, lambda: None):
        pass


async def test_a_request_that_only_begins_makes_room(provider: Serving) -> None:
    """Over a real socket: OPEN tells a megabyte, nothing follows; then somebody else needs the room."""
    provider.node.inputs = Inputs(1 << 20)
    knock = await (await Knock.dial(provider)).enter(await provider.deposit())
    await knock.until(Ready)
    price = provider.node.profile.dearest
    opening = Open(
        bytes(16), "chat", "loopback", b"", 1 << 20, 10, amount_bytes(price.input), amount_bytes(price.output)
    )
    knock.session._post(opening, 1, at_once=True)
    await knock.flush()
    await until(lambda: provider.node.inputs.taken == 1 << 20)
    conversation = await provider.conversation(await provider.deposit())
    await conversation.connect()
    pieces = [piece async for piece in conversation.ask([("user", "count")], "loopback", 5)]
    assert pieces[-1].output_units == 5  # type: ignore[union-attr]
    assert len(provider.node._connections) == 2  # only its stream ended
    await until(lambda: provider.node.inputs.taken == 0)
    await conversation.leave()
    await knock.websocket.close()
