"""The native crypto seat, against other libraries and against published answers."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.crypto import Crypto, InvalidTag

CRYPTO: Crypto = NativeCrypto()
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

keys = st.binary(min_size=32, max_size=32)
nonces = st.binary(min_size=12, max_size=12)
privates = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32, "big"))


def test_random() -> None:
    assert len(CRYPTO.random(57)) == 57
    assert CRYPTO.random(32) != CRYPTO.random(32)


@given(keys, keys)
def test_x25519_is_the_same_as_openssl(private: bytes, other: bytes) -> None:
    theirs = X25519PrivateKey.from_private_bytes(other)
    public = theirs.public_key().public_bytes_raw()
    assert CRYPTO.x25519_public(other) == public
    ours = X25519PublicKey.from_public_bytes(CRYPTO.x25519_public(private))
    assert CRYPTO.x25519(private, public) == theirs.exchange(ours)


def test_x25519_keypair() -> None:
    private, public = CRYPTO.x25519_keypair()
    assert CRYPTO.x25519_public(private) == public


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31), bytes.fromhex("ec" + "ff" * 30 + "7f")])
def test_x25519_refuses_points_of_low_order(point: bytes) -> None:
    with pytest.raises(ValueError, match="zero"):
        CRYPTO.x25519(b"\x42" * 32, point)


@given(keys, nonces, st.binary(max_size=64), st.binary(max_size=600))
def test_seal_is_the_same_as_openssl(key: bytes, nonce: bytes, aad: bytes, plaintext: bytes) -> None:
    sealed = CRYPTO.seal(key, nonce, aad, plaintext)
    assert sealed == ChaCha20Poly1305(key).encrypt(nonce, plaintext, aad)
    assert CRYPTO.open(key, nonce, aad, sealed) == plaintext


@given(st.data())
def test_no_altered_bit_opens(data: st.DataObject) -> None:
    sealed = CRYPTO.seal(bytes(32), bytes(12), b"aad", b"tally")
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    altered = (int.from_bytes(sealed, "big") ^ (1 << bit)).to_bytes(len(sealed), "big")
    with pytest.raises(InvalidTag):
        CRYPTO.open(bytes(32), bytes(12), b"aad", altered)


@pytest.mark.parametrize("sealed", [b"", b"short", bytes(16), bytes(1000)])
def test_what_was_never_sealed(sealed: bytes) -> None:
    with pytest.raises(InvalidTag):
        CRYPTO.open(bytes(32), bytes(12), b"", sealed)


def test_keccak_is_not_sha3() -> None:
    empty = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert CRYPTO.keccak256(b"").hex() == empty


@given(privates, keys)
def test_signatures_are_those_of_eth_account(private: bytes, digest: bytes) -> None:
    signature = CRYPTO.secp256k1_sign(private, digest)
    assert signature == bytes(Account.unsafe_sign_hash(digest, private).signature)
    assert CRYPTO.secp256k1_address(private) == bytes.fromhex(Account.from_key(private).address[2:])
    assert CRYPTO.secp256k1_recover(digest, signature) == CRYPTO.secp256k1_address(private)
    assert int.from_bytes(signature[32:64], "big") <= ORDER // 2


def test_the_other_half_of_a_signature_is_refused() -> None:
    signature = CRYPTO.secp256k1_sign(b"\x01" * 32, b"\x02" * 32)
    high = (ORDER - int.from_bytes(signature[32:64], "big")).to_bytes(32, "big")
    with pytest.raises(ValueError, match="high"):
        CRYPTO.secp256k1_recover(b"\x02" * 32, signature[:32] + high + bytes([55 - signature[64]]))


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        bytes(64),
        bytes(65),
        bytes(64) + b"\x1b",
        b"\xff" * 32 + bytes(31) + b"\x01\x1b",
        b"\x01" * 64 + b"\x00",
        b"\x01" * 64 + b"\x1d",
        b"\x01" * 65 + b"\x1b",
        (5).to_bytes(32, "big") + b"\x01" * 32 + b"\x1b",
    ],
)
def test_what_is_no_signature(signature: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        CRYPTO.secp256k1_recover(b"\x02" * 32, signature)


@pytest.mark.parametrize("private", [b"", bytes(31), bytes(32), ORDER.to_bytes(32, "big"), bytes(33)])
def test_what_is_no_private_key(private: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        CRYPTO.secp256k1_address(private)
    with pytest.raises(ValueError, match=r"\w"):
        CRYPTO.secp256k1_sign(private, bytes(32))


@pytest.mark.parametrize(("key", "nonce"), [(bytes(31), bytes(12)), (bytes(32), bytes(8)), (bytes(32), bytes(24))])
def test_wrong_sizes(key: bytes, nonce: bytes) -> None:
    with pytest.raises(ValueError, match="bytes instead of"):
        CRYPTO.seal(key, nonce, b"", b"x")
    with pytest.raises(ValueError, match="bytes instead of"):
        CRYPTO.open(key, nonce, b"", bytes(20))


@pytest.mark.parametrize("digest", [b"", bytes(31), bytes(33)])
def test_digests_have_32_bytes(digest: bytes) -> None:
    with pytest.raises(ValueError, match="bytes instead of"):
        CRYPTO.secp256k1_sign(b"\x01" * 32, digest)
    with pytest.raises(ValueError, match="bytes instead of"):
        CRYPTO.secp256k1_recover(digest, bytes(65))


@pytest.mark.parametrize("private", [b"", bytes(31), bytes(33)])
def test_x25519_sizes(private: bytes) -> None:
    with pytest.raises(ValueError, match="bytes instead of"):
        CRYPTO.x25519_public(private)
    with pytest.raises(ValueError, match="bytes instead of"):
        CRYPTO.x25519(private, b"\x09" + bytes(31))
    with pytest.raises(ValueError, match="bytes instead of"):
        CRYPTO.x25519(b"\x09" * 32, private)
