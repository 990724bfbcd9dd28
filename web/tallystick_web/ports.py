"""The seats of the page: everything outside of it that it needs. `browser` fills them; tests fill them on CPython."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tallystick_shared.user_seats import Host


@dataclass(frozen=True)
class WalletInfo:
    """A wallet that announced itself (EIP-6963). `icon` is a data URI or empty."""

    id: str
    name: str
    icon: str = ""


class Wallets(Protocol):
    """The wallets of this browser, by EIP-6963 and EIP-1193."""

    def found(self) -> tuple[WalletInfo, ...]:
        """Every wallet that announced itself so far."""

    def watch(self, changed: Callable[[], None]) -> None:
        """Calls `changed` whenever there are more."""

    async def request(self, wallet: str, method: str, params: list[object]) -> object:
        """An EIP-1193 request. Raises RpcError."""

    def listen(self, wallet: str, heard: Callable[[str, object], None]) -> None:
        """Passes on accountsChanged, chainChanged and disconnect of one wallet."""


class Vault(Protocol):
    """Small secrets that outlive a reload, encrypted at rest by a key that cannot be read out."""

    async def get(self, name: str) -> bytes | None:
        """None where there is nothing. Raises LocalError STORE_UNREADABLE where it cannot be decrypted."""

    async def put(self, name: str, value: bytes) -> None:
        """Returns when it is durable."""

    async def delete(self, name: str) -> None:
        """Does nothing where there is none."""

    async def scan(self, prefix: str) -> list[tuple[str, bytes]]:
        """Every value whose name begins so, in the names' order; those that cannot be decrypted are left out."""

    async def write(self, put: Mapping[str, bytes], delete: Sequence[str]) -> None:
        """All of it or nothing. Returns when it is durable."""


class Locks(Protocol):
    """One holder for each name among all tabs of this browser."""

    async def take(self, name: str) -> bool:
        """False where another tab holds it. Held until this tab goes or `release`."""

    def release(self, name: str) -> None:
        """Lets another tab have it."""


class Address(Protocol):
    """The part of the page's address behind the #, which a reload and a bookmark keep."""

    def read(self) -> str:
        """Without the #; empty where there is none."""

    def write(self, fragment: str) -> None:
        """Takes the place of what stands there; makes no step in the browser's history."""


class Tabs(Protocol):
    """The other tabs of this page in this browser."""

    def tell(self, text: str) -> None:
        """Every other tab hears it."""

    def listen(self, heard: Callable[[str], None]) -> None:
        """Calls `heard` with what other tabs tell."""


class OneTab:
    """A browser without other tabs."""

    def tell(self, text: str) -> None:
        """Nobody hears it."""

    def listen(self, heard: Callable[[str], None]) -> None:
        """Nobody speaks."""


class World(Host, Protocol):
    """Network and time: a user's, and where on earth it is."""

    async def post(self, url: str, text: str) -> str:
        """What is answered to this JSON. Raises LocalError RPC_UNREACHABLE."""

    def offset_minutes(self) -> int:
        """This device's time zone, in minutes east of UTC."""

    def language(self) -> str:
        """The language that was chosen here, else the first of the browser's that the page speaks."""
