"""The market, over a chain in memory that tells the truth, and over ones that lie."""

from __future__ import annotations

import msgspec
import pytest

from tallystick_shared.errors import Code, PeerError
from tallystick_shared.evm.rpc import RpcError
from tallystick_shared.market import Listing, Market
from tallystick_shared.profile import registry_domain
from tests.shared.chain import Chain
from tests.shared.pair import CHAIN, CHANNELS, OWNER_KEY, REGISTRY, Pair
from tests.shared.tools import drive, flipped, refused

DOMAIN = registry_domain(CHAIN, REGISTRY)


@pytest.fixture
def chain(crypto):
    return Chain(crypto, REGISTRY, CHANNELS)


@pytest.fixture
def market(crypto):
    return Market(crypto, CHAIN, REGISTRY)


def signed(crypto, key=OWNER_KEY, **changes):
    profile = msgspec.structs.replace(Pair(crypto).profile(), **changes)
    return crypto.secp256k1_address(key), profile.signed(crypto, DOMAIN, key).encode()


def test_an_empty_market(chain, market):
    assert drive(market.listings(chain)) == []


def test_providers_in_the_registrys_order(crypto, chain, market):
    keys = [bytes([n]) * 32 for n in (9, 3, 7)]
    for number, key in enumerate(keys):
        chain.announce(*signed(crypto, key, epoch=number), stake=number, block=10 + number)
    listings = drive(market.listings(chain))
    assert [listing.provider for listing in listings] == [crypto.secp256k1_address(key) for key in keys]
    assert [(listing.stake_gwei, listing.block, listing.profile.epoch) for listing in listings] == [
        (0, 10, 0), (1, 11, 1), (2, 12, 2),
    ]  # fmt: skip


def test_only_the_block_that_the_slot_names_is_asked_for(crypto, chain, market):
    chain.announce(*signed(crypto), block=77)
    drive(market.listings(chain))
    (wanted,) = [params[0] for method, params in chain.asked if method == "eth_getLogs"]
    assert (wanted["fromBlock"], wanted["toBlock"]) == (hex(77), hex(77))


def test_the_newest_of_a_block_counts(crypto, chain, market):
    chain.announce(*signed(crypto, epoch=1), block=5)
    chain.announce(*signed(crypto, epoch=2), block=5)
    assert drive(market.listings(chain))[0].profile.epoch == 2


def test_a_bad_profile_is_listed_with_its_fault_beside_good_ones(crypto, chain, market):
    chain.announce(b"\x71" * 20, b"not a profile")
    chain.announce(*signed(crypto))
    bad, good = drive(market.listings(chain))
    assert bad.profile is None and bad.fault.code is Code.BAD_PROFILE
    with refused(Code.BAD_PROFILE):
        bad.usable()
    assert good.usable() is good.profile


def test_a_profile_under_anothers_address(crypto, chain, market):
    """What a lying RPC would do: a profile that its real owner never signed, with a hash that fits."""
    _, blob = signed(crypto, b"\x09" * 32)
    chain.announce(crypto.secp256k1_address(OWNER_KEY), blob)
    assert drive(market.listings(chain))[0].fault.values == {"reason": "signature"}


def test_bytes_that_do_not_fit_the_hash(crypto, chain, market):
    owner, blob = signed(crypto)
    chain.announce(owner, blob, announced=flipped(blob, 3))
    assert drive(market.listings(chain))[0].fault.values == {"reason": "hash"}


def test_a_log_that_is_missing(crypto, chain, market):
    chain.announce(*signed(crypto))
    chain.logs.clear()
    assert drive(market.listings(chain))[0].fault.values == {"reason": "not found"}


@pytest.mark.parametrize("data", ["0x", "0x00", "0xzz", "", "0x" + "ff" * 64, None])
def test_a_log_that_cannot_be_read(crypto, chain, market, data):
    chain.announce(*signed(crypto))
    chain.announce(*signed(crypto, b"\x09" * 32))
    chain.logs[0]["data"] = data
    bad, good = drive(market.listings(chain))
    assert isinstance(bad.fault, PeerError) and good.profile is not None


@pytest.mark.parametrize("field", ["topics", "data", "logIndex"])
def test_a_log_without_a_field(crypto, chain, market, field):
    chain.announce(*signed(crypto))
    chain.request = answer_with(chain, lambda log: {key: value for key, value in log.items() if key != field})
    assert drive(market.listings(chain))[0].fault.code is Code.BAD_MESSAGE


def answer_with(chain, change):
    """The chain, its logs changed on the way."""
    real = chain.request

    async def request(method, params):
        answer = await real(method, params)
        return [change(log) for log in answer] if method == "eth_getLogs" else answer

    return request


def test_one_provider(crypto, chain, market):
    owner, blob = signed(crypto)
    chain.announce(owner, blob, stake=5)
    assert drive(market.listing(chain, owner)).stake_gwei == 5
    with refused(Code.NOT_REGISTERED):
        drive(market.listing(chain, b"\x99" * 20))


def test_no_contract_at_the_address(crypto, chain):
    with refused(Code.BAD_MESSAGE):
        drive(Market(crypto, CHAIN, b"\x99" * 20).listings(chain))


def test_the_chains_own_errors_pass(crypto, market):
    class Down:
        async def request(self, method, params):
            raise RpcError(-32000, "down")

    with pytest.raises(RpcError):
        drive(market.listings(Down()))


def test_a_listing_without_a_fault_still_says_something():
    with refused(Code.BAD_PROFILE):
        Listing(bytes(20), 0, 0, None).usable()
