"""The Registry contract: call data and reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, PeerError

from .abi import Contract, artefact
from .rpc import Rpc, eth_call, to_bytes, to_hex, to_int

PAGE = 1000
ABI = artefact("Registry")["abi"]  # read at import: in the page, files come after the memory snapshot


@dataclass(frozen=True)
class Entry:
    """A provider's slot: stake in gwei, the block of its last announcement, 160 bits of its profile's hash. All
    zero where unregistered.
    """

    provider: bytes
    stake_gwei: int
    block: int
    profile_hash: int

    @classmethod
    def from_word(cls, provider: bytes, word: int) -> Entry:
        return cls(provider, word >> 192, (word >> 160) & 0xFFFFFFFF, word & ((1 << 160) - 1))

    @property
    def announcement(self) -> tuple[int, int]:
        """Which profile: block and hash. The stake beside it changes without an event."""
        return self.block, self.profile_hash

    @property
    def word(self) -> int:
        return self.stake_gwei << 192 | self.block << 160 | self.profile_hash

    @property
    def registered(self) -> bool:
        return self.profile_hash != 0


@dataclass(frozen=True)
class RegistryLog:
    """An event of the contract. `profile` comes with Profile alone."""

    name: str
    provider: bytes
    profile: bytes
    block: int
    block_hash: str
    transaction: str


class Registry:
    """The contract at one address."""

    EVENTS = ("Profile", "Exited")

    def __init__(self, crypto: Crypto, address: bytes) -> None:
        self.address = address
        self._contract = Contract(crypto, ABI)
        self._topics = {to_hex(self._contract.topic(name)): name for name in self.EVENTS}
        self._asked = to_hex(self._contract.topic("ExitRequested"))

    def register(self, profile: bytes) -> bytes:
        """Call data; the stake is sent with it."""
        return self._contract.call("register", profile)

    def announce(self, profile: bytes) -> bytes:
        return self._contract.call("announce", profile)

    def add_stake(self) -> bytes:
        return self._contract.call("addStake")

    def request_exit(self) -> bytes:
        return self._contract.call("requestExit")

    def exit(self) -> bytes:
        return self._contract.call("exit")

    async def count(self, rpc: Rpc, block: int | None = None) -> int:
        """How many providers there are, now or at a block."""
        answer = await eth_call(rpc, self.address, self._contract.call("count"), block=block)
        return int(self._contract.result("count", answer)[0])

    async def unlock_at(self, rpc: Rpc, provider: bytes) -> int:
        """From when (Unix seconds) a provider that asked to leave may take its stake; 0 where it did not ask."""
        answer = await eth_call(rpc, self.address, self._contract.call("unlockAt", provider))
        return int(self._contract.result("unlockAt", answer)[0])

    def unlocks(self, logs: list[dict[str, Any]]) -> int:
        """The same, by the logs of the transaction that asked. Raises PeerError BAD_MESSAGE where it did not ask."""
        for entry in logs:
            if entry["topics"] and entry["topics"][0] == self._asked:
                return int(self._contract.log("ExitRequested", entry["topics"], entry["data"])["unlockAt"])
        raise PeerError(Code.BAD_MESSAGE, log="ExitRequested")

    async def page(self, rpc: Rpc, start: int = 0, size: int = PAGE, block: int | None = None) -> list[Entry]:
        """Up to 1,000 providers from place `start` of the list. Several pages belong together at one block only."""
        answer = await eth_call(rpc, self.address, self._contract.call("page", start, size), block=block)
        providers, words = self._contract.result("page", answer)
        return [Entry.from_word(to_bytes(owner), word) for owner, word in zip(providers, words, strict=True)]

    async def entries(self, rpc: Rpc, providers: list[bytes], block: int | None = None) -> list[Entry]:
        """The slots of given providers (at most 500), in the order given."""
        answer = await eth_call(rpc, self.address, self._contract.call("pageOf", providers), block=block)
        words = self._contract.result("pageOf", answer)[0]
        return [Entry.from_word(owner, word) for owner, word in zip(providers, words, strict=True)]

    def profile_filter(self, *entries: Entry) -> dict[str, Any]:
        """The eth_getLogs filter for the one block that the slots name: all must name the same."""
        providers = ["0x" + entry.provider.hex().rjust(64, "0") for entry in entries]
        return {
            "address": to_hex(self.address),
            "fromBlock": hex(entries[0].block),
            "toBlock": hex(entries[0].block),
            "topics": [to_hex(self._contract.topic("Profile")), providers[0] if len(providers) == 1 else providers],
        }

    async def profile(self, rpc: Rpc, entry: Entry) -> bytes | None:
        """The announced bytes, newest first where a block holds several; None where the node has no such log.
        Raises PeerError BAD_MESSAGE.
        """
        logs = await rpc.request("eth_getLogs", [self.profile_filter(entry)])
        if not logs:
            return None
        try:
            newest = max(logs, key=lambda log: to_int(log["logIndex"]))
            topics, data = newest["topics"], newest["data"]
        except (KeyError, TypeError, ValueError):
            raise PeerError(Code.BAD_MESSAGE, log="Profile") from None
        return bytes(self._contract.log("Profile", topics, data)["profile"])

    async def profiles(self, rpc: Rpc, entries: list[Entry]) -> list[bytes]:
        """Every profile that these providers announced in the one block that their slots name, in no order. Raises
        PeerError BAD_MESSAGE.
        """
        logs = await rpc.request("eth_getLogs", [self.profile_filter(*entries)])
        return [log.profile for log in map(self.read_log, logs or []) if log is not None]

    async def logs(self, rpc: Rpc, first: int, last: int) -> list[RegistryLog]:
        """What changed the list in a range of blocks: announcements and exits. Raises PeerError BAD_MESSAGE."""
        wanted = {"address": to_hex(self.address), "fromBlock": hex(first), "toBlock": hex(last)}
        entries = await rpc.request("eth_getLogs", [{**wanted, "topics": [list(self._topics)]}])
        return [log for log in map(self.read_log, entries) if log is not None]

    def read_log(self, entry: dict[str, Any]) -> RegistryLog | None:
        """An event from JSON-RPC; None for one that is not ours. Raises PeerError BAD_MESSAGE."""
        try:
            topics, data = entry["topics"], entry["data"]
            place = (to_int(entry["blockNumber"]), entry["blockHash"], entry["transactionHash"])
            name = self._topics.get(topics[0])
        except (KeyError, IndexError, TypeError, ValueError):
            raise PeerError(Code.BAD_MESSAGE, log="Registry") from None
        if name is None:
            return None
        values = self._contract.log(name, topics, data)
        return RegistryLog(name, to_bytes(values["provider"]), values.get("profile", b""), *place)
