"""Ids, leaves, roots, caps and the word on chain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick_shared.channel import MAX_DEPTH, NATIVE, ChannelState, Config, channels_domain, leaf, root_of
from tallystick_shared.messages import decode, encode
from tallystick_shared.voucher import Payment, Signed
from tests.shared.channel_samples import CHAIN_ID, CONTRACT, KEY, SAMPLES, SIGNER
from tests.shared.signed_samples import CHANNELS

CONFIG = Config(b"\x01" * 20, b"\x02" * 20, b"\x03" * 32, NATIVE, 86400, b"\x04" * 32)


def test_id_by_hand(crypto):
    """keccak256(abi.encode(bytes32 domainSeparator, Config)): seven words, nothing dynamic."""
    words = (
        CHANNELS.separator(crypto)
        + bytes(12) + b"\x01" * 20
        + bytes(12) + b"\x02" * 20
        + b"\x03" * 32
        + bytes(32)
        + (86400).to_bytes(32, "big")
        + b"\x04" * 32
    )  # fmt: skip
    assert len(words) == 224
    assert CONFIG.channel_id(crypto, CHANNELS) == crypto.keccak256(words)


def test_every_part_of_a_config_counts(crypto):
    others = [
        replace(CONFIG, payer=b"\x09" * 20), replace(CONFIG, signer=b"\x09" * 20), replace(CONFIG, root=b"\x09" * 32),
        replace(CONFIG, token=b"\x09" * 20), replace(CONFIG, delay=86401), replace(CONFIG, salt=b"\x09" * 32),
    ]  # fmt: skip
    assert len({config.channel_id(crypto, CHANNELS) for config in [CONFIG, *others]}) == 7


def test_config_survives_the_wire():
    body = CONFIG.body()
    assert Config.from_body(decode(type(body), encode(body))) == CONFIG


def test_leaf_is_73_bytes_under_a_hash(crypto):
    payee, closer, salt = b"\x05" * 20, b"\x06" * 20, b"\x07" * 32
    assert leaf(crypto, payee, closer, salt) == crypto.keccak256(b"\0" + payee + closer + salt)
    assert leaf(crypto, payee, closer) == leaf(crypto, payee, closer, bytes(32))
    assert leaf(crypto, payee, closer) != leaf(crypto, closer, payee)


def test_root_without_a_proof_is_the_leaf(crypto):
    assert root_of(crypto, b"\x01" * 32, ()) == b"\x01" * 32


def test_root_of_a_tree_is_the_same_from_every_leaf(crypto):
    leaves = [leaf(crypto, bytes([n]) * 20, b"\x09" * 20) for n in range(4)]
    pair = lambda one, two: crypto.keccak256(min(one, two) + max(one, two))  # noqa: E731
    left, right = pair(leaves[0], leaves[1]), pair(leaves[2], leaves[3])
    root = pair(left, right)
    assert {
        root_of(crypto, leaves[0], (leaves[1], right)),
        root_of(crypto, leaves[1], (leaves[0], right)),
        root_of(crypto, leaves[2], (leaves[3], left)),
        root_of(crypto, leaves[3], (leaves[2], left)),
    } == {root}
    assert root_of(crypto, leaves[0], (right, leaves[1])) != root


def test_word_on_chain():
    word = 10**18 | (3 * 10**17) << 112 | 1_800_000_000 << 224
    state = ChannelState.from_word(word)
    assert (state.deposit, state.claimed, state.expiry) == (10**18, 3 * 10**17, 1_800_000_000)
    assert state.known and not state.ended


@pytest.mark.parametrize("word", [0, 2**256 - 1, (2**112 - 1) << 112, 2**112 - 1])
def test_words_at_the_edges(word):
    state = ChannelState.from_word(word)
    assert state.deposit | state.claimed << 112 | state.expiry << 224 == word


def test_unknown_and_ended():
    assert not ChannelState.from_word(0).known
    ended = ChannelState.from_word(1 << 224)
    assert ended.known and ended.ended


def test_caps_of_a_full_tree_fit_the_deposit():
    """Kraft: 2^d payees at depth d never sum above the deposit, and none loses more than rounding."""
    state = ChannelState(10**18 + 7, 0, 2)
    for depth in range(MAX_DEPTH + 1):
        assert state.cap(depth) * 2**depth <= state.deposit < (state.cap(depth) + 1) * 2**depth


@pytest.mark.parametrize("name", SAMPLES)
def test_the_contracts_known_answers(crypto, name):
    """Root, id, digest and signature as the contract and eth-account have them."""
    sample = SAMPLES[name]
    root = root_of(crypto, leaf(crypto, sample.payee, sample.closer, sample.leaf_salt), sample.proof)
    config = Config(sample.payer, SIGNER, root, sample.token, sample.delay, sample.salt)
    channel_id = config.channel_id(crypto, channels_domain(CHAIN_ID, CONTRACT))
    payment = Payment.on(CHAIN_ID, CONTRACT, channel_id, sample.payee, crypto.secp256k1_address(KEY))
    assert (root, channel_id, payment.signer) == (sample.root, sample.channel_id, SIGNER)
    assert payment.digest(crypto, sample.total) == sample.digest
    assert payment.sign(crypto, KEY, sample.total).signature == sample.signature
    payment.verify(crypto, Signed(sample.total, sample.signature))
