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
    def registered(self) -> bool:
        return self.profile_hash != 0


class Registry:
    """The contract at one address."""

    def __init__(self, crypto: Crypto, address: bytes) -> None:
        self.address = address
        self._contract = Contract(crypto, ABI)

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

    async def count(self, rpc: Rpc) -> int:
        answer = await eth_call(rpc, self.address, self._contract.call("count"))
        return int(self._contract.result("count", answer)[0])

    async def page(self, rpc: Rpc, start: int = 0, size: int = PAGE) -> list[Entry]:
        """Up to 1,000 providers from place `start` of the list."""
        answer = await eth_call(rpc, self.address, self._contract.call("page", start, size))
        providers, words = self._contract.result("page", answer)
        return [Entry.from_word(to_bytes(owner), word) for owner, word in zip(providers, words, strict=True)]

    async def entries(self, rpc: Rpc, providers: list[bytes]) -> list[Entry]:
        """The slots of given providers (at most 500), in the order given."""
        answer = await eth_call(rpc, self.address, self._contract.call("pageOf", providers))
        words = self._contract.result("pageOf", answer)[0]
        return [Entry.from_word(owner, word) for owner, word in zip(providers, words, strict=True)]

    def profile_filter(self, entry: Entry) -> dict[str, Any]:
        """The eth_getLogs filter for the one block that the slot names."""
        return {
            "address": to_hex(self.address),
            "fromBlock": hex(entry.block),
            "toBlock": hex(entry.block),
            "topics": [to_hex(self._contract.topic("Profile")), "0x" + entry.provider.hex().rjust(64, "0")],
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
