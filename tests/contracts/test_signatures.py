"""Both forms of signature, malformed in every way: never paid, never fatal to a batch, a word in `close`."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest

from contracts.machine import Reverted
from tests.contracts.signing import P256_ORDER, SECP256K1_ORDER, P256Key
from tests.contracts.world import SESSION, ZERO, Config, Record, World

PASSKEY = P256Key("tests: P-256 session key")
KEYS = {"secp256k1": SESSION, "P-256": PASSKEY}
LENGTHS = {"secp256k1": 65, "P-256": 128}
LONGEST = 128


def opened(world: World, key: object) -> Config:
    return world.open(world.config(signer=key.address))  # type: ignore[attr-defined]


def pays(world: World, kind: str) -> bool:
    """Whether a good signature of the kind is good on this chain."""
    return kind == "secp256k1" or world.machine.has_p256


def claim_all(world: World, records: Iterable[Record]) -> int:
    """What many would be paid, sixteen at a time."""
    rest = iter(records)
    batches = iter(lambda: list(itertools.islice(rest, 16)), [])
    claim = ("claim", world.payee, world.operator, ZERO)
    return sum(world.channels.call(*claim, batch) for batch in batches)


def assert_close_refuses(world: World, records: Iterable[Record]) -> None:
    for record in records:
        with pytest.raises(Reverted) as caught:
            world.channels.call("close", world.payee, record, sender=world.operator)
        assert caught.value.reason == "signature", record.sig.hex()


def cut(sig: bytes, length: int) -> bytes:
    """That many bytes of a signature, which goes on from the start where it is too short."""
    return (sig * 3)[:length]


@pytest.mark.parametrize("kind", KEYS)
def test_every_length(world: World, kind: str) -> None:
    config = opened(world, KEYS[kind])
    record = world.record(config, 300, key=KEYS[kind])
    lengths = [length for length in range(LONGEST + 1) if length != LENGTHS[kind]]
    others = [record._replace(sig=cut(record.sig, length)) for length in lengths]
    others += [record._replace(sig=cut(record.sig, length).ljust(length, b"\0")) for length in (65, 128)]
    others = [each for each in others if each.sig != record.sig]
    assert claim_all(world, others) == 0
    assert_close_refuses(world, others)
    for length in (129, 130, 160, 256):
        beyond = record._replace(sig=cut(record.sig, length))
        arguments = (world.payee, world.operator, ZERO, [beyond])
        with pytest.raises(Reverted):
            world.channels.call("claim", *arguments)
        with pytest.raises(Reverted):
            world.channels.call("close", world.payee, beyond, sender=world.operator)
    assert world.claim(record) == (300 if pays(world, kind) else 0)


def test_every_v(chain_world: World) -> None:
    """Only 27 and 28 are ever v, and of these only the right one."""
    world = chain_world
    config = world.open()
    record = world.record(config, 300)
    good = record.sig[64]
    wrong = [record._replace(sig=record.sig[:64] + bytes([v])) for v in range(256) if v != good]
    assert claim_all(world, wrong) == 0
    assert_close_refuses(world, wrong[:40])
    assert world.claim(record) == 300


@pytest.mark.parametrize("kind", KEYS)
def test_r_and_s_at_and_beyond_their_bounds(world: World, kind: str) -> None:
    order = SECP256K1_ORDER if kind == "secp256k1" else P256_ORDER
    record = world.record(opened(world, KEYS[kind]), 300, key=KEYS[kind])
    edges = [0, 1, order - 1, order, order + 1, 2**255, 2**256 - 1]
    words = [edge.to_bytes(32, "big") for edge in edges]
    r, s, rest = record.sig[:32], record.sig[32:64], record.sig[64:]
    tails = [bytes([v]) for v in (27, 28)] if kind == "secp256k1" else [rest]
    sigs = {each + s + tail for each in words for tail in tails}
    sigs |= {r + each + tail for each in words for tail in tails}
    sigs |= {one + other + tail for one in words for other in words for tail in tails}
    wrong = [record._replace(sig=sig) for sig in sorted(sigs)]
    assert claim_all(world, wrong) == 0
    assert_close_refuses(world, wrong)
    assert world.claim(record) == (300 if pays(world, kind) else 0)


@pytest.mark.parametrize("kind", KEYS)
def test_every_bit_counts(chain_world: World, kind: str) -> None:
    """One bit of a signature the other way: not paid."""
    world = chain_world
    record = world.record(opened(world, KEYS[kind]), 300, key=KEYS[kind])
    number, size = int.from_bytes(record.sig, "big"), len(record.sig)
    flipped = [record._replace(sig=(number ^ 1 << bit).to_bytes(size, "big")) for bit in range(size * 8)]
    assert claim_all(world, flipped) == 0
    assert world.claim(record) == 300


def test_r_and_v_of_no_point(world: World) -> None:
    """An r that is no x-coordinate recovers nothing, whatever v: the zero address, and no channel has that signer."""
    record = world.record(world.open(), 300)
    candidates = [number.to_bytes(32, "big") for number in range(2, 34)]
    wrong = [record._replace(sig=r + record.sig[32:64] + bytes([v])) for r in candidates for v in (27, 28)]
    assert claim_all(world, wrong) == 0
    arguments = (world.config(signer=ZERO), world.machine.now() + 86_400 * 2, 1)
    assert world.channels.refusal("open", *arguments, sender=world.payer, value=1) == "signer"
