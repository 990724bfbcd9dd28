"""A User over a provider in memory: sockets are lists, time is a number that moves when somebody waits for it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from tallystick_shared.errors import Code, PeerError
from tallystick_shared.session import ProviderSession, Resume
from tallystick_shared.session import events as ev
from tallystick_shared.session.tables import ConnectionState
from tallystick_shared.session.tickets import TicketBook
from tallystick_shared.user import User
from tallystick_shared.user_seats import SocketClosed
from tests.shared.pair import OFFER, WALL, Pair
from tests.shared.tools import Turn


class Wire:
    """The user's socket. Whoever waits on it lets time pass for the provider too."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.provider = stage.provider
        self.taken = False
        self.inbox: list[bytes] = []
        self.broken = False
        self.mute = False  # closed by the peer: nothing can be sent, what arrived before is still read
        self.deaf = False
        self.closed = 0

    async def send(self, message: bytes) -> None:
        if self.broken or self.mute:
            raise SocketClosed
        if not self.deaf:
            self.provider.receive(message, self._stage.now)
            self._stage.serve(self)

    async def receive(self, timeout: float) -> bytes | None:
        if not self.inbox and not self.broken and not self.mute:
            self._stage.now += timeout
            if not self.deaf:
                self.provider.tick(self._stage.now)
                self._stage.serve(self)
            await Turn()
        if self.broken or (self.mute and not self.inbox):
            raise SocketClosed
        return self.inbox.pop(0) if self.inbox else None

    async def close(self) -> None:
        self.closed += 1
        if self.provider.state is not ConnectionState.NEW:
            self.provider.lost()


def goes_on(work: Coroutine[Any, Any, None]) -> bool:
    """Lets it run until it waits once more. False where it has ended."""
    try:
        work.send(None)
    except StopIteration:
        return False
    return True


class Stage:
    """One user and one provider of one channel. Fills Host and Store; keeps every event and everything saved."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.now = 100.0
        self.saved: list[Resume] = []
        self.kept: Resume | None = None
        self.events: list[ev.Event] = []
        self.provider_events: list[ev.Event] = []
        self.dialled: list[str] = []
        self.slept: list[float] = []
        self.reachable = True
        self.answers: dict[type, Callable[[Any], None]] = {}
        self.tickets: TicketBook | None = None
        self.provider = pair.provider
        self.wire = Wire(self)
        self._running: Coroutine[Any, Any, None] | None = None
        self._beside: list[Coroutine[Any, Any, None]] = []
        self._ended = False

    def user(self, **more: Any) -> User:
        pair = self.pair
        profile = more.pop("profile", None) or pair.profile()
        deposit = more.pop("deposit", None) or pair.deposit()
        made = User(pair.crypto, self, self, deposit, profile, self.events.append, **more)
        self._running, self._ended = made.run(), False
        return made

    def again(self) -> None:
        """A new connection to the same provider, on the same account."""
        self.provider = ProviderSession(self.pair.crypto, self.pair.identity, WALL, self.tickets, shelf=self.pair.shelf)
        self.provider.now = self.now
        self.wire = Wire(self)

    # -- the seats

    async def dial(self, url: str) -> Wire:
        self.dialled.append(url)
        if not self.reachable:
            raise PeerError(Code.PROVIDER_GONE)
        if self.wire.taken:
            self.again()
        self.wire.taken = True
        return self.wire

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await Turn()

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        if goes_on(work):
            self._beside.append(work)

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> int:
        return WALL

    async def load(self, channel_id: bytes) -> Resume | None:
        return self.kept

    async def save(self, channel_id: bytes, resume: Resume) -> None:
        await Turn()
        self.saved.append(resume)
        self.kept = resume

    # -- the provider's driver

    def serve(self, wire: Wire | None = None) -> None:
        wire = wire or self.wire
        while events := wire.provider.events():
            for event in events:
                self.provider_events.append(event)
                self._answer(event, wire.provider)
        wire.inbox += wire.provider.outgoing()

    def _answer(self, event: ev.Event, provider: ProviderSession) -> None:
        pair = self.pair
        own = self.answers.get(type(event))
        if own is not None:
            own(event)
        elif isinstance(event, ev.AuthOffered):
            assert pair.account is not None
            provider.accept_auth(pair.account, pair.highest)
        elif isinstance(event, ev.RequestOffered):
            provider.welcome(event.stream)
        elif isinstance(event, ev.InputComplete):
            provider.measure(event.stream, len(event.data) // 4, OFFER.manifest)
        elif isinstance(event, ev.VoucherReceived):
            pair.highest = event.voucher
            provider.voucher_durable(event.voucher)
        elif isinstance(event, ev.RequestReady):
            for _ in range(min(event.units, 30)):
                provider.data(event.stream, b"word ", 1)
            provider.finish(event.stream, "stop")
        elif isinstance(event, ev.CloseAsked):
            provider.close_ok(b"\x09" * 32)

    # -- the test's side

    def turn(self) -> bool:
        """Lets `run`, and what it started beside itself, go on until each waits once more. False where it has ended."""
        assert self._running is not None
        self._beside = [work for work in self._beside if goes_on(work)]
        self._ended = self._ended or not goes_on(self._running)
        return not self._ended

    def until(self, kind: type[ev.Event], turns: int = 2000) -> Any:
        """Goes on until an event of this kind comes that was not there before."""
        before = len(self.seen(kind))
        for _ in range(turns):
            going = len(self.seen(kind)) > before or self.turn()
            if len(self.seen(kind)) > before:
                return self.seen(kind)[-1]
            assert going, f"ended without {kind.__name__}: {self.events}"
        raise AssertionError(f"no {kind.__name__} in {self.now} s: {self.events}")

    def end(self, turns: int = 2000) -> None:
        """Goes on until `run` returns."""
        for _ in range(turns):
            if not self.turn():
                return
        raise AssertionError(f"still running after {self.now} s")

    def seen(self, kind: type[ev.Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]
