"""All that the page knows, as one frozen value. Views read it, `reduce` makes the next one; nothing else changes it.

Amounts are integers in the coin's smallest unit, times are Unix seconds, addresses are 20 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tallystick_shared.money import least_due

from .chats.desk import Desk
from .chats.model import Chat, Chats, Turn, TurnState, Usage
from .figures import Coin
from .ports import WalletInfo
from .purse.book import Book
from .purse.paying import NATIVE, Purse
from .purse.trial import Trial, TrialPhase
from .shop.state import Shop

__all__ = ["Turn", "TurnState", "Usage"]

UNREAD = "unread"


class WalletPhase(Enum):
    """Where the wallet stands."""

    NONE = "none"
    CONNECTING = "connecting"
    SWITCHING = "switching"
    CONNECTED = "connected"


class MarketPhase(Enum):
    """Where reading the market stands."""

    UNREAD = "unread"
    READING = "reading"
    READ = "read"


class DepositPhase(Enum):
    """A deposit's life. REQUESTED: the person asked for it back alone and waits for `expiry`."""

    NONE = "none"
    SIGNING = "signing"
    SENT = "sent"
    OPEN = "open"
    CLOSING = "closing"
    REQUESTING = "requesting"
    REQUESTED = "requested"
    WITHDRAWING = "withdrawing"
    ENDED = "ended"


class FoundPhase(Enum):
    """A deposit that this browser does not know. ASKING and WITHDRAWING: a transaction is under way."""

    FOUND = "found"
    ASKING = "asking"
    REQUESTED = "requested"
    READY = "ready"
    WITHDRAWING = "withdrawing"
    BACK = "back"


class Transit(Enum):
    """Where a transaction of one's own stands. SEEN: a node knows it. DROPPED: none does now; it may come back."""

    ASKED = "asked"
    SENT = "sent"
    SEEN = "seen"
    SLOW = "slow"
    DROPPED = "dropped"


class Link(Enum):
    """The connection to the provider."""

    IDLE = "idle"
    CONNECTING = "connecting"
    READY = "ready"
    LOST = "lost"


class Sheet(Enum):
    """Which dialog is open."""

    WALLETS = "wallets"
    MARKET = "market"
    PROVIDER = "provider"
    DEPOSIT = "deposit"
    MONEY = "money"
    LEDGER = "ledger"
    TOP_UP = "top_up"
    CHAINS = "chains"
    CLOSE = "close"
    SETUP = "setup"
    TRANSFER = "transfer"
    PALETTE = "palette"
    KEYS = "keys"
    SETTINGS = "settings"


@dataclass(frozen=True)
class Site:
    """The chain this page works on, as its server names it. `demo` is true where the money is worth nothing; `known`
    are some providers' profiles, not checked yet: whom to ask first. `console` is the address of the console where the
    page is a node's own, else empty.
    """

    chain_id: int
    chain_name: str
    rpc: tuple[str, ...]
    registry: bytes
    channels: bytes
    block: int = 0
    coin: Coin = field(default_factory=Coin)
    demo: bool = False
    explorer: str = ""
    known: tuple[tuple[bytes, bytes], ...] = ()
    console: str = ""


@dataclass(frozen=True)
class Wallet:
    """The wallet in use."""

    phase: WalletPhase = WalletPhase.NONE
    info: WalletInfo | None = None
    account: bytes = b""
    balance: int | None = None


@dataclass(frozen=True)
class Choice:
    """One model of one provider. `fault` is the code's name where the provider's entry cannot be used, UNREAD where
    nobody gave it.
    """

    provider: bytes
    endpoint: str = ""
    model: str = ""
    price_in: int = 0
    price_out: int = 0
    context: int = 0
    minimum: int = 0
    window: int = 0
    fault: str = ""
    first: int = 0
    """What the first payment comes to at least."""
    delay: int = 0
    """Seconds of notice before a deposit can be taken back without the provider."""
    tokens: tuple[bytes, ...] = ()
    """What it takes deposits in; zero is the coin."""

    @property
    def id(self) -> str:
        return f"{self.provider.hex()}/{self.model}"


@dataclass(frozen=True)
class Market:
    """What the chain shows: `count` providers, of which `missing` could not be read. `wrong` where a provider's list
    did not fit the chain.
    """

    phase: MarketPhase = MarketPhase.UNREAD
    choices: tuple[Choice, ...] = ()
    count: int = 0
    missing: int = 0
    wrong: bool = False


@dataclass(frozen=True)
class Deposit:
    """The deposit in use. `owed` is what the provider's work cost so far, `durable` what it holds signed payments
    for.

    `notches` counts those payments. `alone` is true once the provider did not close it and the person has to.
    `transit` is of the transaction that is under way, where one is; `first` is what the first payment comes to at
    least.
    """

    phase: DepositPhase = DepositPhase.NONE
    channel_id: bytes = b""
    provider: bytes = b""
    amount: int = 0
    expiry: int = 0
    delay: int = 0
    durable: int = 0
    owed: int = 0
    notches: int = 0
    open_transaction: str = ""
    end_transaction: str = ""
    paid: int = 0
    refunded: int = 0
    alone: bool = False
    transit: Transit = Transit.ASKED
    first: int = 0
    token: bytes = NATIVE

    @property
    def live(self) -> bool:
        """True while there is money in it."""
        return self.phase not in (DepositPhase.NONE, DepositPhase.SIGNING, DepositPhase.ENDED)

    @property
    def usable(self) -> bool:
        return self.phase is DepositPhase.OPEN

    @property
    def rest(self) -> int:
        """What would come back now."""
        return max(0, self.amount - self.due)

    @property
    def due(self) -> int:
        """What the provider would get now."""
        return least_due(self.owed, self.first)


@dataclass(frozen=True)
class Found:
    """A deposit of this account beside the one in use. `left` is what would come back now, or what came; `opened` is
    0 where it is not known.
    """

    channel_id: bytes
    left: int
    expiry: int
    delay: int
    opened: int = 0
    phase: FoundPhase = FoundPhase.FOUND
    transit: Transit = Transit.ASKED
    transaction: str = ""


@dataclass(frozen=True)
class Notice:
    """One sentence and a next step, by name in the words table. `quiet` notices are not faults (a refusal in the
    wallet).
    """

    name: str
    values: tuple[tuple[str, Any], ...] = ()
    quiet: bool = False


@dataclass(frozen=True)
class State:
    """Everything."""

    site: Site | None = None
    ready: bool = False
    offline: bool = False
    now: float = 0.0
    offset_minutes: int = 0
    language: str = "en"
    colours: str = "device"
    wallets: tuple[WalletInfo, ...] = ()
    wallet: Wallet = field(default_factory=Wallet)
    market: Market = field(default_factory=Market)
    shop: Shop = field(default_factory=Shop)
    purse: Purse = field(default_factory=Purse)
    trial: Trial = field(default_factory=Trial)
    book: Book = field(default_factory=Book)
    sites: tuple[Site, ...] = ()
    chosen: Choice | None = None
    deposit: Deposit = field(default_factory=Deposit)
    found: tuple[Found, ...] = ()
    amount_text: str = ""
    life: int = 7 * 24 * 3600
    link: Link = Link.IDLE
    chats: Chats = field(default_factory=Chats)
    desk: Desk = field(default_factory=Desk)
    sheet: Sheet | None = None
    notice: Notice | None = None

    @property
    def native(self) -> Coin:
        """The chain's own coin, in which the network is paid."""
        return self.site.coin if self.site else Coin()

    @property
    def coin(self) -> Coin:
        """The money of the deposit in use, else of the one that would be made now."""
        held = self.deposit.token if self.deposit.phase is not DepositPhase.NONE else self.purse.token
        return self.purse.coin(held, self.native)

    @property
    def funds(self) -> int | None:
        """What the wallet has of the money that a deposit would be made in."""
        return self.wallet.balance if self.purse.token == NATIVE else self.purse.balance

    @property
    def deposit_expiry(self) -> int:
        """When a deposit made now would end by itself."""
        return int(self.now) + self.life

    @property
    def free(self) -> bool:
        """Would the next question cost nothing, because its provider gives the answer away?"""
        return self.trial.on and not self.deposit.live

    @property
    def asks(self) -> bool:
        """Can a question go out?"""
        return self.deposit.usable or self.free

    @property
    def tells_money(self) -> bool:
        """Is the bar there? For whoever tries it says what that costs: nothing, once something was asked."""
        tries = self.trial.phase in (TrialPhase.ON, TrialPhase.OVER) and bool(self.turns)
        return self.connected or self.deposit.live or tries

    @property
    def connected(self) -> bool:
        return self.wallet.phase is WalletPhase.CONNECTED

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What is shown of the chat in front."""
        return self.chats.chat.path

    @property
    def running(self) -> bool:
        """True while an answer of the chat in front is being made."""
        return self.chats.chat.streaming

    @property
    def busy(self) -> bool:
        """True while an answer of any chat is being made."""
        return any(chat.streaming for chat in self.chats.held)

    @property
    def queue(self) -> tuple[tuple[Chat, int], ...]:
        """Questions, and answers that were asked for again, that wait for a deposit or for what is before them: their
        chats and ids.
        """
        return tuple((chat, turn_id) for chat in self.chats.held for turn_id in chat.waiting)
