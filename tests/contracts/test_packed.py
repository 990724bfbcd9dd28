"""claimPacked: five words a record, and never anything else than `claim` would have paid for the same record."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.machine import Reverted
from tests.contracts.coins import coin
from tests.contracts.signing import SECP256K1_ORDER, P256Key
from tests.contracts.world import DAY, MAX, NO_SALT, THIEF, ZERO, Leaf, Packed, Record, State, World, grow, pack

ABOVE = 2**255


def test_a_packed_record_pays_and_tells_as_a_claim_does(world: World) -> None:
    config = world.open(deposit=1000)
    expiry = world.state(config).expiry
    record = world.record(config, 300)
    arguments = (world.payee, world.operator, ZERO)
    with world.machine.anchored():
        wanted = world.channels.send("claim", *arguments, [record], sender=world.stranger)
        state = world.state(config)
    receipt = world.channels.send("claimPacked", *arguments, [pack(record)], sender=world.stranger)
    assert receipt.logs == wanted.logs
    assert world.state(config) == state == State(1000, 300, expiry)
    assert world.held() == 700


def test_totals_only_rise_and_end_at_the_cap(world: World) -> None:
    config = world.open(deposit=1000)
    for total, paid in ((300, 300), (300, 0), (299, 0), (301, 1), (2**112 - 1, 699), (2**111, 0)):
        assert world.claim_packed(pack(world.record(config, total))) == paid


@pytest.mark.parametrize("total", [2**96 - 1, 2**96, 2**96 + 1, MAX])
def test_a_total_over_both_words(world: World, total: int) -> None:
    world.machine.give(world.payer, 2**120)
    config = world.open(deposit=MAX)
    assert world.claim_packed(pack(world.record(config, total))) == total


def wrong(world: World) -> dict[str, Packed]:
    """Packed records that must each be skipped, by what is wrong with them."""
    good, other = world.open(deposit=1000), world.open(deposit=1000)
    record = world.record(good, 300)
    salt, payer, signer, r, vs = pack(record)
    ended = world.open(deposit=1000)
    world.channels.send("close", world.payee, world.record(ended, 0), sender=world.operator)
    salted = Leaf(world.payee, world.operator, b"\1" * 32)
    root, _ = grow((world.only, Leaf(world.second, world.operator)))
    token = coin(world).address
    passkey = P256Key("tests: packed")
    with_p256 = world.open(world.config(signer=passkey.address))
    return {
        "unknown channel": pack(world.record(world.config(), 300)),
        "ended channel": pack(world.record(ended, 300)),
        "zero": pack(world.record(good, 0)),
        "another's signature": pack(world.record(good, 300, key=THIEF)),
        "another total": pack(record._replace(cumulative=301)),
        "another channel": pack(record._replace(config=other)),
        "another payee": pack(record._replace(sig=world.sign(good, world.second, 300))),
        "another chain": pack(record._replace(sig=world.sign(good, world.payee, 300, chainId=world.chain_id + 1))),
        "the wrong bit of v": (salt, payer, signer, r, vs ^ ABOVE),
        "zero r": (salt, payer, signer, 0, vs),
        "zero s": (salt, payer, signer, r, 0),
        "zero s, high bit": (salt, payer, signer, r, ABOVE),
        "r of the order": (salt, payer, signer, SECP256K1_ORDER, vs),
        "s of the order, if it could be": (salt, payer, signer, r, SECP256K1_ORDER),
        "all ones": (salt, payer, signer, 2**256 - 1, 2**256 - 1),
        "another salt": (salt ^ 1, payer, signer, r, vs),
        "another payer": (salt, payer ^ 1 << 96, signer, r, vs),
        "another delay": (salt, payer ^ 1 << 64, signer, r, vs),
        "another high part of the total": (salt, payer ^ 1, signer, r, vs),
        "another signer": (salt, payer, signer ^ 1 << 96, r, vs),
        "the zero signer": (salt, payer, signer & (2**96 - 1), 0, 0),
        "nothing": (0, 0, 0, 0, 0),
        "full": (2**256 - 1,) * 5,
        "a salted leaf": pack(world.record(world.open(world.config(root=salted.hash)), 300, salted)),
        "several payees": pack(world.record(world.open(world.config(root=root)), 300)),
        "a token": pack(world.record(world.open(world.config(token=token)), 300)),
        "a P-256 signer": pack(world.record(with_p256, 300)),
    }


def test_bad_records_are_skipped_each_alone_and_never_spoil_a_batch(world: World) -> None:
    bad = wrong(world)
    for what, record in bad.items():
        assert world.claim_packed(record) == 0, what
    first, second = world.open(deposit=1000), world.open(deposit=1000)
    batch = [pack(world.record(first, 10)), *bad.values(), pack(world.record(second, 7))]
    assert world.claim_packed(*batch) == 17


def test_a_high_s_cannot_be_written(world: World) -> None:
    """The top bit is v's, so the twin of a signature, whose s is above half the order, reads as another one."""
    record = world.record(world.open(), 300)
    *rest, r, vs = pack(record)
    s = SECP256K1_ORDER - (vs & (ABOVE - 1))
    assert s >= ABOVE
    for twin in (s, s ^ ABOVE):
        assert world.claim_packed((*rest, r, twin)) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize("bit", [16, 17, 40, 62, 63])
def test_bits_that_are_not_read(world: World, bit: int) -> None:
    salt, payer, *rest = pack(world.record(world.open(), 300))
    assert world.claim_packed((salt, payer | 1 << bit, *rest)) == 300  # type: ignore[arg-type]


def test_payee_closer_and_token_must_be_the_channels(world: World) -> None:
    record = pack(world.record(world.open(), 300))
    for leaf in (
        Leaf(world.second, world.operator),
        Leaf(world.payee, world.second),
        Leaf(world.operator, world.payee),
    ):
        assert world.claim_packed(record, leaf=leaf) == 0
    assert world.claim_packed(record, token=coin(world).address) == 0
    assert world.claim_packed(record) == 300


def test_channels_in_a_token(world: World) -> None:
    token, other = coin(world).address, coin(world).address
    configs = [world.open(world.config(token=each)) for each in (token, other, token, ZERO)]
    records = [pack(world.record(config, 300 + number)) for number, config in enumerate(configs)]
    assert world.claim_packed(*records, token=token) == 602
    assert world.claim_packed(*records, token=other) == 301
    assert world.claim_packed(*records) == 303


def test_one_channel_many_times_pays_the_highest_total(world: World) -> None:
    config = world.open(deposit=1000)
    records = [pack(world.record(config, total)) for total in (100, 400, 250, 400)]
    assert world.claim_packed(*records) == 400


def test_no_records_are_no_fault(world: World) -> None:
    assert world.claim_packed() == 0


def test_two_hundred_records_fit_one_more_does_not(world: World) -> None:
    configs = [world.open(deposit=1000) for _ in range(3)]
    records = [pack(world.record(config, 5)) for config in configs]
    full = [records[number % 3] for number in range(200)]
    assert world.claim_packed(*full) == 15
    with pytest.raises(Reverted):
        world.channels.call("claimPacked", world.payee, world.operator, ZERO, [*full, records[0]])


def test_it_takes_no_money(world: World) -> None:
    arguments = (world.payee, world.operator, ZERO, [])
    assert world.channels.refusal("claimPacked", *arguments, sender=world.stranger, value=1) == ""


def test_claims_of_both_kinds_count_together(world: World) -> None:
    config = world.open(deposit=1000)
    assert world.claim_packed(pack(world.record(config, 300))) == 300
    assert world.claim(world.record(config, 300)) == 0
    assert world.claim(world.record(config, 400)) == 100
    assert world.claim_packed(pack(world.record(config, 400))) == 0
    assert world.claim_packed(pack(world.record(config, 500))) == 100


KINDS: dict[str, Callable[[World, Record], Record]] = {
    "good": lambda _, record: record,
    "thief": lambda world, record: record._replace(
        sig=world.sign(record.config, world.payee, record.cumulative, THIEF)
    ),
    "total": lambda _, record: record._replace(cumulative=record.cumulative + 1),
    "delay": lambda _, record: record._replace(config=record.config._replace(delay=DAY + 1)),
    "payer": lambda world, record: record._replace(config=record.config._replace(payer=world.second)),
    "unknown": lambda _, record: record._replace(config=record.config._replace(salt=NO_SALT)),
    "cut": lambda _, record: record._replace(sig=bytes(64) + record.sig[64:]),
    "v": lambda _, record: record._replace(sig=record.sig[:64] + bytes([55 - record.sig[64]])),
}
DRAWN = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 1300) | st.sampled_from([2**96, MAX]), st.sampled_from(sorted(KINDS))),
    min_size=1,
    max_size=12,
)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(wanted=DRAWN)
def test_packed_equals_struct_record_for_record(pyevm_deployed: World, wanted: list[tuple[int, int, str]]) -> None:
    """One by one and as a batch, packed or not: the same is paid, and the same is left."""
    world = pyevm_deployed
    with world.machine.anchored():
        configs = [world.open(deposit=1000, life=3 * DAY) for _ in range(4)]
        records = [KINDS[kind](world, world.record(configs[place], total)) for place, total, kind in wanted]
        outcomes = []
        for run in (
            lambda: [world.claim(record) for record in records],
            lambda: [world.claim_packed(pack(record)) for record in records],
            lambda: [world.claim(*records)],
            lambda: [world.claim_packed(*map(pack, records))],
        ):
            with world.machine.anchored():
                paid = run()
                outcomes.append((paid, [world.state(config) for config in configs]))
        assert outcomes[0] == outcomes[1]
        assert [sum(outcome[0]) for outcome in outcomes] == [sum(outcomes[0][0])] * 4
        assert all(outcome[1] == outcomes[0][1] for outcome in outcomes)
