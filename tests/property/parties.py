"""Two parties and what lies between them, for the state machine: a provider's node and a client's device, each with a
memory that a crash takes and a disk that stays; and connections whose messages wait in the network until a test says
what becomes of them.

Sessions, accounts, purse and shelf are the real ones. What is left of node and user is the order in which they write
and answer, as thin as it can be.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.channel import channels_domain
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.money import Account
from tallystick_shared.records import ALONE, Hello
from tallystick_shared.session import ClientLimits, ClientSession, ProviderSession, Request, Resume
from tallystick_shared.session import events as ev
from tallystick_shared.session.detached import Shelf, ShelfEnded, ShelfStopped
from tallystick_shared.session.provider_stream import ProviderStream
from tallystick_shared.session.tables import ConnectionState
from tallystick_shared.voucher import NOTHING, Signed
from tests.shared.pair import CHAIN, CHANNELS, NODE_KEY, OFFER, REGISTRY, WALL, WINDOW, Pair

CRYPTO = NativeCrypto()
IN, OUT = 10**6, 4 * 10**6
ADVANCE = WINDOW
PAIR = Pair(CRYPTO, suite=1)
CHANNEL = PAIR.config.channel_id(CRYPTO, channels_domain(CHAIN, CHANNELS))


def word(request_id: bytes, number: int) -> bytes:
    """What the engine says, a unit each."""
    return b"%s%d " % (request_id[:2].hex().encode(), number)


def text_of(request_id: bytes, units: int) -> bytes:
    return b"".join(word(request_id, number) for number in range(units))


@dataclass
class Connection:
    """A socket: what is under way in each direction, and the sessions at its ends."""

    client: ClientSession
    provider: ProviderSession
    up: deque[bytes] = field(default_factory=deque)
    down: deque[bytes] = field(default_factory=deque)
    sent: list[bytes] = field(default_factory=list)


@dataclass
class Disk:
    """The provider's ledger."""

    highest: Signed = NOTHING
    owed: int = 0
    requests: dict[bytes, tuple[bytes, str]] = field(default_factory=dict)


@dataclass
class Engine:
    """A request at work."""

    most: int
    made: int = 0
    stopped: bool = False
    begun: bool = False
    """True once the price of its input is on disk: before that the node does no work."""

    @property
    def works(self) -> bool:
        return self.begun and not self.stopped


class Provider:
    """A node: `disk` stays, all else goes with a crash."""

    def __init__(self, cap: int, window: int) -> None:
        self.cap, self.window = cap, window
        self.disk = Disk()
        self.writes = True
        self.served: dict[bytes, int] = {}
        """How often the engine was started for a request, over all lives: never twice."""
        self.crashes = 0
        self.born()

    def born(self) -> None:
        self.account = Account(self.cap, self.window, self.disk.owed, self.disk.highest.amount, stored=self.disk.owed)
        self.shelf = Shelf()
        self.engines: dict[bytes, Engine] = {}
        self.sessions: list[ProviderSession] = []
        self._waiting: list[tuple[ProviderSession, Signed]] = []

    def accept(self, now: float) -> ProviderSession:
        session = ProviderSession(CRYPTO, PAIR.identity, WALL, shelf=self.shelf)
        session.now = now
        self.sessions.append(session)
        return session

    def tick(self, now: float) -> None:
        for session in self.sessions:
            session.tick(now)
        self.shelf.tick(now)
        self.serve()

    def serve(self) -> None:
        """Does what sessions and shelf say, until they say nothing any more."""
        moving = True
        while moving:
            moving = False
            for session in list(self.sessions):
                for event in session.events():
                    moving = True
                    self._answer(session, event)
            for event in self.shelf.events():
                moving = True
                self._shelved(event)
        if self.writes and self.account.unstored:
            self._store()

    def _answer(self, session: ProviderSession, event: ev.Event) -> None:
        handler: Callable[..., None] | None = getattr(self, "_on_" + type(event).__name__, None)
        if handler is not None:
            handler(session, event)

    def _on_AuthOffered(self, session: ProviderSession, event: ev.AuthOffered) -> None:
        for older in self.sessions:
            if older is not session and older.channel_id == event.channel_id:
                older.refuse(PeerError(Code.REPLACED))
        session.accept_auth(self.account, self.disk.highest)

    def _on_RequestOffered(self, session: ProviderSession, event: ev.RequestOffered) -> None:
        request_id = event.open.request_id
        known = self.disk.requests.get(request_id)
        if known is not None:
            assert known[0] == event.digest
            session.gone(event.stream)
        else:
            self.disk.requests[request_id] = (event.digest, "")
            session.welcome(event.stream)

    def _on_InputComplete(self, session: ProviderSession, event: ev.InputComplete) -> None:
        session.measure(event.stream, len(event.data) // 4, OFFER.manifest)

    def _on_RequestReady(self, session: ProviderSession, event: ev.RequestReady) -> None:
        request_id = session.streams[event.stream].open.request_id
        self.served[request_id] = self.served.get(request_id, 0) + 1
        self.engines[request_id] = Engine(event.units)
        self._store()

    def _on_Stopped(self, session: ProviderSession, event: ev.Stopped) -> None:
        self._halt(session.streams[event.stream].open.request_id)

    def _on_StreamDone(self, session: ProviderSession, event: ev.StreamDone) -> None:
        self._halt(event.request_id)
        if event.finish == "gone":
            return
        if event.accepted:
            self._finished(event.request_id, event.finish)
        else:
            self.disk.requests.pop(event.request_id, None)

    def _on_VoucherReceived(self, session: ProviderSession, event: ev.VoucherReceived) -> None:
        self._waiting.append((session, event.voucher))
        self.write()

    def _on_Closed(self, session: ProviderSession, event: ev.Closed) -> None:
        self._store()

    def _shelved(self, event: ShelfStopped | ShelfEnded) -> None:
        self._halt(event.request_id)
        if isinstance(event, ShelfEnded) and event.settled:
            self._finished(event.request_id, event.finish)

    def _halt(self, request_id: bytes) -> None:
        if request_id in self.engines:
            self.engines[request_id].stopped = True

    def _finished(self, request_id: bytes, finish: str) -> None:
        digest, before = self.disk.requests[request_id]
        assert not before, "billed twice"
        self.disk.requests[request_id] = (digest, finish)
        self._store()

    def _store(self) -> None:
        if self.writes:
            self.disk.owed = max(self.disk.owed, self.account.owed)
            self.account.store(self.disk.owed)
            for engine in self.engines.values():
                engine.begun = True

    def write(self) -> None:
        """What waits for the disk is on it now, where it writes."""
        self._store()
        while self.writes and self._waiting:
            session, voucher = self._waiting.pop(0)
            if voucher.amount > self.disk.highest.amount:
                self.disk.highest = voucher
            self._store()
            session.voucher_durable(voucher)

    # -- engines

    def working(self) -> list[tuple[bytes, ProviderStream]]:
        found = [(request_id, self.shelf.find((CHANNEL, request_id))) for request_id in self.engines]
        return [
            (request_id, held)
            for request_id, held in found
            if held is not None and held.started and not held.finish and self.engines[request_id].works
        ]

    def make(self, pick: int, count: int) -> None:
        """One engine makes so many more units, if there is one at work."""
        for request_id, held in self._one(pick):
            engine = self.engines[request_id]
            for _ in range(min(count, engine.most - engine.made)):
                if engine.stopped or held.finish:
                    break
                held.add(word(request_id, engine.made), 1, 0)
                engine.made += 1
                self.shelf.fed((CHANNEL, request_id))
                self.serve()

    def finish(self, pick: int) -> None:
        for _, held in self._one(pick):
            held.finish = "stop"

    def _one(self, pick: int) -> list[tuple[bytes, ProviderStream]]:
        working = self.working()
        return [working[pick % len(working)]] if working else []

    def crash(self) -> int:
        """All but the disk is gone. Returns what was owed by then for work: an input whose engine waits for the disk
        has made none.
        """
        running = self.account.running.items()
        idle = sum(one.amount for request_id, one in running if not self.engines[request_id].begun)
        owed = self.account.owed - idle
        self.crashes += 1
        self.born()
        return owed


class Client:
    """A device: `store` stays, all else goes with a crash."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.store = Resume()
        self.session: ClientSession | None = None
        self.asked: dict[bytes, Request] = {}
        self.heard: dict[bytes, bytearray] = {}
        self.priced: dict[bytes, int] = {}
        self.units: dict[bytes, int] = {}
        self.ends: dict[bytes, str] = {}
        self.numbers: dict[int, bytes] = {}
        self._kept = 0

    def dial(self) -> ClientSession:
        """A session for a new connection: the old one's successor, or a new beginning after a crash."""
        if self.session is not None and self.session.live:
            self.session = self.session.successor()
        else:
            self.numbers = {}
            hello = Hello(CHAIN, REGISTRY, PAIR.owner, 1, ALONE)
            limits = ClientLimits(WINDOW, ADVANCE)
            self.session = ClientSession(CRYPTO, hello, CRYPTO.x25519_public(NODE_KEY), limits)
            self._kept = self.store.signed
        return self.session

    @property
    def ready(self) -> bool:
        return self.session is not None and self.session.state is ConnectionState.READY

    def ask(self, size: int, most: int) -> None:
        assert self.session is not None
        request = Request(CRYPTO.random(16), "chat", b"", b"q" * size, OFFER, most)
        amount = self.session.first_amount(request)
        self.save(amount, request)
        number = self.session.open(request, amount)
        self.numbers[number] = request.request_id
        self.asked[request.request_id] = request
        self.heard[request.request_id] = bytearray()

    def save(self, amount: int, asking: Request | None = None) -> None:
        assert self.session is not None
        purse = self.session.purse
        self._kept = max(self._kept, amount, purse.signed)
        waiting = purse.waiting + (asking.most_input if asking else 0)
        live = self.session.live or asking is not None
        self.store = Resume(self._kept, purse.account.owed, live, waiting, purse.unseen)

    def serve(self) -> None:
        session = self.session
        while session is not None and (events := session.events()):
            for event in events:
                self._answer(session, event)

    def _answer(self, session: ClientSession, event: Any) -> None:
        request_id = self.numbers.get(getattr(event, "stream", 0), b"")
        if isinstance(event, ev.Keyed):
            session.authenticate(PAIR.proof(), self.cap, self.store, WALL)
        elif isinstance(event, ev.VoucherDue):
            self.save(event.amount)
            session.send_voucher(event.amount)
        elif isinstance(event, ev.Accepted):
            assert self.priced.setdefault(request_id, event.input_units) == event.input_units
        elif isinstance(event, ev.Output):
            self.heard[request_id] += event.data
            self.units[request_id] = event.units
        elif isinstance(event, ev.Finished | ev.Refused):
            assert request_id not in self.ends, "ended twice"
            self.ends[request_id] = event.finish if isinstance(event, ev.Finished) else event.error.code.name
            if not session.live:
                self.save(session.signed)

    def seen(self) -> int:
        """What all that it ever heard is worth: our own sum, not the account's."""
        return sum(units * IN + self.units.get(request_id, 0) * OUT for request_id, units in self.priced.items())

    def unheard(self) -> int:
        """The most that inputs cost of which it never heard whether they were accepted."""
        return sum(asked.most_input for request_id, asked in self.asked.items() if request_id not in self.priced)

    def crash(self) -> None:
        """All but the store is gone; what was under way will never be heard to its end."""
        for request_id in self.numbers.values():
            self.ends.setdefault(request_id, "crashed")
        self.session = None
