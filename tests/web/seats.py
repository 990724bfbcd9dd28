"""The page's seats, filled in memory: a chain of scripted answers, a vault, locks and a screen that can be read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.evm.rpc import RpcError
from tallystick_web.app import App, Seats
from tallystick_web.ports import WalletInfo
from tallystick_web.state import Site, State

SITE = Site(31337, "Testnet", ("http://127.0.0.1:1",), b"\x01" * 20, b"\x02" * 20)
WALLET = WalletInfo("org.example.test", "Test wallet")
ACCOUNT = "0x" + "aa" * 20
EMPTY_PAGE = "0x" + "".join(f"{word:064x}" for word in (0x40, 0x60, 0, 0))  # a registry without providers
Answer = Callable[[list[Any]], Any]


class MemoryWallets:
    """Wallets whose answers are given by method; an answer that is an exception is raised. `asked` is what was
    asked.
    """

    def __init__(self, *found: WalletInfo) -> None:
        self.announced = found
        self.answers: dict[str, Answer] = {
            "eth_requestAccounts": lambda _: [ACCOUNT],
            "eth_accounts": lambda _: [ACCOUNT],
            "eth_chainId": lambda _: hex(SITE.chain_id),
            "eth_getBalance": lambda _: hex(10**18),
            "eth_call": lambda _: EMPTY_PAGE,
        }
        self.asked: list[str] = []
        self.heard: list[Callable[[str, object], None]] = []
        self.changed: list[Callable[[], None]] = []

    def found(self) -> tuple[WalletInfo, ...]:
        return self.announced

    def watch(self, changed: Callable[[], None]) -> None:
        self.changed.append(changed)

    def listen(self, wallet: str, heard: Callable[[str, object], None]) -> None:
        self.heard.append(heard)

    async def request(self, wallet: str, method: str, params: list[object]) -> object:
        self.asked.append(method)
        if method not in self.answers:
            raise RpcError(-32601, f"{method} is not there")
        answer = self.answers[method](params)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def refuse(self, method: str, code: int = 4001, message: str = "no") -> None:
        self.answers[method] = lambda _: RpcError(code, message)


class MemoryVault:
    """A vault without a disk."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.writes: list[set[str]] = []

    async def get(self, name: str) -> bytes | None:
        return self.values.get(name)

    async def put(self, name: str, value: bytes) -> None:
        self.values[name] = value

    async def delete(self, name: str) -> None:
        self.values.pop(name, None)

    async def scan(self, prefix: str) -> list[tuple[str, bytes]]:
        return sorted((name, value) for name, value in self.values.items() if name.startswith(prefix))

    async def write(self, put: Mapping[str, bytes], delete: Sequence[str]) -> None:
        self.writes.append(set(put))
        for name in delete:
            self.values.pop(name, None)
        self.values.update(put)


class MemoryLocks:
    """Locks; those in `taken` belong to another tab."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.own: set[str] = set()

    async def take(self, name: str) -> bool:
        if name in self.taken:
            return False
        self.own.add(name)
        return True

    def release(self, name: str) -> None:
        self.own.discard(name)


class MemoryScreen:
    """Remembers what it showed and said."""

    def __init__(self) -> None:
        self.shown: list[State] = []
        self.said: list[str] = []
        self.revealed: list[int] = []
        self.saved: list[tuple[str, str, str]] = []
        self.copied: list[str] = []

    def show(self, state: State) -> None:
        self.shown.append(state)

    def announce(self, sentence: str) -> None:
        self.said.append(sentence)

    def to_end(self) -> None:
        """Nothing to scroll."""

    def save(self, name: str, kind: str, text: str) -> None:
        self.saved.append((name, kind, text))

    def refill(self, text: str) -> None:
        """No box to fill."""

    def to_draft(self) -> None:
        """No box to go to."""

    def reveal(self, turn_id: int) -> None:
        self.revealed.append(turn_id)

    def act(self, name: str) -> None:
        """No shell to do it."""

    def copy(self, text: str) -> None:
        self.copied.append(text)


class StillWorld:
    """No network, and a clock that moves only while somebody sleeps."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    async def dial(self, url: str) -> Any:
        raise PeerError(Code.PROVIDER_GONE, endpoint=url)

    def monotonic(self) -> float:
        return self.time

    def wall(self) -> int:
        return int(self.time)

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
        await asyncio.sleep(0)

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        raise AssertionError("there is nothing to run beside")

    async def post(self, url: str, text: str) -> str:
        raise LocalError(Code.RPC_UNREACHABLE, url=url)

    def offset_minutes(self) -> int:
        return 0

    def language(self) -> str:
        return "en"


def seats(*found: WalletInfo, world: Any = None) -> Seats:
    """Seats with these wallets."""
    return Seats(
        MemoryWallets(*found), MemoryVault(), MemoryLocks(), MemoryScreen(), world or StillWorld(), NativeCrypto()
    )


async def until(app: App, true: Callable[[State], bool], seconds: float = 20) -> State:
    """Waits until the app's state is as wanted; looks at every change."""
    if true(app.state):
        return app.state
    reached = asyncio.Event()
    app.watch(lambda _, after: reached.set() if true(after) else None)
    async with asyncio.timeout(seconds):
        await reached.wait()
    return app.state
