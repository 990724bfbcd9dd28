"""A whole market from snapshots, over a chain in memory: honest sources, and every way of not being one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pytest

from tallystick_shared.errors import Code, PeerError, TallystickError
from tallystick_shared.evm.rpc import RpcError
from tallystick_shared.market import Listing, Market
from tallystick_shared.market_reader import MarketView, Rules, read_market
from tallystick_shared.profile import registry_domain
from tallystick_shared.snapshot import MAX_ENTRIES, SnapshotAsk, SnapshotEntry, make_snapshot, most_bytes
from tests.shared.chain import Chain
from tests.shared.pair import CHAIN, CHANNELS, REGISTRY, Pair
from tests.shared.tools import Seeded, drive, flipped, refused

DOMAIN = registry_domain(CHAIN, REGISTRY)
Change = Callable[[list[SnapshotEntry]], list[SnapshotEntry]]


class Town:
    """Providers on a chain in memory, every one of which serves snapshots. Fills the SnapshotHost seat: `changes`
    and `answers` make single ones hostile; `asked` keeps who was asked.
    """

    def __init__(self, crypto, count: int, *, blocks: int = 10**6) -> None:
        self.crypto = Seeded(crypto, b"town")
        self.chain = Chain(crypto, REGISTRY, CHANNELS)
        self.market = Market(self.crypto, CHAIN, REGISTRY)
        self.block = 1
        self.blobs: dict[bytes, bytes] = {}
        self.asked: list[bytes] = []
        self.changes: Change | None = None
        self.answers: dict[int, bytes | TallystickError] = {}
        self._profile = Pair(crypto).profile()
        for number in range(count):
            self.announce(number, epoch=1, block=1 + number % blocks)

    def announce(self, number: int, *, epoch: int, block: int, signer: int | None = None) -> bytes:
        key = (number + 1).to_bytes(32, "big")
        signing = key if signer is None else (signer + 1).to_bytes(32, "big")
        blob = msgspec.structs.replace(self._profile, epoch=epoch).signed(self.crypto, DOMAIN, signing).encode()
        owner = self.crypto.secp256k1_address(key)
        self.chain.announce(owner, blob, stake=3, block=block)
        self.blobs[owner] = blob
        self.block = max(self.block, block)
        return owner

    def entries(self) -> list[SnapshotEntry]:
        words = self.chain.words
        return [SnapshotEntry(owner, words[owner].to_bytes(32, "big"), blob) for owner, blob in self.blobs.items()]

    def snapshot(self, entries: list[SnapshotEntry], ask: SnapshotAsk, *, block: int | None = None) -> bytes:
        return make_snapshot(CHAIN, REGISTRY, block or self.block, bytes(32), entries, ask)

    async def snapshots(
        self, sources: Sequence[Listing], ask: SnapshotAsk, most: int
    ) -> Sequence[bytes | TallystickError]:
        self.asked += [source.provider for source in sources]
        given = []
        for source in sources:
            turn = self.asked.index(source.provider)
            entries = self.entries()
            if self.changes is not None and turn == 0:
                entries = self.changes(entries)
            given.append(self.answers.get(turn) or self.snapshot(entries, ask))
        return given

    def read(self, rules: Rules | None = None, known: dict[bytes, bytes] | None = None) -> MarketView:
        return drive(read_market(self.market, self.chain, self, rules, known), 10**5)

    def calls(self, method: str) -> int:
        return sum(asked == method for asked, _ in self.chain.asked)

    def refuse_logs(self) -> None:
        real = self.chain.request

        async def request(method, params):
            if method == "eth_getLogs":
                raise RpcError(-32005, "pruned")
            return await real(method, params)

        self.chain.request = request


@pytest.fixture
def town(crypto):
    return Town(crypto, 12)


def test_a_market_in_two_calls_and_two_snapshots(town):
    view = town.read()
    assert (town.calls("eth_call"), len(town.asked), town.calls("eth_getLogs")) == (2, 2, 2)
    assert view.complete and view.count == len(view) == 12 and view.by_logs == 2
    assert list(view) == list(town.blobs)
    assert [listing.profile is not None for listing in view.listings()] == [True] * 12
    assert not any(report.disagrees for report in view.sources)


@pytest.mark.parametrize("count", [10, 1000, pytest.param(10_000, marks=pytest.mark.full)])
def test_markets_of_every_size(crypto, count):
    town = Town(crypto, count)
    view = town.read()
    calls = 2 if count <= 1000 else 1 + count // 1000
    assert (town.calls("eth_call"), len(town.asked), town.calls("eth_getLogs")) == (calls, 2, 2)
    assert view.complete and len(view) == count
    some = list(view)[:: max(1, count // 20)]
    assert all(view.listing(provider).profile == view.glance(provider) for provider in some)


def test_an_empty_market_and_one_provider(crypto):
    assert Town(crypto, 0).read().complete
    town = Town(crypto, 1)
    assert town.read().complete and town.asked == [] and town.calls("eth_getLogs") == 1


def test_profiles_from_before_are_asked_without_a_log(town):
    before = town.read()
    known = {provider: before.blob(provider) for provider in list(before)[4:7]}
    town.chain.asked.clear()
    town.asked.clear()
    town.refuse_logs()
    view = town.read(known=known)
    assert view.complete and town.calls("eth_getLogs") == 0 and set(town.asked) <= set(known)


def test_a_profile_from_before_that_was_replaced_is_not_believed(town):
    before = dict(town.blobs)
    changed = town.announce(4, epoch=2, block=99)
    view = town.read(known={**before, b"\x99" * 20: b"nobody"})
    assert view.listing(changed).usable().epoch == 2


def test_a_forged_owner_from_before_is_not_asked(town):
    thief = town.announce(20, epoch=1, block=50, signer=21)
    view = town.read(known={thief: town.blobs[thief]})
    assert thief not in town.asked and view.complete


def test_sources_are_chosen_at_random(crypto):
    towns = [Town(crypto, 12) for _ in range(8)]
    for number, town in enumerate(towns):
        town.market.crypto = Seeded(crypto, bytes([number]))
        town.read()
    assert len({provider for town in towns for provider in town.asked}) > 4


def test_who_does_not_answer_is_replaced_by_another(town):
    town.answers = {0: PeerError(Code.PROVIDER_GONE), 1: PeerError(Code.TIMED_OUT)}
    view = town.read()
    assert view.complete and len(town.asked) == 4
    assert [report.fault.code for report in view.sources[:2]] == [Code.PROVIDER_GONE, Code.TIMED_OUT]
    assert not any(report.disagrees for report in view.sources[2:])


def test_nobody_answers_and_the_logs_bring_all(town):
    town.answers = dict.fromkeys(range(20), PeerError(Code.PROVIDER_GONE))
    view = town.read()
    assert view.complete and len(town.asked) == Rules().attempts and view.by_logs == 12
    assert town.calls("eth_getLogs") == 12


def test_the_logs_are_bounded(town):
    town.answers = dict.fromkeys(range(20), PeerError(Code.PROVIDER_GONE))
    view = town.read(Rules(attempts=2, blocks=3))
    assert town.calls("eth_getLogs") == 5 and view.by_logs == 5
    assert len(view.missing) == 7 and not view.complete
    assert view.listing(view.missing[0]).fault.code is Code.BAD_PROFILE
    assert view.glance(view.missing[0]) is None


def test_many_announcements_of_one_block_cost_one_look(crypto):
    town = Town(crypto, 12, blocks=1)
    town.answers = dict.fromkeys(range(20), PeerError(Code.PROVIDER_GONE))
    assert town.read(Rules(attempts=2, blocks=1)).complete


def test_a_chain_without_logs_and_without_sources(town):
    town.refuse_logs()
    view = town.read()
    assert len(view.missing) == 12 and town.asked == []


# -- sources that lie


def test_what_one_source_omits_comes_from_the_other(town):
    left_out = list(town.blobs)[3:7]
    town.changes = lambda entries: [
        msgspec.structs.replace(entry, profile=b"") if entry.provider in left_out else entry for entry in entries
    ]
    view = town.read()
    liar, honest = view.sources
    assert view.complete and town.calls("eth_getLogs") == 2
    assert set(liar.omitted) == set(left_out) and liar.disagrees and not honest.disagrees


def test_a_shorter_list_is_seen_by_the_count(town):
    town.changes = lambda entries: entries[:-3]
    view = town.read()
    assert view.complete and view.sources[0].miscounted and len(view.sources[0].omitted) == 3


def test_a_longer_list_is_seen_by_the_count(town):
    stranger = SnapshotEntry(b"\x77" * 20, (1 << 160 | 5).to_bytes(32, "big"), b"made up")
    town.changes = lambda entries: [*entries, stranger]
    view = town.read()
    assert b"\x77" * 20 not in view.slots and view.complete
    assert view.sources[0].miscounted and view.sources[0].disagrees
    with refused(Code.NOT_REGISTERED):
        view.listing(b"\x77" * 20)


def test_a_forged_profile_is_refused_and_the_true_one_found(town):
    town.changes = lambda entries: [
        msgspec.structs.replace(entry, profile=flipped(entry.profile, 9)) for entry in entries
    ]
    view = town.read()
    liar = view.sources[0]
    # Those whose logs were read to ask them are known already; the rest came from the honest source.
    assert len(liar.forged) == 12 and liar.disagrees and view.complete
    assert all(listing.profile for listing in view.listings())


def test_one_profile_under_two_owners(town):
    first = next(iter(town.blobs.values()))
    town.changes = lambda entries: [msgspec.structs.replace(entry, profile=first) for entry in entries]
    view = town.read()
    assert len(view.sources[0].forged) == 11 and view.complete


def test_a_forged_owner_is_refused_when_it_is_used(town):
    """What a lying chain node and a snapshot in league would do: the hash fits, the owner never signed."""
    thief = town.announce(20, epoch=1, block=50, signer=21)
    view = town.read()
    assert view.complete and view.glance(thief) is not None
    listing = view.listing(thief)
    assert listing.profile is None and listing.fault.values == {"reason": "signature"}
    assert view.listing(thief) is listing


def test_a_stale_snapshot_is_late_not_false(town):
    old = town.snapshot(town.entries(), SnapshotAsk(0, 12))
    town.announce(3, epoch=2, block=80)
    town.announce(30, epoch=1, block=81)
    town.answers = {0: old}
    view = town.read()
    stale = view.sources[0]
    assert view.complete and len(stale.late) == 2 and not stale.disagrees
    assert view.listing(stale.late[0]).usable().epoch == 2


def test_a_snapshot_that_claims_to_be_new_and_is_not(town):
    old = town.entries()
    town.announce(3, epoch=2, block=80)
    town.answers = {0: town.snapshot(old, SnapshotAsk(0, 12), block=80)}
    assert len(town.read().sources[0].omitted) == 1


@pytest.mark.parametrize("answer", [b"", b"nonsense", b"\xdd\xff\xff\xff\xff", b"\0" * (most_bytes(12) + 1)])
def test_what_is_no_snapshot_counts_as_no_answer(town, answer):
    town.answers = {0: answer or b"\x90"}
    view = town.read()
    assert view.complete and len(town.asked) == 3
    assert view.sources[0].fault.code in (Code.BAD_MESSAGE, Code.TOO_LARGE)


def test_another_registrys_snapshot(town):
    town.answers = {0: make_snapshot(CHAIN + 1, REGISTRY, 5, bytes(32), town.entries(), SnapshotAsk(0, 12))}
    assert town.read().sources[0].fault.code is Code.BAD_MESSAGE


def test_another_part_than_was_asked_for(town):
    town.answers = {0: town.snapshot(town.entries(), SnapshotAsk(2, 5))}
    assert town.read().sources[0].fault.values == {"reason": "another part"}


# -- parts, and a chain's node that lists too few


def test_a_part_of_a_large_market(town):
    view = town.read(Rules(start=3, providers=5))
    assert list(view) == list(town.blobs)[3:8] and view.complete and view.count == 12
    assert not any(report.disagrees for report in view.sources)


def test_a_list_that_is_shorter_than_the_count(town):
    real = town.chain.request

    async def request(method, params):
        if method == "eth_call" and params[0]["data"].startswith("0x" + PAGE.hex()):
            hidden = next(iter(town.chain.words))
            kept = town.chain.words.pop(hidden)
            try:
                return await real(method, params)
            finally:
                town.chain.words = {hidden: kept, **town.chain.words}
        return await real(method, params)

    PAGE = town.crypto.keccak256(b"page(uint256,uint256)")[:4]
    town.chain.request = request
    view = town.read()
    assert len(view) == 11 and view.count == 12 and not view.complete


def test_several_pages_are_read_at_one_block(crypto):
    town = Town(crypto, 5)
    slot = next(iter(town.chain.words.values()))
    town.chain.words |= {number.to_bytes(20, "big"): slot for number in range(1, 1500)}
    view = town.read(Rules(sources=0, blocks=0))
    blocks = [params[1] for method, params in town.chain.asked if method == "eth_call"]
    assert blocks == ["latest", "0x5", "0x5"] and len(view) == 1504
    assert view.count <= MAX_ENTRIES
