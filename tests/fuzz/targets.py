"""What is fuzzed. Each target takes any bytes and raises nothing, unless something is wrong."""

from __future__ import annotations

from collections.abc import Callable

from tallystick_shared.channel import channels_domain
from tallystick_shared.chat import read_input, read_params
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import BODIES, ConfigBody, ServerInfo, decode, encode
from tallystick_shared.profile import Profile
from tallystick_shared.records import Hello, Record, decode_record, encode_record
from tallystick_shared.recovery import OpenedAsk, OpenedRecords
from tallystick_shared.session.tables import ConnectionState
from tallystick_shared.snapshot import Snapshot, SnapshotAsk
from tests.fuzz.hearing import fresh, hear_client, hear_guest, hear_provider, keyed, sealed
from tests.shared.pair import CHANNELS, Pair

Target = Callable[[bytes], object]
KINDS: list[type] = [
    *sorted({*BODIES.values(), ConfigBody, ServerInfo}, key=lambda kind: kind.__name__),
    Profile,
    Snapshot,
    SnapshotAsk,
    OpenedAsk,
    OpenedRecords,
]
"""Every structure that a stranger's bytes are read into. A new one goes to the end: seeds name them by number."""


def hello(data: bytes) -> None:
    """The clear greeting."""
    try:
        read = Hello.decode(data)
    except PeerError as error:
        assert error.code in (Code.BAD_HELLO, Code.BAD_VERSION)
    else:
        assert read.encode() == data


def record(data: bytes) -> None:
    """The plaintext of a record: read and written again, it is the same."""
    try:
        read = decode_record(data)
    except PeerError as error:
        assert error.code is Code.BAD_MESSAGE
    else:
        assert 0 <= read.type < 256 and 0 <= read.stream < 1 << 32
        assert encode_record(read, len(data)) == data


def body(data: bytes) -> None:
    """One byte for the structure, then MessagePack: refused, or the same again after another round."""
    if not data:
        return
    kind = KINDS[data[0] % len(KINDS)]
    try:
        read = decode(kind, data[1:])
    except PeerError as error:
        assert error.code is Code.BAD_MESSAGE
    else:
        assert decode(kind, encode(read)) == read


def chat(data: bytes) -> None:
    """A conversation and its parameters, as an engine reads them."""
    for read in (read_input, read_params):
        try:
            read(data)
        except PeerError as error:
            assert error.code is Code.BAD_MESSAGE


def greeting(data: bytes) -> None:
    """A provider hears its first frame, and whatever follows it."""
    provider = fresh().provider
    first, _, rest = data.partition(b"----")
    for frame in (first, rest):
        if frame:
            provider.receive(frame, 0.0)
    keyed_or_closed(provider, bool(data))


def answer(data: bytes) -> None:
    """A client hears the answer to its HELLO."""
    pair = fresh()
    pair.client.start()
    if data:
        pair.client.receive(data, 0.0)
    keyed_or_closed(pair.client, bool(data))


def keyed_or_closed(peer: object, heard: bool) -> None:
    """The handshake was good, or it is the end; nothing in between."""
    state = getattr(peer, "state")  # noqa: B009
    settled = (ConnectionState.KEYED, ConnectionState.CLOSED)
    assert state in settled if heard else state not in settled


def auth(data: bytes) -> None:
    """A provider hears a body of AUTH from a peer with the right keys: only the channel's own signer gets further."""
    pair: Pair = keyed(fresh())
    pair.provider.receive(sealed(pair.client, Record(1, 0, data)), 0.0)
    assert pair.provider.closed or pair.provider.channel_id == pair.config.channel_id(
        pair.crypto, channels_domain(pair.identity.chain_id, CHANNELS)
    )


TARGETS: dict[str, Target] = {
    "hello": hello,
    "record": record,
    "body": body,
    "chat": chat,
    "greeting": greeting,
    "answer": answer,
    "auth": auth,
    "provider": hear_provider,
    "client": hear_client,
    "guest": hear_guest,
}
