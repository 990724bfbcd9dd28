"""A whole market at once: the list from the chain, the profiles from the snapshots of two providers.

The chain says who is registered, with which profile's hash, and how many they are: two calls. Everything else may
come from anyone, because it is checked: the hash of each profile when it is taken over, its owner's signature when it
is used (that costs twenty times the hash). A source can leave out and be late, never forge, so two are asked, chosen
at random; what one lacks is filled from the other, and what both lack by the logs of single blocks, within bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from .errors import Code, PeerError, TallystickError
from .evm.registry import Entry
from .evm.rpc import Rpc, RpcError
from .market import Listing, Market
from .messages import decode
from .profile import Profile, profile_hash
from .snapshot import MAX_ENTRIES, Snapshot, SnapshotAsk, most_bytes, read_snapshot

PER_BLOCK = 100


@dataclass(frozen=True)
class Rules:
    """How much a reader asks for: at most `providers` (10,000) from place `start` of the list, `sources` snapshots
    (trying at most `attempts` providers), and at most `blocks` looks into single blocks for what they lack.
    """

    start: int = 0
    providers: int = MAX_ENTRIES
    sources: int = 2
    attempts: int = 6
    blocks: int = 64


class SnapshotHost(Protocol):
    """Fetches snapshots from providers: `tallystick_shared.guest` over the host's sockets."""

    async def snapshots(
        self, sources: Sequence[Listing], ask: SnapshotAsk, most: int
    ) -> Sequence[bytes | TallystickError]:
        """For each source, at the same time where the host can: its bytes (at most `most`), or why not."""


@dataclass
class SourceReport:
    """What one source gave, held against the chain. `omitted` were announced before its snapshot and are not in it,
    `late` after it; `extra` are not in the list; `forged` do not fit their hash; `miscounted` where it knows of more
    or fewer providers in all. `fault` where it gave nothing.
    """

    provider: bytes
    fault: TallystickError | None = None
    block: int = 0
    entries: int = 0
    miscounted: bool = False
    omitted: list[bytes] = field(default_factory=list)
    late: list[bytes] = field(default_factory=list)
    extra: list[bytes] = field(default_factory=list)
    forged: list[bytes] = field(default_factory=list)

    @property
    def disagrees(self) -> bool:
        """It differs from the chain in a way that time alone does not explain."""
        return self.fault is not None or bool(self.omitted or self.forged or (self.miscounted and not self.late))


class MarketView:
    """A market as it was read: `count` is what the registry says, `slots` what it listed, in its order, from place
    `start` on; `sources` were asked; `by_logs` profiles came from the chain's logs.
    """

    def __init__(self, market: Market, rules: Rules, count: int, slots: Sequence[Entry]) -> None:
        self.count, self.start = count, rules.start
        self.slots = {slot.provider: slot for slot in slots}
        self.sources: list[SourceReport] = []
        self.by_logs = 0
        self._wanted = max(0, min(count - rules.start, rules.providers))
        self._market = market
        self._blobs: dict[bytes, bytes] = {}
        self._listings: dict[bytes, Listing] = {}
        self._seen: dict[bytes, Profile | None] = {}

    def __len__(self) -> int:
        return len(self.slots)

    def __iter__(self) -> Iterator[bytes]:
        """The providers' addresses, in the registry's order."""
        return iter(self.slots)

    @property
    def missing(self) -> list[bytes]:
        """Registered providers whose announced profile nobody gave."""
        return [provider for provider in self.slots if provider not in self._blobs]

    @property
    def complete(self) -> bool:
        """The list is as long as the contract's count says, and every profile is here."""
        return len(self.slots) == self._wanted and not self.missing

    def blob(self, provider: bytes) -> bytes | None:
        """The announced bytes, checked against the hash on chain; None where they are missing."""
        return self._blobs.get(provider)

    def glance(self, provider: bytes) -> Profile | None:
        """The profile by its hash alone, to sort and to search by; before it is shown or used, take `listing`."""
        if provider not in self._seen:
            self._seen[provider] = self._parse(self._blobs.get(provider))
        return self._seen[provider]

    @staticmethod
    def _parse(blob: bytes | None) -> Profile | None:
        try:
            return decode(Profile, blob) if blob is not None else None
        except PeerError:
            return None

    def listing(self, provider: bytes) -> Listing:
        """A provider with everything checked, its owner's signature too. Raises PeerError NOT_REGISTERED."""
        slot = self.slots.get(provider)
        if slot is None:
            raise PeerError(Code.NOT_REGISTERED, provider="0x" + provider.hex())
        known = self._listings.get(provider)
        if known is None:
            known = self._listings[provider] = self._check(slot)
        return known

    def _check(self, slot: Entry) -> Listing:
        try:
            profile = self._market.check(slot, self._blobs.get(slot.provider))
        except PeerError as fault:
            return Listing(slot.provider, slot.stake_gwei, slot.block, None, fault)
        return Listing(slot.provider, slot.stake_gwei, slot.block, profile)

    def listings(self) -> list[Listing]:
        """Every provider, checked, in the registry's order: about 0.1 ms each on a desktop's CPython."""
        return [self.listing(provider) for provider in self.slots]

    # -- filling

    def offer(self, provider: bytes, blob: bytes) -> bool:
        """Takes a profile over if it is the announced one. False where it is not."""
        slot = self.slots.get(provider)
        if slot is None:
            return False
        known = self._blobs.get(provider)
        if known is not None:
            return known == blob
        if profile_hash(self._market.crypto, blob) != slot.profile_hash:
            return False
        self._blobs[provider] = blob
        return True

    def take(self, provider: bytes, snapshot: Snapshot) -> SourceReport:
        """Takes over what a provider's snapshot has, and notes how it differs from the chain."""
        report = SourceReport(provider, None, snapshot.block, len(snapshot.entries), snapshot.count != self.count)
        explained: set[bytes] = set()
        for entry in snapshot.entries:
            slot = self.slots.get(entry.provider)
            if slot is None:
                report.extra.append(entry.provider)
            elif self.offer(entry.provider, entry.profile):
                explained.add(entry.provider)
            elif entry.profile and entry.slot.announcement == slot.announcement:
                report.forged.append(entry.provider)
                explained.add(entry.provider)
        for slot in self.slots.values():
            if slot.provider not in explained:
                (report.late if slot.block > snapshot.block else report.omitted).append(slot.provider)
        return report


async def read_market(
    market: Market,
    rpc: Rpc,
    host: SnapshotHost,
    rules: Rules | None = None,
    known: Mapping[bytes, bytes] | None = None,
) -> MarketView:
    """The market: two calls for up to 1,000 providers, two snapshots, and the logs of two blocks to find those who
    give them. `known` are profiles from an earlier look or from anybody, by provider (`MarketView.blob`): those still
    announced are asked first, and need no log. What a chain's node refuses of its logs is missing in the view; other
    errors of it are raised: RpcError, LocalError RPC_UNREACHABLE.
    """
    rules = rules or Rules()
    count, slots = await market.slots(rpc, rules.start, rules.providers)
    view = MarketView(market, rules, count, slots)
    reader = _Reader(market, rpc, host, rules, view)
    reader.remember(known or {})
    if len(slots) > 1:
        await reader.ask_sources()
    await reader.look_into_blocks()
    return view


class _Reader:
    """One reading of a market."""

    def __init__(self, market: Market, rpc: Rpc, host: SnapshotHost, rules: Rules, view: MarketView) -> None:
        self._market, self._rpc, self._host, self._rules, self._view = market, rpc, host, rules, view
        self._known: list[bytes] = []
        self._given: dict[bytes, SourceReport] = {}

    def remember(self, known: Mapping[bytes, bytes]) -> None:
        """Of what was known before, what is still announced."""
        self._known = [provider for provider, blob in known.items() if self._view.offer(provider, blob)]

    # -- snapshots

    async def ask_sources(self) -> None:
        """Asks until enough gave a snapshot, or nobody is left to try."""
        wanted, waiting = self._rules.sources, self._candidates()
        while wanted > 0 and waiting:
            batch, waiting = waiting[:wanted], waiting[wanted:]
            found = [await self._source(provider) for provider in batch]
            wanted -= await self._ask([source for source in found if source is not None])

    def _candidates(self) -> list[bytes]:
        """Whom to ask, at random; half of them known from before, where there are such."""
        known = self._pick(list(self._known), self._rules.attempts // 2)
        others = [provider for provider in self._view if provider not in known]
        return known + self._pick(others, self._rules.attempts - len(known))

    def _pick(self, some: list[bytes], count: int) -> list[bytes]:
        """At most `count` of them, in random order."""
        picked: list[bytes] = []
        while some and len(picked) < count:
            picked.append(some.pop(int.from_bytes(self._market.crypto.random(8), "big") % len(some)))
        return picked

    async def _source(self, provider: bytes) -> Listing | None:
        """The checked listing of somebody to ask; None where it cannot be had."""
        if self._view.blob(provider) is None:
            await self._look_into([self._view.slots[provider]])
        listing = self._view.listing(provider) if self._view.blob(provider) is not None else None
        return listing if listing is not None and listing.profile is not None else None

    async def _ask(self, sources: list[Listing]) -> int:
        """Takes what these give. Returns how many gave a snapshot."""
        size = len(self._view)
        ask, most = SnapshotAsk(self._rules.start, size), most_bytes(size)
        answers = await self._host.snapshots(sources, ask, most) if sources else []
        reports = [self._take(*pair, most) for pair in zip(sources, answers, strict=True)]
        self._view.sources += reports
        return sum(report.fault is None for report in reports)

    def _take(self, source: Listing, answer: bytes | TallystickError, most: int) -> SourceReport:
        if isinstance(answer, TallystickError):
            return SourceReport(source.provider, answer)
        if answer in self._given:  # two honest nodes at one block
            return replace(self._given[answer], provider=source.provider)
        report = self._given[answer] = self._take_new(source, answer, most)
        return report

    def _take_new(self, source: Listing, answer: bytes, most: int) -> SourceReport:
        market = self._market
        try:
            snapshot = read_snapshot(answer, market.chain_id, market.registry.address, most)
            if snapshot.start != self._rules.start:
                raise PeerError(Code.BAD_MESSAGE, reason="another part")
        except PeerError as fault:
            return SourceReport(source.provider, fault)
        return self._view.take(source.provider, snapshot)

    # -- what is still missing

    async def look_into_blocks(self) -> None:
        """Reads the logs of single blocks, the newest first, at most `rules.blocks` of them."""
        blocks: dict[int, list[Entry]] = {}
        for provider in self._view.missing:
            slot = self._view.slots[provider]
            blocks.setdefault(slot.block, []).append(slot)
        for number in sorted(blocks, reverse=True)[: self._rules.blocks]:
            if not await self._look_into(blocks[number][:PER_BLOCK]):
                return

    async def _look_into(self, slots: list[Entry]) -> bool:
        """False where the chain's node gives no logs."""
        try:
            blobs = await self._market.registry.profiles(self._rpc, slots)
        except PeerError:
            return True
        except RpcError:
            return False
        by_hash = {profile_hash(self._market.crypto, blob): blob for blob in blobs}
        for slot in slots:
            blob = by_hash.get(slot.profile_hash)
            if blob is not None:
                self._view.by_logs += self._view.offer(slot.provider, blob)
        return True
