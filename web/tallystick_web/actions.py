"""What can happen to the state. Each action is a frozen value; `reduce` knows what each one does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .ports import WalletInfo
from .state import (
    Choice,
    Deposit,
    DepositPhase,
    Found,
    Link,
    Market,
    Notice,
    Sheet,
    Site,
    WalletPhase,
)


@dataclass(frozen=True)
class Booted:
    """Python runs; the site is known, or None where the server names no chain."""

    site: Site | None
    now: float
    offset_minutes: int


@dataclass(frozen=True)
class Spoken:
    """The page speaks this language from now on."""

    language: str


@dataclass(frozen=True)
class Coloured:
    """The colours that were chosen: "device", "light" or "dark"."""

    colours: str


@dataclass(frozen=True)
class Ticked:
    """Time passed."""

    now: float


@dataclass(frozen=True)
class NetworkMoved:
    """The network went, or came back."""

    offline: bool


@dataclass(frozen=True)
class WalletsFound:
    wallets: tuple[WalletInfo, ...]


@dataclass(frozen=True)
class WalletMoved:
    """The wallet reached a phase. Fields that are None stay as they are."""

    phase: WalletPhase
    info: WalletInfo | None = None
    account: bytes | None = None


@dataclass(frozen=True)
class BalanceRead:
    balance: int


@dataclass(frozen=True)
class MarketReading:
    pass


@dataclass(frozen=True)
class MarketRead:
    market: Market


@dataclass(frozen=True)
class Chosen:
    """A provider and model was picked."""

    choice: Choice


@dataclass(frozen=True)
class AmountTyped:
    text: str


@dataclass(frozen=True)
class DepositLoaded:
    """A deposit as a whole: found in this browser, or just made."""

    deposit: Deposit


@dataclass(frozen=True)
class DepositMoved:
    """The deposit reached a phase. `values` are fields that change with it."""

    phase: DepositPhase
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FoundDeposits:
    """Every deposit of this account that this browser does not know."""

    found: tuple[Found, ...]


@dataclass(frozen=True)
class FoundMoved:
    """One of them changed."""

    found: Found


@dataclass(frozen=True)
class Counted:
    """The account moved: what is owed, what the provider has on disk, how many vouchers that took."""

    owed: int | None = None
    durable: int | None = None
    notches: int | None = None


@dataclass(frozen=True)
class Linked:
    link: Link


@dataclass(frozen=True)
class SheetOpened:
    sheet: Sheet


@dataclass(frozen=True)
class SheetClosed:
    pass


@dataclass(frozen=True)
class Noticed:
    notice: Notice


@dataclass(frozen=True)
class NoticeCleared:
    pass
