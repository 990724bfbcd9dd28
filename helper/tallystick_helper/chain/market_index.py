"""The registry as this node knows it: the list, read once in pages, then kept up by logs; and snapshots of it.

With every new head the logs of announcements and exits are read; they say who came, changed and went, in the
contract's own order. What they touched is asked of the contract at that head, and so is the count: where that does
not fit, or a log vanished in a reorganisation, the pages are read again. Profiles are kept by their hash, so one that
is not the announced one is never served; those whose logs the chain's node has forgotten come from other nodes'
snapshots. Stakes change without an event: pages are read again every ten minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time

import structlog

from tallystick_shared.chains import Deployment
from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import PeerError, TallystickError
from tallystick_shared.evm.registry import PAGE, Entry, RegistryLog
from tallystick_shared.evm.rpc import Rpc, RpcError, to_bytes
from tallystick_shared.market import Listing, Market
from tallystick_shared.market_reader import SnapshotHost
from tallystick_shared.profile import MAX_PROFILE, profile_hash
from tallystick_shared.snapshot import MAX_ENTRIES, SnapshotAsk, SnapshotEntry, make_snapshot, most_bytes, read_snapshot

from .follower import Head
from .ranges import Change, Key, LogRange

ASKED = 500
REFRESH = 600.0
RETRY = 5.0
PARTS = 16
SOURCES = 2
log = structlog.get_logger(__name__)


def _key(entry: RegistryLog) -> Key:
    return (entry.block, entry.block_hash, entry.transaction, entry.name, entry.provider, entry.profile)


class MarketIndex:
    """The index of one registry. `run` keeps it up; `wake` tells it of a new head."""

    def __init__(
        self,
        crypto: Crypto,
        rpc: Rpc,
        where: Deployment,
        others: SnapshotHost | None = None,
        me: bytes = b"",
        *,
        refresh: float = REFRESH,
    ) -> None:
        """`others` fetches snapshots from providers other than `me` (20 bytes); `refresh`: seconds after which the
        pages are read again.
        """
        self._crypto, self._rpc, self._where = crypto, rpc, where
        self._others, self._me = others, me
        self._market = Market(crypto, where.chain_id, where.registry)
        self._registry = registry = self._market.registry
        self._range = LogRange(lambda first, last: registry.logs(rpc, first, last), _key, start=where.block)
        self._refresh = refresh
        self._order: list[bytes] = []
        self._slots: dict[bytes, Entry] = {}
        self._blobs: dict[int, bytes] = {}
        self._hopeless: set[int] = set()
        self._asked: set[int] = set()
        self._paged_at: float | None = None
        self._parts: dict[SnapshotAsk, bytes] = {}
        self._newest: Head | None = None
        self._woken = asyncio.Event()
        self.head = Head(-1, "", 0)

    def __len__(self) -> int:
        return len(self._order)

    @property
    def ready(self) -> bool:
        """Has the list been read?"""
        return self._paged_at is not None

    @property
    def missing(self) -> list[Entry]:
        """Slots whose profile is not here yet."""
        return [slot for slot in self._slots.values() if slot.profile_hash not in self._blobs]

    # -- keeping up

    def wake(self, head: Head) -> None:
        """There is a new block."""
        self._newest = head
        self._woken.set()

    async def run(self) -> None:
        """Follows for ever. What fails is tried again with the next block, or after five seconds."""
        late = False
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), RETRY if late else None)
            self._woken.clear()
            late = not await self._follow()

    async def _follow(self) -> bool:
        """One step; False where it has to be tried again."""
        try:
            if self._newest is not None:
                await self.look(self._newest)
                await self.fill()
                await self.ask_others()
        except (TallystickError, RpcError) as error:
            log.warning("registry_unreadable", error=str(error))
            return False
        except Exception:
            log.exception("registry_unreadable")
            return False
        return True

    async def look(self, head: Head) -> None:
        """Brings the list up to a head. Raises RpcError, TallystickError; then nothing has changed."""
        if not self.ready:
            self._range.next = head.number + 1  # what was before stands in the pages
        change = await self._range.look(head.number)
        if not self._is_current(change) or not await self._follow_logs(change, head.number):
            await self._read_pages(head.number)
        self._range.keep(change)
        self._take_blobs(change)
        if change or head.hash != self.head.hash:
            self._parts.clear()
        self.head = head

    def _is_current(self, change: Change[RegistryLog]) -> bool:
        fresh = self._paged_at is not None and time.monotonic() - self._paged_at < self._refresh
        return fresh and not change.gone

    async def _follow_logs(self, change: Change[RegistryLog], block: int) -> bool:
        """Takes new logs over. False where the contract says something else than they do."""
        if not change.new:
            return True
        order, here = list(self._order), set(self._order)
        touched: dict[bytes, None] = {}
        for entry in change.new:
            if entry.name == "Exited":
                _swap_out(order, entry.provider)
                here.discard(entry.provider)
                touched.pop(entry.provider, None)
                continue
            if entry.provider not in here:
                order.append(entry.provider)
                here.add(entry.provider)
            touched[entry.provider] = None
        slots = await self._read_slots(list(touched), block)
        count = await self._registry.count(self._rpc, block)
        if count != len(order) or not all(slot.registered for slot in slots):
            return False
        known = self._slots | {slot.provider: slot for slot in slots}
        self._order, self._slots = order, {provider: known[provider] for provider in order}
        return True

    async def _read_slots(self, providers: list[bytes], block: int) -> list[Entry]:
        slots: list[Entry] = []
        for at in range(0, len(providers), ASKED):
            slots += await self._registry.entries(self._rpc, providers[at : at + ASKED], block)
        return slots

    async def _read_pages(self, block: int) -> None:
        """The whole list, all pages at one block."""
        slots: list[Entry] = []
        while page := await self._registry.page(self._rpc, len(slots), PAGE, block):
            slots += page
            if len(page) < PAGE:
                break
        self._order = [slot.provider for slot in slots]
        self._slots = {slot.provider: slot for slot in slots}
        self._paged_at = time.monotonic()
        self._hopeless.clear()
        self._asked.clear()

    # -- profiles

    def _take_blobs(self, change: Change[RegistryLog]) -> None:
        for entry in change.entries:
            if entry.name == "Profile" and len(entry.profile) <= MAX_PROFILE:
                self._blobs[profile_hash(self._crypto, entry.profile)] = entry.profile
        wanted = {slot.profile_hash for slot in self._slots.values()}
        self._blobs = {digest: blob for digest, blob in self._blobs.items() if digest in wanted}

    async def fill(self) -> None:
        """Reads what is missing, by the logs of the blocks that the slots name, the newest first. What a block does
        not have is not asked for again until the pages are. Raises LocalError RPC_UNREACHABLE.
        """
        blocks: dict[int, list[Entry]] = {}
        for slot in self.missing:
            if slot.profile_hash not in self._hopeless:
                blocks.setdefault(slot.block, []).append(slot)
        for number in sorted(blocks, reverse=True):
            if self._woken.is_set():
                return  # a newer head first; the rest comes after it
            await self._fill_from(blocks[number])

    async def _fill_from(self, slots: list[Entry]) -> None:
        wanted = {slot.profile_hash for slot in slots}
        try:
            blobs = await self._registry.profiles(self._rpc, slots)
        except (RpcError, PeerError) as error:
            log.info("profiles_unreadable", block=slots[0].block, error=str(error))
            blobs = []
        found = {profile_hash(self._crypto, blob): blob for blob in blobs}
        self._blobs |= {digest: blob for digest, blob in found.items() if digest in wanted}
        self._hopeless |= wanted - set(found)
        self._parts.clear()

    async def ask_others(self) -> None:
        """Takes profiles that no log gave from two other nodes' snapshots; the same ones once for each reading of the
        pages.
        """
        wanted = {slot.profile_hash for slot in self.missing} - self._asked
        sources = self._sources() if self._others is not None and wanted else []
        if self._others is None or not sources:
            return
        self._asked |= wanted
        size = min(len(self._order), MAX_ENTRIES)
        for answer in await self._others.snapshots(sources, SnapshotAsk(0, size), most_bytes(size)):
            try:
                self._take_snapshot(answer, most_bytes(size), wanted)
            except TallystickError as error:
                log.info("snapshot_unusable", error=str(error))

    def _sources(self) -> list[Listing]:
        listings = []
        for provider, blob in self.some(SOURCES, besides=self._me).items():
            slot = self._slots[provider]
            with contextlib.suppress(PeerError):
                profile = self._market.check(slot, blob)
                listings.append(Listing(provider, slot.stake_gwei, slot.block, profile))
        return listings

    def _take_snapshot(self, answer: bytes | TallystickError, most: int, wanted: set[int]) -> None:
        if isinstance(answer, TallystickError):
            raise answer
        for entry in read_snapshot(answer, self._where.chain_id, self._where.registry, most).entries:
            if entry.slot.profile_hash in wanted and profile_hash(self._crypto, entry.profile) in wanted:
                self._blobs[profile_hash(self._crypto, entry.profile)] = entry.profile
        self._parts.clear()

    # -- serving

    def some(self, count: int, *, besides: bytes = b"") -> dict[bytes, bytes]:
        """So many announced profiles, by provider, at random: whom somebody new may ask first."""
        known = [
            slot for slot in self._slots.values() if self._blobs.get(slot.profile_hash) and slot.provider != besides
        ]
        return {slot.provider: self._blobs[slot.profile_hash] for slot in random.sample(known, min(count, len(known)))}

    def snapshot(self, ask: SnapshotAsk) -> bytes:
        """The bytes of `market.snapshot`, kept until the next block."""
        known = self._parts.get(ask)
        if known is None:
            if len(self._parts) >= PARTS:
                self._parts.clear()
            known = self._parts[ask] = self._make(ask)
        return known

    def _make(self, ask: SnapshotAsk) -> bytes:
        entries = [
            SnapshotEntry(slot.provider, slot.word.to_bytes(32, "big"), self._blobs.get(slot.profile_hash, b""))
            for slot in (self._slots[provider] for provider in self._order)
        ]
        where, head = self._where, self.head
        block_hash = to_bytes(head.hash)
        return make_snapshot(where.chain_id, where.registry, max(0, head.number), block_hash, entries, ask)


def _swap_out(order: list[bytes], provider: bytes) -> None:
    """As the contract does it: the last takes the place of the one that leaves."""
    if provider not in order:
        return
    at, last = order.index(provider), order.pop()
    if at < len(order):
        order[at] = last
