"""The market, read from the chain: who offers what, with every profile checked against its hash and its owner's
signature.

`Market` alone reads profile by profile, which suits one provider or a handful. `market_reader` fills a whole market
from snapshots.
"""

from __future__ import annotations

from dataclasses import dataclass

from .crypto import Crypto
from .errors import Code, PeerError, TallystickError
from .evm.registry import PAGE, Entry, Registry
from .evm.rpc import Rpc, to_int
from .profile import Profile, profile_hash, read_profile, registry_domain


@dataclass(frozen=True)
class Listing:
    """A provider as the chain shows it. `profile` is None where what it announced cannot be used; `fault` says
    why.
    """

    provider: bytes
    stake_gwei: int
    block: int
    profile: Profile | None
    fault: TallystickError | None = None

    def usable(self) -> Profile:
        """The profile. Raises the fault."""
        if self.profile is None:
            raise self.fault or PeerError(Code.BAD_PROFILE)
        return self.profile


class Market:
    """Reads one registry through an Rpc seat."""

    def __init__(self, crypto: Crypto, chain_id: int, registry: bytes) -> None:
        self.crypto, self.chain_id = crypto, chain_id
        self.registry = Registry(crypto, registry)
        self._domain = registry_domain(chain_id, registry)

    async def listings(self, rpc: Rpc, limit: int = PAGE) -> list[Listing]:
        """Every provider (at most `limit`), in the registry's order. A bad profile is listed with its fault, never
        hidden.
        """
        return [await self.fetch(rpc, entry) for entry in await self.registry.page(rpc, 0, limit)]

    async def listing(self, rpc: Rpc, provider: bytes) -> Listing:
        """One provider. Raises PeerError NOT_REGISTERED."""
        entry = (await self.registry.entries(rpc, [provider]))[0]
        if not entry.registered:
            raise PeerError(Code.NOT_REGISTERED, provider="0x" + provider.hex())
        return await self.fetch(rpc, entry)

    async def slots(self, rpc: Rpc, start: int, limit: int) -> tuple[int, list[Entry]]:
        """What `count()` says, and the slots of at most `limit` providers from place `start` on: two calls for up to
        1,000 of them, one more for each further 1,000; several pages are read at one block.
        """
        count = await self.registry.count(rpc)
        wanted = max(0, min(count - start, limit))
        block = to_int(await rpc.request("eth_blockNumber", [])) if wanted > PAGE else None
        entries: list[Entry] = []
        while len(entries) < wanted:
            page = await self.registry.page(rpc, start + len(entries), min(PAGE, wanted - len(entries)), block)
            if not page:
                break
            entries += page
        return count, entries

    async def fetch(self, rpc: Rpc, entry: Entry) -> Listing:
        """The provider of a slot, by the log of the one block that it names; with its fault where that is bad."""
        try:
            profile = self.check(entry, await self.registry.profile(rpc, entry))
        except PeerError as fault:
            return Listing(entry.provider, entry.stake_gwei, entry.block, None, fault)
        return Listing(entry.provider, entry.stake_gwei, entry.block, profile)

    def check(self, entry: Entry, blob: bytes | None) -> Profile:
        """The profile in `blob`, if it is the announced one. Raises PeerError BAD_PROFILE."""
        if blob is None:
            raise PeerError(Code.BAD_PROFILE, reason="not found")
        if profile_hash(self.crypto, blob) != entry.profile_hash:
            raise PeerError(Code.BAD_PROFILE, reason="hash")
        return read_profile(self.crypto, self._domain, entry.provider, blob)
