"""The contract, the project's own code and eth-account agree: ids, leaves, vouchers, words."""

from __future__ import annotations

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.build import artefact as compiled
from contracts.machine import Contract, signature_hash
from tallystick_helper.crypto import NativeCrypto
from tallystick_shared import channel as shared
from tallystick_shared.evm.abi import artefact
from tallystick_shared.voucher import VOUCHER, Payment
from tests.contracts.coins import coin, source
from tests.contracts.pyevm import PyEvm
from tests.contracts.world import DAY, ZERO, Config, Leaf, Record, World, grow, pack
from tests.shared.channel_samples import CHAIN_ID, CONTRACT, SAMPLES, SIGNER, Sample
from tests.shared.channel_samples import KEY as SAMPLE_KEY

CRYPTO = NativeCrypto()
KEY = bytes(keccak(text="tests: shared session key"))
BYTES20 = st.binary(min_size=20, max_size=20)
BYTES32 = st.binary(min_size=32, max_size=32)


def here(world: World) -> bytes:
    return to_canonical_address(world.channels.address)


def config_of(world: World, root: bytes, token: bytes = shared.NATIVE) -> shared.Config:
    """A configuration in the shared code's form, with the key of this module as its signer."""
    payer = to_canonical_address(world.payer)
    return shared.Config(payer, CRYPTO.secp256k1_address(KEY), root, token, 86_400, keccak(text="shared"))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(payer=BYTES20, signer=BYTES20, root=BYTES32, token=BYTES20, delay=st.integers(0, 2**32 - 1), salt=BYTES32)
def test_ids(
    pyevm_deployed: World, payer: bytes, signer: bytes, root: bytes, token: bytes, delay: int, salt: bytes
) -> None:
    world = pyevm_deployed
    config = shared.Config(payer, signer, root, token, delay, salt)
    domain = shared.channels_domain(world.chain_id, here(world))
    assert world.channels.call("idOf", config.abi()) == config.channel_id(CRYPTO, domain)


@pytest.mark.parametrize("depth", [0, 1, 3, 8])
def test_the_contract_takes_the_shared_codes_vouchers(world: World, depth: int) -> None:
    salt = keccak(text="leaf salt") if depth else shared.NO_SALT
    payee, closer = to_canonical_address(world.payee), to_canonical_address(world.operator)
    proof = tuple(bytes(keccak(text=f"sibling {level}")) for level in range(depth))
    config = config_of(world, shared.root_of(CRYPTO, shared.leaf(CRYPTO, payee, closer, salt), proof))
    domain = shared.channels_domain(world.chain_id, here(world))
    channel_id = config.channel_id(CRYPTO, domain)
    expiry = world.machine.now() + 10 * 86_400
    world.channels.send("open", config.abi(), expiry, 10_000, sender=world.payer, value=10_000)
    payment = Payment.on(world.chain_id, here(world), channel_id, payee, config.signer)
    voucher = payment.sign(CRYPTO, KEY, 9_999)
    payment.verify(CRYPTO, voucher)
    record = (config.abi(), voucher.amount, salt, proof, voucher.signature)
    foretold = min(9_999, shared.ChannelState(10_000, 0, expiry).cap(depth))
    assert world.channels.call("claim", world.payee, world.operator, ZERO, [record]) == foretold
    world.channels.send("claim", world.payee, world.operator, ZERO, [record], sender=world.stranger)
    state = shared.ChannelState.from_word(world.channels.call("channels", channel_id))
    assert state == shared.ChannelState(10_000, foretold, expiry)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(channel_id=BYTES32, payee=BYTES20, total=st.integers(0, 2**256 - 1), contract=BYTES20)
def test_voucher_digests_and_signatures_are_eth_accounts(
    channel_id: bytes, payee: bytes, total: int, contract: bytes
) -> None:
    account = Account.from_key(KEY)
    payment = Payment.on(31_337, contract, channel_id, payee, to_canonical_address(account.address))
    values = {"channelId": channel_id, "payee": payee, "cumulative": total}
    typed = encode_typed_data(full_message=payment.domain.typed_data(VOUCHER, values))
    signed = account.sign_message(typed)
    assert signed.message_hash == payment.digest(CRYPTO, total)
    assert signed.signature == payment.sign(CRYPTO, KEY, total).signature


@given(payee=BYTES20, closer=BYTES20, salt=BYTES32)
def test_leaves(payee: bytes, closer: bytes, salt: bytes) -> None:
    ours = Leaf("0x" + payee.hex(), "0x" + closer.hex(), salt)
    assert shared.leaf(CRYPTO, payee, closer, salt) == ours.hash
    root, (left, right) = grow((ours, Leaf(ours.closer, ours.payee, salt)))
    for leaf in (left, right):
        assert shared.root_of(CRYPTO, leaf.hash, leaf.proof) == root


@pytest.fixture(scope="module")
def first() -> World:
    """A fresh chain on which Channels stands at the address of the samples."""
    world = World(PyEvm())
    assert (here(world), world.chain_id) == (CONTRACT, CHAIN_ID)
    return world


def opened_sample(world: World, sample: Sample) -> Config:
    """The sample's channel, opened with its deposit in its token."""
    texts = {name: to_checksum_address(getattr(sample, name)) for name in ("payer", "token", "payee", "closer")}
    signer = to_checksum_address(SIGNER)
    config = Config(texts["payer"], signer, sample.root, texts["token"], sample.delay, sample.salt)
    world.machine.give(config.payer, sample.deposit)
    if config.token != ZERO:
        model = coin(world)
        world.machine.etch(config.token, world.machine.code(model.address))
        token = Contract(world.machine, config.token, compiled(source("Coin"), "Coin")["abi"], model.receipt)
        token.send("mint", config.payer, sample.deposit, sender=config.payer)
        token.send("approve", world.channels.address, sample.deposit, sender=config.payer)
    return world.open(config, sample.deposit, life=90 * DAY)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_known_answers_are_the_contracts_and_eth_accounts(first: World, name: str) -> None:
    """The shared code is held to them on CPython and inside Pyodide, by tests/shared/test_channel.py."""
    sample, account = SAMPLES[name], Account.from_key(SAMPLE_KEY)
    payee, closer = to_checksum_address(sample.payee), to_checksum_address(sample.closer)
    with first.machine.anchored():
        config = opened_sample(first, sample)
        assert first.id(config) == first.channels.call("idOf", config) == sample.channel_id
        assert first.digest(config, payee, sample.total) == sample.digest
        assert account.unsafe_sign_hash(sample.digest).signature == sample.signature
        assert first.sign(config, payee, sample.total, account) == sample.signature
        place = Leaf(payee, closer, sample.leaf_salt, sample.proof)
        record = Record(config, sample.total, sample.leaf_salt, sample.proof, sample.signature)
        due = min(sample.total, sample.deposit >> len(sample.proof))
        with first.machine.anchored():
            assert first.claim(record, leaf=place, token=config.token) == due
        if sample.packed is not None:
            assert pack(record) == sample.packed
            assert first.claim_packed(sample.packed, leaf=place, token=config.token) == due


FROZEN = {
    "Channels": [
        "open((address,address,bytes32,address,uint32,bytes32),uint256,uint256)",
        "openPermit((address,address,bytes32,address,uint32,bytes32),uint256,uint256,uint256,uint8,bytes32,bytes32)",
        "openAuthorized((address,address,bytes32,address,uint32,bytes32),"
        "uint256,uint256,uint256,uint256,uint8,bytes32,bytes32)",
        "topUp((address,address,bytes32,address,uint32,bytes32),uint256,uint256)",
        "claim(address,address,address,"
        "((address,address,bytes32,address,uint32,bytes32),uint256,bytes32,bytes32[],bytes)[])",
        "claimPacked(address,address,address,uint256[5][])",
        "close(address,((address,address,bytes32,address,uint32,bytes32),uint256,bytes32,bytes32[],bytes))",
        "requestClose((address,address,bytes32,address,uint32,bytes32))",
        "withdraw((address,address,bytes32,address,uint32,bytes32))",
        "idOf((address,address,bytes32,address,uint32,bytes32))",
        "channels(bytes32)",
        "claimedBy(bytes32,address)",
        "channelsOf(bytes32[])",
        "Opened(bytes32,address,(address,address,bytes32,address,uint32,bytes32),uint256,uint256)",
        "ToppedUp(bytes32,uint256,uint256)",
        "Claimed(bytes32,address,uint256,uint256)",
        "CloseRequested(bytes32,uint256)",
        "Closed(bytes32,uint256,uint256)",
    ],
    "Registry": [
        "register(bytes)",
        "announce(bytes)",
        "addStake()",
        "requestExit()",
        "exit()",
        "count()",
        "page(uint256,uint256)",
        "pageOf(address[])",
        "minStake()",
        "exitDelay()",
        "unlockAt(address)",
        "Profile(address,uint256,bytes)",
        "ExitRequested(address,uint256)",
        "Exited(address)",
    ],
}


@pytest.mark.parametrize("name", sorted(FROZEN))
def test_the_abi_is_the_frozen_one(name: str) -> None:
    entries = [entry for entry in artefact(name)["abi"] if entry["type"] in ("function", "event")]
    assert {signature_hash(entry) for entry in entries} == {keccak(text=text) for text in FROZEN[name]}
    assert [entry["inputs"] for entry in artefact(name)["abi"] if entry["type"] == "constructor"] == [[]]
