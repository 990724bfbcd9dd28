"""claim: pays the payee by voucher, skips what is bad, follows the chain id."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak

from contracts.machine import Reverted
from tests.contracts.pyevm import PyEvm
from tests.contracts.world import DAY, MAX, NO_SALT, SESSION, THIEF, ZERO, Leaf, Record, State, World

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def test_a_voucher_pays_the_payee_whoever_hands_it_in(world: World) -> None:
    config = world.open(deposit=1000)
    expiry = world.state(config).expiry
    before = world.machine.balance(world.payee)
    arguments = (world.payee, world.operator, ZERO, [world.record(config, 300)])
    receipt = world.channels.send("claim", *arguments, sender=world.stranger)
    assert world.machine.balance(world.payee) == before + 300
    assert world.state(config) == State(1000, 300, expiry)
    assert world.held() == 700
    told = {"id": world.id(config), "payee": world.payee.lower(), "cumulative": 300, "paid": 300}
    assert world.channels.events(receipt) == [("Claimed", told)]


def test_totals_only_rise(world: World) -> None:
    config = world.open(deposit=1000)
    assert world.claim(world.record(config, 300)) == 300
    assert world.claim(world.record(config, 300)) == 0
    assert world.claim(world.record(config, 299)) == 0
    assert world.claim(world.record(config, 301)) == 1
    assert world.state(config).claimed == 301


@pytest.mark.parametrize("total", [1001, MAX + 1, 2**255, 2**256 - 1])
def test_a_voucher_above_the_cap_pays_the_cap(world: World, total: int) -> None:
    config = world.open(deposit=1000)
    assert world.claim(world.record(config, total)) == 1000
    assert world.claim(world.record(config, total)) == 0


def test_claims_are_paid_after_expiry_until_the_end(world: World) -> None:
    config = world.open(deposit=1000, life=2 * DAY)
    world.machine.travel(world.state(config).expiry + DAY)
    assert world.claim(world.record(config, 400)) == 400
    world.channels.send("withdraw", config, sender=world.payer)
    assert world.claim(world.record(config, 900)) == 0


def test_the_only_payee_never_uses_the_second_mapping(world: World) -> None:
    config = world.open(deposit=1000)
    assert world.claim(world.record(config, 400)) == 400
    assert world.channels.call("claimedBy", world.id(config), world.payee) == 0


def test_any_leaf_salt_serves_at_depth_zero(world: World) -> None:
    leaf = Leaf(world.payee, world.operator, keccak(text="salted"))
    config = world.open(world.config(root=leaf.hash))
    assert world.claim(world.record(config, 10, leaf)) == 10
    assert world.claim(world.record(config, 20)._replace(leaf_salt=NO_SALT)) == 0


def bad_records(world: World) -> dict[str, Record]:
    """Records that must each be skipped, by what is wrong with them."""
    good, other = world.open(deposit=1000), world.open(deposit=1000)
    record = world.record(good, 300)
    ended = world.open(deposit=1000)
    world.channels.send("close", world.payee, world.record(ended, 0), sender=world.operator)
    paid = world.open(deposit=1000)
    world.claim(world.record(paid, 300))
    s = int.from_bytes(record.sig[32:64], "big")
    elsewhere = {"verifyingContract": world.registry.address}
    return {
        "unknown channel": world.record(world.config(), 300),
        "ended channel": world.record(ended, 300),
        "not above what was paid": world.record(paid, 300),
        "zero": world.record(good, 0),
        "another's signature": world.record(good, 300, key=THIEF),
        "another total": record._replace(cumulative=301),
        "another channel": record._replace(config=other),
        "another payee": record._replace(sig=world.sign(good, world.second, 300)),
        "another chain": record._replace(sig=world.sign(good, world.payee, 300, chainId=world.chain_id + 1)),
        "another contract": record._replace(sig=world.sign(good, world.payee, 300, **elsewhere)),
        "another name": record._replace(sig=world.sign(good, world.payee, 300, name="Tallystick")),
        "another version": record._replace(sig=world.sign(good, world.payee, 300, version="2")),
        "no signature": record._replace(sig=b""),
        "64 bytes": record._replace(sig=record.sig[:64]),
        "66 bytes": record._replace(sig=record.sig + b"\0"),
        "128 bytes": record._replace(sig=record.sig.ljust(128, b"\0")),
        "v of 0 or 1": record._replace(sig=record.sig[:64] + bytes([record.sig[64] - 27])),
        "the other v": record._replace(sig=record.sig[:64] + bytes([55 - record.sig[64]])),
        "high v": record._replace(sig=record.sig[:64] + b"\xff"),
        "zero r": record._replace(sig=bytes(32) + record.sig[32:]),
        "zero s": record._replace(sig=record.sig[:32] + bytes(32) + record.sig[64:]),
        "s beyond the order": record._replace(sig=record.sig[:32] + (s + ORDER - ORDER // 2).to_bytes(32) + b"\x1b"),
        "all zero": record._replace(sig=bytes(65)),
        "another leaf salt": record._replace(leaf_salt=b"\1" * 32),
        "a proof": record._replace(proof=(bytes(32),)),
        "a token": record._replace(config=good._replace(token=world.stranger)),
    }


def test_bad_records_are_skipped_each_alone_and_never_spoil_a_batch(world: World) -> None:
    bad = bad_records(world)
    for what, record in bad.items():
        assert world.claim(record) == 0, what
    first, second = world.open(deposit=1000), world.open(deposit=1000)
    records = list(bad.values())
    for start in range(0, len(records), 14):
        step = start // 14 + 1
        batch = [world.record(first, 10 * step), *records[start : start + 14], world.record(second, 7 * step)]
        assert world.claim(*batch) == 17


def test_payee_and_closer_must_be_those_of_the_leaf(world: World) -> None:
    config = world.open(deposit=1000)
    for leaf in (Leaf(world.second, world.operator), Leaf(world.payee, world.second)):
        record = world.record(config, 300, leaf)
        assert world.claim(record, leaf=leaf) == 0
    assert world.state(config).claimed == 0


def test_a_batch_in_another_token_pays_nothing(world: World) -> None:
    record = world.record(world.open(), 300)
    arguments = (world.payee, world.operator, world.stranger, [record])
    assert world.channels.call("claim", *arguments) == 0
    assert world.channels.send("claim", *arguments, sender=world.stranger).logs == ()


def test_an_empty_batch_succeeds(world: World) -> None:
    assert world.claim() == 0


def test_one_channel_twice_in_a_batch_pays_the_highest_total(world: World) -> None:
    config = world.open(deposit=1000)
    assert world.claim(*(world.record(config, total) for total in (100, 400, 250))) == 400


def test_sixteen_records_fit_seventeen_do_not(world: World) -> None:
    record = world.record(world.open(), 5)
    assert world.claim(*[record] * 16) == 5
    with pytest.raises(Reverted):
        world.channels.call("claim", world.payee, world.operator, ZERO, [record] * 17)


@pytest.mark.parametrize("change", [{"sig": bytes(129)}, {"proof": (bytes(32),) * 9}])
def test_a_malformed_record_is_fatal(world: World, change: dict) -> None:
    record = world.record(world.open(), 5)._replace(**change)
    assert world.channels.refusal("claim", world.payee, world.operator, ZERO, [record], sender=world.stranger) == ""


def test_a_high_s_twin_is_as_good_and_pays_nothing_more(world: World) -> None:
    record = world.record(world.open(), 300)
    s = ORDER - int.from_bytes(record.sig[32:64], "big")
    twin = record._replace(sig=record.sig[:32] + s.to_bytes(32) + bytes([55 - record.sig[64]]))
    assert world.claim(twin, record, twin) == 300


def test_claim_takes_no_money(world: World) -> None:
    arguments = (world.payee, world.operator, ZERO, [])
    assert world.channels.refusal("claim", *arguments, sender=world.stranger, value=1) == ""


def test_after_a_fork_vouchers_follow_the_new_chain_id_and_ids_stay(pyevm: World) -> None:
    config = pyevm.open(deposit=1000)
    before = pyevm.id(config)
    old = pyevm.record(config, 300)
    machine = pyevm.machine
    assert isinstance(machine, PyEvm)
    machine.set_chain_id(pyevm.chain_id + 1)
    assert pyevm.channels.call("idOf", config) == before
    assert pyevm.claim(old) == 0
    signature = pyevm.sign(config, pyevm.payee, 300, SESSION, chainId=pyevm.chain_id + 1)
    assert pyevm.claim(old._replace(sig=signature)) == 300
