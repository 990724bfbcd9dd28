"""Sessions that hear a script from a peer with the right keys, and what must hold whatever it says.

All randomness is seeded, so each handshake is the same: AUTH and vouchers of a recorded session are good in every run.
"""

from __future__ import annotations

from collections.abc import Callable

from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import MAX_INPUT
from tallystick_shared.records import HEADER, MAX_BODY, SIZES, Record, Type
from tallystick_shared.session import ClientSession, ProviderSession
from tallystick_shared.session import events as ev
from tallystick_shared.session.guest import GuestSession, Question, Signer
from tallystick_shared.session.peer import KEPT_STREAMS, MAX_QUEUE, Peer
from tallystick_shared.session.provider import MAX_BACKLOG, MAX_STREAMS
from tests.fuzz.script import Kind, Step, steps
from tests.shared.pair import CHANNELS, Pair
from tests.shared.tools import Seeded

MAX_STEPS = 400
MOST = 4000
CRYPTO = NativeCrypto()
RENEWAL = Record(Type.REKEY, 0, b"")


def fresh(window: int | None = None) -> Pair:
    """A pair whose keys are the same each time."""
    crypto = Seeded(CRYPTO, b"fuzz")
    return Pair(crypto) if window is None else Pair(crypto, window=window)


def keyed(pair: Pair, client: Peer | None = None) -> Pair:
    """After the handshake and before AUTH; nothing waits to be sent."""
    first = client or pair.client
    first.start()  # type: ignore[attr-defined]
    for message in first.outgoing():
        pair.provider.receive(message, 0.0)
    for message in pair.provider.outgoing():
        first.receive(message, 0.0)
    return pair


class Hearing:
    """One side hears the script; `driver` answers its events, `moves` are what its driver may do by itself."""

    def __init__(
        self, listener: Peer, teller: Peer, driver: Callable[[ev.Event], None], moves: list[Callable[[], None]]
    ) -> None:
        self.listener, self.teller = listener, teller
        self._driver, self._moves = driver, moves
        self._now = 0.0
        self._seen: list[str] = []

    def play(self, data: bytes, check: Callable[[], None]) -> set[str]:
        """`check` is called after each step. Returns the names of the events that came."""
        for count, step in enumerate(steps(data)):
            if count == MAX_STEPS or self.listener.closed:
                break
            self._step(step)
            self._answer()
            bounded(self.listener)
            check()
        self.listener.lost()
        self._answer()
        assert self._seen.count("Closed") == 1 and self.listener.closed
        return set(self._seen)

    def _step(self, step: Step) -> None:
        if step.kind is Kind.RECORD:
            self.listener.receive(sealed(self.teller, step.record), self._now)
        elif step.kind is Kind.FRAME:
            self.listener.receive(step.frame, self._now)
        elif step.kind is Kind.TIME:
            self._now += step.value / 10
            self.listener.tick(self._now)
        elif self._moves:
            self._moves[step.value % len(self._moves)]()

    def _answer(self) -> None:
        for _ in range(1000):
            events = self.listener.events()
            if not events:
                return
            for event in events:
                self._seen.append(type(event).__name__)
                self._driver(event)
        raise AssertionError("events without an end")


def sealed(teller: Peer, record: Record) -> bytes:
    """The frame of a record, whatever its body says. After a REKEY that is one the teller has the new key too."""
    body = record.body[:MAX_BODY]
    teller._send(Record(record.type, record.stream, body), SIZES[-1] if len(body) + HEADER.size > SIZES[-2] else 0)
    if record == RENEWAL:
        assert teller._sending is not None
        teller._sending.rekey()
    return teller._out.pop()


def bounded(peer: Peer) -> None:
    """What a session keeps is bounded, whatever it hears; what it wants to say leaves at once."""
    sent = peer.outgoing()
    assert sum(map(len, sent)) <= 4 * MAX_QUEUE * SIZES[1] + 8 * 2 * MAX_INPUT
    assert len(peer._queue) <= MAX_QUEUE + MAX_STREAMS
    if isinstance(peer, ProviderSession):
        assert len(peer.streams) <= MAX_STREAMS + KEPT_STREAMS + 1
        assert sum(len(held.input) for held in peer.streams.values()) <= MAX_STREAMS * MAX_INPUT
        assert sum(map(len, peer._backlog)) <= MAX_BACKLOG + SIZES[-1] + 17
    if isinstance(peer, GuestSession):
        assert len(peer._data) <= MOST


# -- the three listeners


def hear_provider(data: bytes) -> set[str]:
    """A provider hears a client that holds the keys, and perhaps a channel."""
    pair = keyed(fresh())
    pair.provider.events()
    provider = pair.provider

    def driver(event: ev.Event) -> None:
        pair._provider_driver(event)
        if isinstance(event, ev.RequestReady):
            pair.engine(event.stream, 3)
        elif isinstance(event, ev.GuestAsked):
            provider.guest_data(b"x" * min(event.most, 200))
            provider.guest_end()
        elif isinstance(event, ev.CloseAsked):
            provider.refuse(PeerError(Code.CLOSE_FAILED))

    def each(action: Callable[[int], None]) -> Callable[[], None]:
        return lambda: [action(number) for number in list(provider.streams)] and None

    moves = [
        each(lambda number: provider.data(number, b"word ", 1)),
        each(lambda number: provider.data(number, b"w" * 600, 30)),
        each(lambda number: provider.finish(number, "stop")),
        each(lambda number: provider.fail(number, PeerError(Code.ENGINE_FAILED))),
    ]

    def check() -> None:
        assert pair.account is not None
        assert pair.account.owed <= pair.account.cap
        assert pair.account.credit <= pair.account.window

    return Hearing(provider, pair.client, driver, moves).play(data, check)


def hear_client(data: bytes) -> set[str]:
    """A client with two questions open hears a provider that holds the keys."""
    pair = keyed(fresh())
    for event in pair.client.events():
        pair._client_driver(event)
    client: ClientSession = pair.client
    for _ in range(2):
        request = pair.request()
        client.open(request, client.first_amount(request))
    client.outgoing()
    moves: list[Callable[[], None]] = [
        lambda: client.cancel(1),
        lambda: client.cancel(2),
        client.bye,
    ]

    def check() -> None:
        inputs = sum((len(held.request.input) + 64) * 10**6 for held in client.streams.values())
        assert client.signed <= client.account.cap
        assert client.signed <= client.account.owed + inputs + client.purse.limits.advance

    return Hearing(client, pair.provider, pair._client_driver, moves).play(data, check)


def hear_guest(data: bytes) -> set[str]:
    """A guest that asked for a snapshot hears a provider that holds the keys. The set has "answer" where one came."""
    pair = fresh()
    node = pair.crypto.x25519_public(pair.identity.node_key)
    question = Question("market.snapshot", b"", MOST)
    guest = GuestSession(pair.crypto, pair.hello, node, question, Signer(pair.operator, CHANNELS))
    keyed(pair, guest)

    def check() -> None:
        assert guest.answer is None or len(guest.answer) <= MOST

    seen = Hearing(guest, pair.provider, lambda event: None, []).play(data, check)
    return seen | ({"answer"} if guest.answer is not None else set())
