"""Two ends of a connection and a wire of lists between them: no socket, no clock.

Time moves when a test says so. Everything that crosses is kept in `wire`, as an eavesdropper would see it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tallystick_shared.channel import NATIVE, Config, leaf
from tallystick_shared.crypto import Crypto
from tallystick_shared.deposit import Deposit
from tallystick_shared.messages import amount_bytes
from tallystick_shared.money import Account
from tallystick_shared.profile import Offer, Profile
from tallystick_shared.records import LOW_LATENCY, SUITE, Hello
from tallystick_shared.session import (
    ClientLimits,
    ClientSession,
    Proof,
    ProviderIdentity,
    ProviderSession,
    Request,
    Resume,
)
from tallystick_shared.session import events as ev
from tallystick_shared.session.detached import Shelf
from tallystick_shared.session.events import Event
from tallystick_shared.voucher import NOTHING, Signed

CHAIN = 31337
REGISTRY, CHANNELS = b"\x11" * 20, b"\x22" * 20
OWNER_KEY, PAYEE = b"\x01" * 32, b"\x33" * 20
OPERATOR_KEY = b"\x02" * 32
NODE_KEY = b"\x04" * 32
WALL = 1_800_000_000
PRICE_IN, PRICE_OUT = 1_000_000 * 10**6, 4_000_000 * 10**6  # per unit: 10**6 and 4 · 10**6
WINDOW = 20 * 4 * 10**6
OFFER = Offer("toy", "text", amount_bytes(PRICE_IN), amount_bytes(PRICE_OUT), "token", 16, 64, 8192, bytes(range(32)))


@dataclass
class Pair:
    """A client and a provider that have not spoken yet. `auto` makes the driver's usual answers."""

    crypto: Crypto
    cap: int = 10**12
    window: int = WINDOW
    resume: Resume = field(default_factory=Resume)
    low_latency: bool = False
    suite: int = SUITE
    flags: int = 0
    session_key: bytes = b"\x05" * 32
    account: Account | None = None
    now: float = 0.0
    wire: list[tuple[str, bytes]] = field(default_factory=list)
    client_events: list[Event] = field(default_factory=list)
    provider_events: list[Event] = field(default_factory=list)
    tamper: Callable[[str, bytes], bytes] | None = None
    durable: bool = True
    highest: Signed = NOTHING
    first: int = 0
    count: Callable[[bytes], int] = field(default=lambda data: len(data) // 4)
    stored: list[int] = field(default_factory=list)
    shelf: Shelf = field(default_factory=Shelf)
    older: ClientSession | None = None

    def __post_init__(self) -> None:
        crypto = self.crypto
        self.owner = crypto.secp256k1_address(OWNER_KEY)
        self.operator = crypto.secp256k1_address(OPERATOR_KEY)
        self.identity = ProviderIdentity(
            CHAIN, REGISTRY, CHANNELS, self.owner, PAYEE, self.operator, NODE_KEY, OPERATOR_KEY, least_suite=self.suite
        )
        signer = crypto.secp256k1_address(self.session_key)
        self.config = Config(b"\x44" * 20, signer, leaf(crypto, PAYEE, self.operator), NATIVE, 86400, b"\x55" * 32)
        flags = self.flags | (LOW_LATENCY if self.low_latency else 0)
        self.hello = Hello(CHAIN, REGISTRY, self.owner, self.suite, flags)
        node_public = crypto.x25519_public(NODE_KEY)
        limits = ClientLimits(window=WINDOW, advance=WINDOW)
        self.client = ClientSession(crypto, self.hello, node_public, limits, self.first)
        self.provider = ProviderSession(crypto, self.identity, WALL, shelf=self.shelf)
        if self.older is not None:
            self.client.take_over(self.older)
        self.client.now = self.provider.now = self.now
        self.account = self.account or Account(cap=self.cap, window=self.window, first=self.first)

    def proof(self) -> Proof:
        return Proof(CHANNELS, self.config, self.session_key, PAYEE, self.operator)

    def deposit(self) -> Deposit:
        """The same channel as a stored deposit."""
        return Deposit(
            CHAIN, REGISTRY, CHANNELS, self.config.body(), self.session_key, self.owner, PAYEE, self.operator,
            str(self.cap), WALL + 10**6,
        )  # fmt: skip

    def profile(self) -> Profile:
        node = self.crypto.x25519_public(NODE_KEY)
        return Profile(
            1, ("ws://127.0.0.1:1",), node, self.operator, PAYEE, (NATIVE,), amount_bytes(0), 900,
            amount_bytes(self.first), amount_bytes(self.window), 2, 1, (OFFER,),
        )  # fmt: skip

    # -- the drivers' usual answers

    def _client_driver(self, event: Event) -> None:
        if isinstance(event, ev.Keyed):
            self.client.authenticate(self.proof(), self.cap, self.resume, WALL)
        elif isinstance(event, ev.VoucherDue):
            self.stored.append(event.amount)
            self.client.send_voucher(event.amount)

    def _provider_driver(self, event: Event) -> None:
        if isinstance(event, ev.AuthOffered):
            assert self.account is not None
            self.provider.accept_auth(self.account, self.highest)
        elif isinstance(event, ev.VoucherReceived) and self.durable:
            self.provider.voucher_durable(event.voucher)
        elif isinstance(event, ev.RequestOffered):
            self.provider.welcome(event.stream)
        elif isinstance(event, ev.InputComplete):
            self.provider.measure(event.stream, self.count(event.data), OFFER.manifest)

    def _deliver(self, sender: str, messages: list[bytes]) -> bool:
        target = self.provider if sender == "client" else self.client
        for message in messages:
            self.wire.append((sender, message))
            target.receive(self.tamper(sender, message) if self.tamper else message, self.now)
        return bool(messages)

    def settle(self) -> None:
        """Carries messages and answers events until nothing moves any more; no time passes."""
        moving = True
        while moving:
            moving = self._deliver("client", self.client.outgoing())
            for event in self.provider.events():
                moving = True
                self.provider_events.append(event)
                self._provider_driver(event)
            moving |= self._deliver("provider", self.provider.outgoing())
            while self.provider.more(self.now):
                moving |= self._deliver("provider", self.provider.outgoing())
            for event in self.client.events():
                moving = True
                self.client_events.append(event)
                self._client_driver(event)

    def pass_time(self, seconds: float, step: float = 0.02) -> None:
        """Lets time pass on both sides in small steps."""
        for _ in range(round(seconds / step)):
            self.now += step
            self.client.tick(self.now)
            self.provider.tick(self.now)
            self.settle()

    def connect(self) -> Pair:
        self.client.start()
        self.settle()
        return self

    def request(self, text: bytes = b"x" * 160, max_units: int = 1000, service: str = "chat") -> Request:
        return Request(self.crypto.random(16), service, b"", text, OFFER, max_units)

    def ask(self, text: bytes = b"x" * 160, max_units: int = 1000, service: str = "chat") -> int:
        request = self.request(text, max_units, service)
        stream = self.client.open(request, self.client.first_amount(request))
        self.settle()
        return stream

    def engine(self, stream: int, count: int, piece: bytes = b"word ") -> None:
        """The provider's model makes `count` units."""
        for _ in range(count):
            self.provider.data(stream, piece, 1)

    def seen(self, kind: type[Event], side: str = "client") -> list[Event]:
        events = self.client_events if side == "client" else self.provider_events
        return [event for event in events if isinstance(event, kind)]

    def reconnect(self, resume: Resume) -> Pair:
        """A new connection on the same account."""
        return self._again(resume=resume).connect()

    def rejoin(self, **changes: Any) -> Pair:
        """The same client on a new connection, over which its streams go on. What both saw before is kept."""
        events = {"client_events": self.client_events, "provider_events": self.provider_events}
        return self._again(older=self.client, resume=self.resume, **events, **changes).connect()

    def _again(self, **changes: Any) -> Pair:
        fresh = {"wire": [], "client_events": [], "provider_events": [], "stored": [], "tamper": None, "older": None}
        return replace(self, **{**fresh, **changes})

    def break_off(self) -> None:
        """The socket is gone: what was under way reaches nobody, and both learn of it."""
        for peer in (self.client, self.provider):
            peer.outgoing()
            peer.lost()
        self.settle()
