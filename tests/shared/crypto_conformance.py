"""What every filling of the crypto seat must do: the known answers of others, and what must be refused.

`run(crypto)` checks all of it; each check can be called alone. The same file runs on CPython over PyNaCl, coincurve and
pycryptodome, and in Pyodide over libsodium.js and noble.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress

import pytest

from tallystick_shared.crypto import Crypto, InvalidTag

_h = bytes.fromhex
N = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141  # order of secp256k1 (SEC 2, 2.4.1)

# RFC 7748, 5.2: scalar, u-coordinate, result
X25519_SCALARS = [
    (
        _h("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
        _h("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"),
        _h("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"),
    ),
    (
        _h("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d"),
        _h("e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493"),
        _h("95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"),
    ),
]

# RFC 7748, 6.1: Alice, Bob, their secret
ALICE = _h("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
ALICE_PUBLIC = _h("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
BOB = _h("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
BOB_PUBLIC = _h("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
ALICE_BOB = _h("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")

# The points of small order (RFC 7748, 6.1 and 7: their result is zero, whatever the key)
SMALL_ORDER = [
    bytes(32),
    bytes([1]) + bytes(31),
    _h("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    _h("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    _h("ec" + "ff" * 30 + "7f"),
    _h("ed" + "ff" * 30 + "7f"),
    _h("ee" + "ff" * 30 + "7f"),
]

# RFC 8439, 2.8.2
KEY = bytes(range(0x80, 0xA0))
NONCE = _h("070000004041424344454647")
AAD = _h("50515253c0c1c2c3c4c5c6c7")
PLAINTEXT = (
    b"Ladies and Gentlemen of the class of '99: If I could offer you "
    b"only one tip for the future, sunscreen would be it."
)
CIPHERTEXT = _h(
    "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b29"
    "05d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116"
    "1ae10b594f09e26a7e902ecbd0600691"
)

# Keccak-256 with Keccak's own padding, as before FIPS 202; the last two stand in ERC-20 logs and EIP-712
KECCAK = [
    (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
    (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
    (
        b"The quick brown fox jumps over the lazy dog",
        "4d741b6f1eb29cb2a9b9911c82f56fa8d73b04959d3d9d222895df6c0b28aa15",
    ),
    (b"Transfer(address,address,uint256)", "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"),
    (
        b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
        "8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f",
    ),
]

# Key, address, digest, r ‖ s ‖ v: EIP-155's example transaction (there v is 37), EIP-712's example mail
SIGNED = [
    (
        bytes([0x46]) * 32,
        _h("9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f"),
        _h("daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53"),
        _h("28ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276")
        + _h("67cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83")
        + bytes([27]),
    ),
    (
        _h("c85ef7d79691fe79573b1a7064c19c1a9819ebdbd1faaab1a8ec92344438aaf4"),
        _h("cd2a3d9f938e13cd947ec05abc7fe734df8dd826"),
        _h("be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"),
        _h("4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d")
        + _h("07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b91562")
        + bytes([28]),
    ),
]

# ML-KEM-768 of the seed 00 01 … 3f: the SHA-256 of its encapsulation key, and what an all-zero ciphertext gives; both
# as OpenSSL's and libsodium's code say
KEM_PUBLIC_SHA256 = "0b7934c83125c788995e2ba6bd761e33046b3e40571be53e023309a29f398cc9"
KEM_OF_ZEROS = _h("c8fbeddafdacef2ffeb8b354ea644f11b5c150f3e2c4a74ce38abba8f854ae16")

# RFC 6979, A.2.5: P-256 with SHA-256: public key x ‖ y, then message and r ‖ s
P256_PUBLIC = _h("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6") + _h(
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
)
P256_SIGNED = [
    (
        b"sample",
        _h("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716")
        + _h("f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"),
    ),
    (
        b"test",
        _h("f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367")
        + _h("019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083"),
    ),
]
P256_N = 0xFFFFFFFF_00000000_FFFFFFFF_FFFFFFFF_BCE6FAAD_A7179E84_F3B9CAC2_FC632551  # order (FIPS 186-4, D.1.2.3)


def _flipped(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def random_is_fresh(crypto: Crypto) -> None:
    assert [len(crypto.random(size)) for size in (1, 12, 32, 1000)] == [1, 12, 32, 1000]
    assert len({crypto.random(32) for _ in range(64)}) == 64


def x25519_known_answers(crypto: Crypto) -> None:
    for scalar, point, result in X25519_SCALARS:
        assert crypto.x25519(scalar, point) == result
    assert crypto.x25519_public(ALICE) == ALICE_PUBLIC
    assert crypto.x25519_public(BOB) == BOB_PUBLIC
    assert crypto.x25519(ALICE, BOB_PUBLIC) == crypto.x25519(BOB, ALICE_PUBLIC) == ALICE_BOB


def x25519_new_pairs_agree(crypto: Crypto) -> None:
    (one, one_public), (other, other_public) = crypto.x25519_keypair(), crypto.x25519_keypair()
    assert one != other
    assert crypto.x25519_public(one) == one_public
    assert crypto.x25519(one, other_public) == crypto.x25519(other, one_public)


def x25519_refuses_small_orders(crypto: Crypto) -> None:
    for point in SMALL_ORDER:
        with pytest.raises(ValueError):
            crypto.x25519(ALICE, point)


def kem_known_answer(crypto: Crypto) -> None:
    """One key for all fillings; `test_vectors` has more, that others made."""
    seed = bytes(range(64))
    assert hashlib.sha256(crypto.kem_public(seed)).hexdigest() == KEM_PUBLIC_SHA256
    assert crypto.kem_decapsulate(seed, bytes(1088)) == KEM_OF_ZEROS


def kem_new_pairs_agree(crypto: Crypto) -> None:
    (one, public), (other, other_public) = crypto.kem_keypair(), crypto.kem_keypair()
    assert (len(one), len(public)) == (64, 1184)
    assert one != other and public != other_public and crypto.kem_public(one) == public
    (ciphertext, secret), (again, another) = crypto.kem_encapsulate(public), crypto.kem_encapsulate(public)
    assert (len(ciphertext), len(secret)) == (1088, 32)
    assert ciphertext != again and secret != another
    assert crypto.kem_decapsulate(one, ciphertext) == secret
    assert crypto.kem_decapsulate(one, again) == another
    assert crypto.kem_decapsulate(other, ciphertext) != secret


def kem_rejects_implicitly(crypto: Crypto) -> None:
    """An altered ciphertext gives a secret all the same, always that one and never the true one (FIPS 203, 6.3)."""
    private, public = crypto.kem_keypair()
    ciphertext, secret = crypto.kem_encapsulate(public)
    for at in (0, 500, 1087):
        wrong = crypto.kem_decapsulate(private, _flipped(ciphertext, at))
        assert len(wrong) == 32 and wrong != secret
        assert crypto.kem_decapsulate(private, _flipped(ciphertext, at)) == wrong


def kem_refuses_what_is_none(crypto: Crypto) -> None:
    private, public = crypto.kem_keypair()
    for bad in (b"", public[:-1], public + b"\0", b"\xff" * 1184, b"\x01\x0d" + public[2:]):  # q = 3329 = 0xd01
        with pytest.raises(ValueError):
            crypto.kem_encapsulate(bad)
    ciphertext, _ = crypto.kem_encapsulate(public)
    for short in (b"", ciphertext[:-1], ciphertext + b"\0"):
        with pytest.raises(ValueError):
            crypto.kem_decapsulate(private, short)
    for seed in (b"", private[:-1], private + b"\0"):
        with pytest.raises(ValueError):
            crypto.kem_public(seed)
        with pytest.raises(ValueError):
            crypto.kem_decapsulate(seed, ciphertext)


def seal_known_answer(crypto: Crypto) -> None:
    assert crypto.seal(KEY, NONCE, AAD, PLAINTEXT) == CIPHERTEXT
    assert crypto.open(KEY, NONCE, AAD, CIPHERTEXT) == PLAINTEXT


def seal_of_every_size_opens(crypto: Crypto) -> None:
    for size in (0, 1, 15, 16, 17, 63, 64, 65, 65_535):
        plaintext = bytes(size)
        sealed = crypto.seal(KEY, NONCE, b"", plaintext)
        assert len(sealed) == size + 16
        assert crypto.open(KEY, NONCE, b"", sealed) == plaintext


def open_refuses_what_was_changed(crypto: Crypto) -> None:
    for at in range(len(CIPHERTEXT)):
        with pytest.raises(InvalidTag):
            crypto.open(KEY, NONCE, AAD, _flipped(CIPHERTEXT, at))
    for key, nonce, aad in (
        (_flipped(KEY, 31), NONCE, AAD),
        (KEY, _flipped(NONCE, 0), AAD),
        (KEY, NONCE, _flipped(AAD, 0)),
        (KEY, NONCE, b""),
    ):
        with pytest.raises(InvalidTag):
            crypto.open(key, nonce, aad, CIPHERTEXT)


def open_refuses_what_is_too_short(crypto: Crypto) -> None:
    for size in (0, 1, 15, 16, len(CIPHERTEXT) - 1):
        with pytest.raises(InvalidTag):
            crypto.open(KEY, NONCE, AAD, CIPHERTEXT[:size])


def keccak256_known_answers(crypto: Crypto) -> None:
    for data, digest in KECCAK:
        assert crypto.keccak256(data).hex() == digest


def secp256k1_known_answers(crypto: Crypto) -> None:
    assert crypto.secp256k1_address((1).to_bytes(32)).hex() == "7e5f4552091a69125d5dfcb7b8c2659029395bdf"
    for key, address, digest, signature in SIGNED:
        assert crypto.secp256k1_address(key) == address
        assert crypto.secp256k1_sign(key, digest) == signature
        assert crypto.secp256k1_recover(digest, signature) == address


def secp256k1_signs_with_low_s(crypto: Crypto) -> None:
    """EIP-2. About half of these would have a high s if the signer did not turn it."""
    address = crypto.secp256k1_address(ALICE)
    for number in range(32):
        digest = crypto.keccak256(bytes([number]))
        signature = crypto.secp256k1_sign(ALICE, digest)
        assert len(signature) == 65
        assert int.from_bytes(signature[32:64]) <= N // 2
        assert signature[64] in (27, 28)
        assert crypto.secp256k1_recover(digest, signature) == address


def secp256k1_refuses_malformed(crypto: Crypto) -> None:
    _, _, digest, signature = SIGNED[0]
    r, s, v = signature[:32], signature[32:64], signature[64]
    high = (N - int.from_bytes(s)).to_bytes(32)
    malformed = [
        r + high + bytes([55 - v]),  # the same signature to SEC 1, a second one to a ledger: EIP-2 rules it out
        r + s + bytes([v - 27]),
        r + s + bytes([29]),
        bytes(32) + s + bytes([v]),
        r + bytes(32) + bytes([v]),
        N.to_bytes(32) + s + bytes([v]),
        r + N.to_bytes(32) + bytes([v]),
        signature[:64],
        signature + b"\0",
        b"",
    ]
    for bad in malformed:
        with pytest.raises(ValueError):
            crypto.secp256k1_recover(digest, bad)


def secp256k1_other_digest_is_other_signer(crypto: Crypto) -> None:
    _, address, digest, signature = SIGNED[0]
    with suppress(ValueError):  # no point may come out at all
        assert crypto.secp256k1_recover(_flipped(digest, 0), signature) != address


def p256_known_answers(crypto: Crypto) -> None:
    for message, signature in P256_SIGNED:
        assert crypto.p256_verify(P256_PUBLIC, message, signature)
        twin = signature[:32] + (P256_N - int.from_bytes(signature[32:])).to_bytes(32)
        assert crypto.p256_verify(P256_PUBLIC, message, twin), "one of the two has a high s"


def p256_refuses_all_else(crypto: Crypto) -> None:
    (message, signature), (other, _) = P256_SIGNED
    r, s = signature[:32], signature[32:]
    zero, order, ones = bytes(32), P256_N.to_bytes(32), b"\xff" * 32
    assert not crypto.p256_verify(P256_PUBLIC, other, signature)
    for bad in (zero + s, r + zero, order + s, r + order, ones + s, r + ones, s + r, signature[:63], signature + b"\0"):
        assert not crypto.p256_verify(P256_PUBLIC, message, bad)
    for at in (0, 31, 32, 63):
        assert not crypto.p256_verify(P256_PUBLIC, message, _flipped(signature, at))
        assert not crypto.p256_verify(_flipped(P256_PUBLIC, at), message, signature), "not on the curve"
    for public in (b"", bytes(64), P256_PUBLIC[:63], b"\4" + P256_PUBLIC, b"\xff" * 64):
        assert not crypto.p256_verify(public, message, signature)


CHECKS: list[Callable[[Crypto], None]] = [
    random_is_fresh,
    x25519_known_answers,
    x25519_new_pairs_agree,
    x25519_refuses_small_orders,
    kem_known_answer,
    kem_new_pairs_agree,
    kem_rejects_implicitly,
    kem_refuses_what_is_none,
    seal_known_answer,
    seal_of_every_size_opens,
    open_refuses_what_was_changed,
    open_refuses_what_is_too_short,
    keccak256_known_answers,
    secp256k1_known_answers,
    secp256k1_signs_with_low_s,
    secp256k1_refuses_malformed,
    secp256k1_other_digest_is_other_signer,
    p256_known_answers,
    p256_refuses_all_else,
]


def run(crypto: Crypto) -> None:
    """All checks on one filling."""
    for check in CHECKS:
        check(crypto)
