"""several.py: one channel, one session key, a place for each provider."""

from __future__ import annotations

import msgspec
import pytest

from tallystick_shared.channel import leaf, root_of
from tallystick_shared.deposit import Deposit, Place, Terms, opening_call, plan
from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.market import Listing
from tallystick_shared.messages import amount_bytes, decode, encode
from tallystick_shared.several import plan_several
from tests.shared.pair import Pair
from tests.shared.test_deposit import PAYER, WALL, WHERE
from tests.shared.tools import refused

AMOUNT = 2**80


@pytest.fixture
def listings(crypto):
    """Ten providers, each with a payee and an operator of its own."""
    profile = Pair(crypto).profile()
    return [
        Listing(
            bytes([number]) * 20,
            0,
            1,
            msgspec.structs.replace(profile, payee=bytes([number, 1]) * 10, operator=bytes([number, 2]) * 10),
        )
        for number in range(10)
    ]


def changed(listing, **changes):
    return Listing(listing.provider, 0, 1, msgspec.structs.replace(listing.profile, **changes))


def test_one_channel_and_key_for_all(crypto, listings):
    deposits = plan_several(crypto, WHERE, listings, PAYER, Terms(AMOUNT), WALL)
    assert [deposit.provider for deposit in deposits] == [listing.provider for listing in listings]
    assert len({deposit.channel_id(crypto) for deposit in deposits}) == 1
    assert len({deposit.key for deposit in deposits}) == len({encode(deposit.config) for deposit in deposits}) == 1
    assert crypto.secp256k1_address(deposits[0].key) == deposits[0].config.signer
    calls = [opening_call(crypto, deposit) for deposit in deposits]
    assert calls == [calls[0]] * 10 and calls[0]["value"] == hex(AMOUNT)


def test_each_can_prove_its_place_and_the_caps_fit(crypto, listings):
    deposits = plan_several(crypto, WHERE, listings, PAYER, Terms(AMOUNT), WALL)
    for deposit in deposits:
        mine = leaf(crypto, deposit.payee, deposit.closer, deposit.place.salt)
        assert root_of(crypto, mine, deposit.place.path) == deposit.config.root
        proof = deposit.proof()
        assert (proof.leaf_salt, proof.path) == (deposit.place.salt, deposit.place.path)
    assert [deposit.depth for deposit in deposits] == [3] * 6 + [4] * 4
    assert sum(deposit.cap for deposit in deposits) == AMOUNT


def test_what_is_signed_is_kept_for_each(crypto, listings):
    deposits = plan_several(crypto, WHERE, listings, PAYER, Terms(AMOUNT), WALL)
    assert len({deposit.account_id(crypto) for deposit in deposits}) == 10
    alone = plan(crypto, WHERE, listings[0], PAYER, Terms(AMOUNT), WALL)
    assert alone.account_id(crypto) == alone.channel_id(crypto)


def test_weights_give_a_favourite_more(crypto, listings):
    deposits = plan_several(crypto, WHERE, listings[:3], PAYER, Terms(AMOUNT), WALL, [2, 1, 1])
    assert [deposit.cap for deposit in deposits] == [AMOUNT // 2, AMOUNT // 4, AMOUNT // 4]


def test_the_longest_notice_and_life_count(crypto, listings):
    slow = changed(listings[1], minimum_delay=3 * 24 * 3600)
    deposits = plan_several(crypto, WHERE, [listings[0], slow], PAYER, Terms(AMOUNT, life=3600), WALL)
    assert {deposit.config.delay for deposit in deposits} == {3 * 24 * 3600}
    assert {deposit.expiry for deposit in deposits} == {WALL + 3 * 24 * 3600 + 3600}


def test_one_payee_gets_one_place(crypto, listings):
    """Two nodes of one person: the contract would pay him the larger cap only."""
    twin = changed(listings[1], payee=listings[0].profile.payee)
    deposits = plan_several(crypto, WHERE, [listings[0], twin, listings[2]], PAYER, Terms(AMOUNT), WALL)
    assert [deposit.provider for deposit in deposits] == [listings[0].provider, listings[2].provider]


def test_one_provider_is_the_only_payee(crypto, listings):
    (deposit,) = plan_several(crypto, WHERE, listings[:1], PAYER, Terms(AMOUNT), WALL)
    assert deposit.place is None and deposit.cap == AMOUNT
    assert deposit.config.root == leaf(crypto, deposit.payee, deposit.closer)


def test_a_cap_below_what_a_provider_takes(crypto, listings):
    """The error says which deposit would do."""
    costly = changed(listings[0], minimum_cap=amount_bytes(100))
    with refused(Code.DEPOSIT_TOO_SMALL, LocalError) as caught:
        plan_several(crypto, WHERE, [costly, *listings[1:4]], PAYER, Terms(399), WALL)
    assert caught.value.values["minimum"] == 400
    assert plan_several(crypto, WHERE, [costly, *listings[1:4]], PAYER, Terms(400), WALL)[0].cap == 100


def test_what_one_provider_refuses_all_refuse(crypto, listings):
    with refused(Code.WRONG_TOKEN, PeerError):
        plan_several(
            crypto,
            WHERE,
            [*listings, changed(listings[0], payee=b"\x77" * 20, tokens=(b"\x09" * 20,))],
            PAYER,
            Terms(AMOUNT),
            WALL,
        )


def test_the_record_survives_a_reload(crypto, listings):
    deposit = plan_several(crypto, WHERE, listings, PAYER, Terms(AMOUNT), WALL)[9]
    assert decode(Deposit, encode(deposit)) == deposit
    for path in ((), (bytes(32),) * 9):
        with refused(Code.BAD_MESSAGE, PeerError):
            decode(Deposit, encode(msgspec.structs.replace(deposit, place=Place(bytes(32), path))))
