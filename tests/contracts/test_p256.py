"""P-256 session keys: good where the chain has the precompile, refused (never fatal) where it has not.

Where it is missing, the same tests say that nothing is paid; what the contract itself checks is then tried with code
put at the precompile's address, which answers in every wrong way there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256

import pytest
from eth_account import Account
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak

from contracts.machine import P256, Machine
from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.voucher import is_signed_by_session
from tests.contracts.coins import coin
from tests.contracts.signing import P256_ORDER, SECP256K1_ORDER, P256Key
from tests.contracts.world import SESSION, Config, Leaf, Record, World, grow, pack

CRYPTO = NativeCrypto()
PASSKEY = P256Key("tests: P-256 session key")
THIEF = P256Key("tests: some other P-256 key")


def opened(world: World, deposit: int = 1000, **changes: object) -> Config:
    return world.open(world.config(signer=PASSKEY.address, **changes), deposit)


def signed(world: World, config: Config, total: int, key: object = PASSKEY) -> Record:
    return world.record(config, total, key=key)


def assert_refused(world: World, record: Record) -> None:
    """Skipped in `claim`, and a word in `close`."""
    assert world.claim(record) == 0
    assert world.channels.refusal("close", world.payee, record, sender=world.operator) == "signature"


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_a_voucher_pays_where_the_chain_can_tell(world: World) -> None:
    config = opened(world)
    record = signed(world, config, 300)
    if not world.machine.has_p256:
        assert_refused(world, record)
        return
    assert world.claim(record) == 300
    assert world.claim(record) == 0
    assert world.claim(signed(world, config, 400)) == 100
    payer = world.machine.balance(world.payer)
    world.channels.send("close", world.payee, signed(world, config, 500), sender=world.operator)
    assert world.machine.balance(world.payer) == payer + 500
    assert world.state(config)[1:] == (500, 1)


def test_a_missing_precompile_spoils_no_batch(world: World) -> None:
    """The P-256 records are skipped, and only where they must be."""
    known = world.machine.has_p256
    mixed = [signed(world, opened(world), 5), world.record(world.open(), 70), signed(world, opened(world), 600)]
    assert world.claim(*mixed) == (675 if known else 70)


def test_without_the_precompile_the_payer_still_gets_its_money_back(world: World) -> None:
    """Nothing can be claimed, so the provider must have asked before it served; the deposit has its way out."""
    config = opened(world)
    world.channels.send("requestClose", config, sender=world.payer)
    with world.machine.anchored():
        world.channels.send("close", world.payee, signed(world, config, 0), sender=world.operator)
    world.machine.travel(world.state(config).expiry)
    world.channels.send("withdraw", config, sender=world.stranger)
    assert world.held() == 0


def test_in_a_token_and_in_a_tree(world: World) -> None:
    token = coin(world)
    root, (first, second) = grow((world.only, Leaf(world.second, world.operator)))
    config = opened(world, root=root, token=token.address)
    due = 400 if world.machine.has_p256 else 0
    for leaf in (first, second):
        record = world.record(config, 400, leaf, key=PASSKEY)
        assert world.claim(record, leaf=leaf, token=token.address) == due


def split(sig: bytes) -> tuple[int, int, bytes]:
    return int.from_bytes(sig[:32], "big"), int.from_bytes(sig[32:64], "big"), sig[64:]


MALFORMED: dict[str, Callable[[int, int, bytes], bytes]] = {
    "zero r": lambda r, s, key: bytes(32) + word(s) + key,
    "zero s": lambda r, s, key: word(r) + bytes(32) + key,
    "r of the order": lambda r, s, key: word(P256_ORDER) + word(s) + key,
    "s of the order": lambda r, s, key: word(r) + word(P256_ORDER) + key,
    "r above the order": lambda r, s, key: word(P256_ORDER + 1) + word(s) + key,
    "s above the order": lambda r, s, key: word(r) + word(P256_ORDER + 1) + key,
    "ones in r": lambda r, s, key: b"\xff" * 32 + word(s) + key,
    "ones in s": lambda r, s, key: word(r) + b"\xff" * 32 + key,
    "r and s exchanged": lambda r, s, key: word(s) + word(r) + key,
    "r plus one": lambda r, s, key: word(r + 1) + word(s) + key,
    "negative r": lambda r, s, key: word(P256_ORDER - r) + word(s) + key,
    "another key": lambda r, s, key: word(r) + word(s) + THIEF.public,
    "a point off the curve": lambda r, s, key: word(r) + word(s) + key[:63] + bytes([key[63] ^ 1]),
    "the mirrored point": lambda r, s, key: word(r) + word(s) + key[:32] + bytes(x ^ 0xFF for x in key[32:]),
    "y before x": lambda r, s, key: word(r) + word(s) + key[32:] + key[:32],
    "no point": lambda r, s, key: word(r) + word(s) + bytes(64),
    "nothing": lambda r, s, key: bytes(128),
    "all ones": lambda r, s, key: b"\xff" * 128,
    "the key first": lambda r, s, key: key + word(r) + word(s),
}


def node_takes(world: World, record: Record) -> bool:
    """Whether a provider's node would take it for a good voucher."""
    digest = world.digest(record.config, world.payee, record.cumulative)
    return is_signed_by_session(CRYPTO, digest, record.sig, to_canonical_address(record.config.signer))


def test_malformed_signatures_are_refused(world: World) -> None:
    """By the contract, and by the node too: it must not serve for what cannot be claimed."""
    config = opened(world)
    record = signed(world, config, 300)
    assert node_takes(world, record)
    for what, change in MALFORMED.items():
        with world.machine.anchored():
            wrong = record._replace(sig=change(*split(record.sig)))
            assert world.claim(wrong) == 0, what
            assert not node_takes(world, wrong), what
            assert world.channels.refusal("close", world.payee, wrong, sender=world.operator) == "signature"
    assert world.claim(record) == (300 if world.machine.has_p256 else 0)


def test_a_point_off_the_curve_that_is_the_signer(world: World) -> None:
    """The payer may name any address as signer, so also that of a key which is no point of the curve."""
    for public in (bytes(64), b"\xff" * 64, PASSKEY.public[:63] + bytes([PASSKEY.public[63] ^ 1])):
        config = world.open(world.config(signer=to_checksum_address(keccak(public)[12:])))
        wrong = signed(world, config, 300)
        wrong = wrong._replace(sig=wrong.sig[:64] + public)
        assert_refused(world, wrong)
        assert not node_takes(world, wrong)


def test_the_other_s_is_as_good_and_pays_nothing_more(world: World) -> None:
    record = signed(world, opened(world), 300)
    r, s, key = split(record.sig)
    twin = record._replace(sig=word(r) + word(P256_ORDER - s) + key)
    assert node_takes(world, twin)
    assert world.claim(twin, record, twin) == (300 if world.machine.has_p256 else 0)
    assert world.claim(record, twin) == 0


def test_another_voucher_than_the_signed_one(world: World) -> None:
    config, other = opened(world), opened(world)
    record = signed(world, config, 300)
    elsewhere = {"chainId": world.chain_id + 1}
    for wrong in (
        record._replace(cumulative=301),
        record._replace(config=other),
        record._replace(sig=world.sign(config, world.second, 300, PASSKEY)),
        record._replace(sig=world.sign(config, world.payee, 300, PASSKEY, **elsewhere)),
        record._replace(sig=PASSKEY.sign(world.id(config))),
    ):
        assert_refused(world, wrong)


def test_neither_kind_of_signature_passes_for_the_other(world: World) -> None:
    """Each has a length of its own, and the recovered address, or the key's, must be the signer."""
    with_p256, with_secp = opened(world), world.open()
    assert_refused(world, world.record(with_p256, 300))
    assert_refused(world, signed(world, with_secp, 300))
    other = world.record(with_secp, 300)
    public = Account.from_key(keccak(text="tests: session key"))._key_obj.public_key.to_bytes()
    assert to_checksum_address(keccak(public)[12:]) == SESSION.address
    assert_refused(world, other._replace(sig=other.sig[:64] + public))
    p256 = signed(world, with_p256, 300)
    for v in (27, 28):
        assert_refused(world, p256._replace(sig=p256.sig[:64] + bytes([v])))
    packed = pack(p256)
    for v in (0, 2**255):
        assert world.claim_packed((*packed[:4], packed[4] & (2**255 - 1) | v)) == 0


def test_a_signature_of_the_secp256k1_order_is_no_exception(world: World) -> None:
    """s between the two orders: out of range for one curve, in range for the other."""
    record = signed(world, opened(world), 300)
    r, _, key = split(record.sig)
    for s in (SECP256K1_ORDER - 1, SECP256K1_ORDER):
        assert_refused(world, record._replace(sig=word(r) + word(s % 2**256) + key))


def test_a_p256_key_is_nobodys_account(world: World) -> None:
    """Only the payer asks for the end of such a channel."""
    config = opened(world)
    for sender in (world.payee, world.operator, world.stranger):
        assert world.channels.refusal("requestClose", config, sender=sender) == "payer"
    world.channels.send("requestClose", config, sender=world.payer)


# --- a precompile that answers otherwise ---


def answering(answer: bytes, fails: bool = False) -> bytes:
    """Code that answers that much: word after word into memory, then RETURN or REVERT."""
    code = b""
    for place in range(0, len(answer), 32):
        part = answer[place : place + 32].ljust(32, b"\0")
        code += b"\x7f" + part + b"\x61" + place.to_bytes(2, "big") + b"\x52"
    return code + b"\x61" + len(answer).to_bytes(2, "big") + b"\x60\0" + (b"\xfd" if fails else b"\xf3")


YES = word(1)
ANSWERS = {
    "nothing": answering(b""),
    "31 bytes": answering(YES[1:]),
    "33 bytes": answering(YES + b"\0"),
    "64 bytes": answering(YES + bytes(32)),
    "64 bytes, twice yes": answering(YES * 2),
    "65 bytes": answering(YES * 2 + b"\1"),
    "1,024 bytes": answering(YES * 32),
    "one byte": answering(b"\1"),
    "zero": answering(bytes(32)),
    "two": answering(word(2)),
    "all ones": answering(b"\xff" * 32),
    "one at the wrong end": answering(b"\1" + bytes(31)),
    "a failure that says yes": answering(YES, fails=True),
    "a failure": b"\xfe",
    "a megabyte": bytes.fromhex("620f42406000f3"),
}


@pytest.fixture(params=["py_evm", "old_chain"])
def bare(request: pytest.FixtureRequest) -> Iterator[World]:
    """A world on each EVM that has nothing at the precompile's address."""
    machine: Machine = request.getfixturevalue(request.param)
    with machine.anchored():
        yield World(machine)


@contextmanager
def precompile(world: World, code: bytes) -> Iterator[None]:
    with world.machine.anchored():
        world.machine.etch(P256, code)
        yield


def test_only_exactly_one_in_exactly_32_bytes_is_a_yes(bare: World) -> None:
    record = signed(bare, opened(bare), 300)
    good = bare.record(bare.open(), 70)
    for what, code in ANSWERS.items():
        with precompile(bare, code):
            assert bare.claim(record, good) == 70, what
            assert bare.channels.refusal("close", bare.payee, record, sender=bare.operator) == "signature", what
    with precompile(bare, answering(YES)):
        assert bare.claim(record, good) == 370


def test_the_signer_is_the_key_whatever_the_precompile_says(bare: World) -> None:
    record = signed(bare, opened(bare), 300)
    secp = bare.record(bare.open(), 70)
    with precompile(bare, answering(YES)):
        assert_refused(bare, record._replace(sig=record.sig[:64] + THIEF.public))
        assert_refused(bare, secp._replace(sig=record.sig))
        for length in (64, 65, 127):
            assert_refused(bare, record._replace(sig=record.sig[:length]))
        assert bare.claim(record) == 300


def test_the_precompile_is_asked_as_the_standard_says(bare: World) -> None:
    """EIP-7951: hash, r, s, x, y, 160 bytes; code in its place says yes to exactly these."""
    config = opened(bare)
    record = signed(bare, config, 300)
    asked = sha256(bare.digest(config, bare.payee, 300)).digest() + record.sig
    # whether keccak(calldata) is the wanted one: CALLDATACOPY, KECCAK256, PUSH32, EQ, MSTORE, RETURN
    code = bytes.fromhex("366000600037366000207f") + keccak(asked) + bytes.fromhex("1460005260206000f3")
    with precompile(bare, code):
        assert bare.claim(record._replace(cumulative=301)) == 0
        assert bare.claim(record) == 300
