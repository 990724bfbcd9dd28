"""Planning a deposit, and the record that outlives a reload."""

from __future__ import annotations

import msgspec
import pytest

from tallystick_shared.chains import Deployment, deployment
from tallystick_shared.channel import NATIVE, leaf
from tallystick_shared.deposit import (
    DEFAULT_DELAY,
    DEFAULT_LIFE,
    LONGEST_DELAY,
    Agreed,
    Deposit,
    Terms,
    opening_call,
    plan,
)
from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.market import Listing
from tallystick_shared.messages import amount_bytes, decode, encode
from tests.shared.pair import CHAIN, CHANNELS, OFFER, PAYEE, REGISTRY, WALL, Pair
from tests.shared.tools import Seeded, refused

WHERE = Deployment(CHAIN, REGISTRY, CHANNELS)
PAYER = b"\x44" * 20


@pytest.fixture
def listing(crypto):
    pair = Pair(crypto)
    return Listing(pair.owner, 0, 1, pair.profile())


def changed(listing, **changes):
    return Listing(listing.provider, 0, 1, msgspec.structs.replace(listing.profile, **changes))


def test_a_plan_pays_this_provider_alone(crypto, listing):
    deposit = plan(crypto, WHERE, listing, PAYER, Terms(10**18), WALL)
    config = deposit.channel_config()
    assert config.root == leaf(crypto, PAYEE, listing.profile.operator)
    assert (config.payer, config.token) == (PAYER, NATIVE)
    assert config.signer == crypto.secp256k1_address(deposit.key)
    assert (deposit.cap, deposit.provider, deposit.payee) == (10**18, listing.provider, PAYEE)
    assert deposit.expiry == WALL + DEFAULT_LIFE and config.delay == DEFAULT_DELAY


def test_every_plan_has_a_key_and_a_channel_of_its_own(crypto, listing):
    plans = [plan(crypto, WHERE, listing, PAYER, Terms(1), WALL) for _ in range(3)]
    assert len({deposit.key for deposit in plans}) == len({deposit.channel_id(crypto) for deposit in plans}) == 3


def test_the_record_survives_a_reload(crypto, listing):
    deposit = plan(crypto, WHERE, listing, PAYER, Terms(2**111), WALL)
    read = decode(Deposit, encode(deposit))
    assert read == deposit and read.channel_id(crypto) == deposit.channel_id(crypto)


def test_a_delay_that_the_provider_asks_for(crypto, listing):
    deposit = plan(crypto, WHERE, changed(listing, minimum_delay=LONGEST_DELAY), PAYER, Terms(1, life=3600), WALL)
    assert deposit.config.delay == LONGEST_DELAY
    assert deposit.expiry > WALL + deposit.config.delay


def test_a_delay_longer_than_the_person_allows(crypto, listing):
    """A provider cannot lock a deposit for as long as it likes; who wants a longer notice says so."""
    greedy = changed(listing, minimum_delay=LONGEST_DELAY + 1)
    with refused(Code.DELAY_TOO_LONG, PeerError):
        plan(crypto, WHERE, greedy, PAYER, Terms(1), WALL)
    for terms in (Terms(1, longest_delay=LONGEST_DELAY + 1), Terms(1, delay=LONGEST_DELAY + 1)):
        assert plan(crypto, WHERE, greedy, PAYER, terms, WALL).config.delay == LONGEST_DELAY + 1


def test_what_the_provider_asked_is_kept_with_the_deposit(crypto, listing):
    """The dearest input and the dearest output of its offers, and the epoch of its profile."""
    other = msgspec.structs.replace(OFFER, model="other", price_in=amount_bytes(1), price_out=amount_bytes(10**15))
    two = changed(listing, offers=(OFFER, other), epoch=7)
    agreed = plan(crypto, WHERE, two, PAYER, Terms(1), WALL).agreed
    assert agreed == Agreed(OFFER.price_in, amount_bytes(10**15), 7)


def test_a_record_of_an_earlier_version_is_read(crypto, listing):
    """It holds neither agreement nor place: the array ends before them."""
    deposit = plan(crypto, WHERE, listing, PAYER, Terms(1), WALL)
    older = msgspec.msgpack.encode(msgspec.msgpack.decode(encode(deposit))[:-2])
    assert decode(Deposit, older) == msgspec.structs.replace(deposit, agreed=None)


def test_too_small(crypto, listing):
    costly = changed(listing, minimum_cap=amount_bytes(100))
    plan(crypto, WHERE, costly, PAYER, Terms(100), WALL)
    with refused(Code.DEPOSIT_TOO_SMALL, LocalError):
        plan(crypto, WHERE, costly, PAYER, Terms(99), WALL)


def test_a_provider_that_takes_another_coin(crypto, listing):
    with refused(Code.WRONG_TOKEN, PeerError):
        plan(crypto, WHERE, changed(listing, tokens=(b"\x09" * 20,)), PAYER, Terms(1), WALL)


def test_a_provider_whose_entry_is_not_valid(crypto, listing):
    with refused(Code.BAD_PROFILE, PeerError):
        plan(crypto, WHERE, Listing(listing.provider, 0, 1, None), PAYER, Terms(1), WALL)


def test_the_one_transaction(crypto, listing):
    deposit = plan(Seeded(crypto), WHERE, listing, PAYER, Terms(10**18), WALL)
    call = opening_call(crypto, deposit)
    data = Channels(crypto, CHANNELS).open(deposit.channel_config(), deposit.expiry, 10**18)
    assert call == {"to": "0x" + CHANNELS.hex(), "data": "0x" + data.hex(), "value": hex(10**18)}


def test_the_key_is_nowhere_in_the_transaction(crypto, listing):
    deposit = plan(crypto, WHERE, listing, PAYER, Terms(1), WALL)
    assert deposit.key.hex() not in opening_call(crypto, deposit)["data"]


def test_a_chain_without_contracts():
    with refused(Code.NO_CONTRACTS, LocalError):
        deployment(10**9)
