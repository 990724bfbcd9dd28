"""A peer that holds the keys and says anything at any time: `receive` and `tick` never raise, money stays bounded."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.messages import encode
from tallystick_shared.records import MAX_BODY, Record, Type
from tallystick_shared.session import events as ev
from tests.property.test_codec import junk
from tests.shared.pair import Pair
from tests.shared.test_messages import SAMPLES

CRYPTO = NativeCrypto()
BODIES = {type(sample).__name__.upper(): sample for sample in SAMPLES}
NAMES = {"VOUCHEROK": "VOUCHER_OK", "AUTHOK": "AUTH_OK", "CLOSEOK": "CLOSE_OK", "PAYFIRST": "PAY_FIRST"}
TYPED = {
    Type[NAMES.get(name, name)]: body for name, body in BODIES.items() if NAMES.get(name, name) in Type.__members__
}
small = st.integers(0, 40) | st.integers(0, 2**32 - 1)
amounts = st.sampled_from([0, 1, 10**6, 4 * 10**7, 8 * 10**7, 10**12, 2**128 - 1]).map(
    lambda amount: amount.to_bytes(16, "big")
)


@st.composite
def records(draw):
    """Near to what is right: a good body, some fields of which are changed for others that often fit."""
    kind = draw(st.sampled_from(sorted(TYPED)))
    values = msgspec.msgpack.decode(encode(TYPED[kind]))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(values) - 1))
        values[at] = draw(small | amounts | st.booleans() | st.binary(max_size=30) | junk)
    body = msgspec.msgpack.encode(values)
    return Record(kind, draw(st.integers(0, 3)), body if len(body) <= MAX_BODY else b"")


def told(pair: Pair, side: str, script: list[Record]) -> None:
    """`side` hears the script from a peer with the right keys; time passes in between."""
    teller = pair.provider if side == "client" else pair.client
    listener = pair.client if side == "client" else pair.provider
    for record in script:
        pair.now += 0.2
        if teller._sending is None or listener.closed:
            break
        teller._send(record)
        for message in teller._out[-1:]:
            listener.receive(message, pair.now)
        teller._out.clear()
        listener.tick(pair.now)
        for event in listener.events():
            (pair._client_driver if side == "client" else pair._provider_driver)(event)
            if isinstance(event, ev.RequestReady):
                pair.engine(event.stream, 3)
        listener.outgoing()


@given(st.lists(records(), max_size=12), st.booleans(), st.booleans())
def test_any_provider(script, asked, stopped):
    pair = Pair(CRYPTO).connect()
    if asked:
        stream = pair.ask()
        if stopped:
            pair.client.cancel(stream)
    told(pair, "client", script)
    client = pair.client
    inputs = sum((len(held.request.input) + 64) * 10**6 for held in client.streams.values())
    assert client.signed <= client.account.cap
    assert client.signed <= client.account.owed + inputs + client.purse.limits.advance


@given(st.lists(records(), max_size=12), st.booleans())
def test_any_client(script, asked):
    pair = Pair(CRYPTO).connect()
    if asked:
        pair.ask()
    told(pair, "provider", script)
    assert pair.account.owed <= pair.account.cap
    assert pair.account.credit <= pair.account.window


@given(st.lists(st.binary(max_size=400), max_size=4), st.sampled_from(["client", "provider"]), st.booleans())
def test_any_bytes_from_the_wire(messages, side, connected):
    pair = Pair(CRYPTO)
    if connected:
        pair.connect()
    elif side == "client":
        pair.client.start()
    peer = getattr(pair, side)
    for message in messages:
        peer.receive(message, 0.0)
    assert peer.closed or not messages
    assert sum(isinstance(event, ev.Closed) for event in peer.events()) <= 1
