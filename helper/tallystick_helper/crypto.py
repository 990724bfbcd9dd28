"""The native filling of the crypto seat: libsodium through PyNaCl, libsecp256k1 through coincurve, Keccak by
pycryptodome, P-256 and ML-KEM by cryptography.
"""

from __future__ import annotations

import os

from coincurve import PrivateKey, PublicKey
from Crypto.Hash import keccak
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from nacl import bindings
from nacl.exceptions import CryptoError

from tallystick_shared.crypto import InvalidTag

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_KEY, _NONCE, _SEED = 32, 12, 64


class NativeCrypto:
    """Fills `tallystick_shared.crypto.Crypto`. Holds no state; one is enough for a process."""

    def random(self, size: int) -> bytes:
        return os.urandom(size)

    def x25519_keypair(self) -> tuple[bytes, bytes]:
        private = os.urandom(_KEY)
        return private, self.x25519_public(private)

    def x25519_public(self, private: bytes) -> bytes:
        return bindings.crypto_scalarmult_base(_sized(private, _KEY, "private key"))

    def x25519(self, private: bytes, public: bytes) -> bytes:
        """libsodium itself refuses an all-zero result, which is what every low-order point gives (RFC 7748, section
        6.1).
        """
        _sized(private, _KEY, "private key")
        _sized(public, _KEY, "public key")
        try:
            return bindings.crypto_scalarmult(private, public)
        except CryptoError:
            raise ValueError("the shared secret is all zero") from None

    def kem_keypair(self) -> tuple[bytes, bytes]:
        private = os.urandom(_SEED)
        return private, self.kem_public(private)

    def kem_public(self, private: bytes) -> bytes:
        return MLKEM768PrivateKey.from_seed_bytes(private).public_key().public_bytes_raw()

    def kem_encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        secret, ciphertext = MLKEM768PublicKey.from_public_bytes(public).encapsulate()
        return ciphertext, secret

    def kem_decapsulate(self, private: bytes, ciphertext: bytes) -> bytes:
        return MLKEM768PrivateKey.from_seed_bytes(private).decapsulate(ciphertext)

    def seal(self, key: bytes, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes:
        _sized(key, _KEY, "key")
        _sized(nonce, _NONCE, "nonce")
        return bindings.crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, aad, nonce, key)

    def open(self, key: bytes, nonce: bytes, aad: bytes, ciphertext: bytes) -> bytes:
        _sized(key, _KEY, "key")
        _sized(nonce, _NONCE, "nonce")
        try:
            return bindings.crypto_aead_chacha20poly1305_ietf_decrypt(ciphertext, aad, nonce, key)
        except (CryptoError, ValueError):
            raise InvalidTag from None

    def keccak256(self, data: bytes) -> bytes:
        return keccak.new(digest_bits=256, data=data).digest()

    def secp256k1_address(self, private: bytes) -> bytes:
        return self._address(PrivateKey(_sized(private, _KEY, "private key")).public_key)

    def secp256k1_sign(self, private: bytes, digest: bytes) -> bytes:
        """libsecp256k1 signs by RFC 6979 and gives low s (EIP-2)."""
        _sized(digest, 32, "digest")
        signature = PrivateKey(_sized(private, _KEY, "private key")).sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes((27 + signature[64],))

    def secp256k1_recover(self, digest: bytes, signature: bytes) -> bytes:
        _sized(digest, 32, "digest")
        _sized(signature, 65, "signature")
        if signature[64] not in (27, 28):
            raise ValueError("v is neither 27 nor 28")
        if int.from_bytes(signature[32:64], "big") > _ORDER // 2:
            raise ValueError("s is high")
        try:
            public = PublicKey.from_signature_and_message(
                signature[:64] + bytes((signature[64] - 27,)), digest, hasher=None
            )
        except Exception as error:  # coincurve raises bare Exception
            raise ValueError("not a signature") from error
        return self._address(public)

    def p256_verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        if len(public) != 64 or len(signature) != 64:
            return False
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        try:
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + public)
            key.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
        except (InvalidSignature, ValueError):
            return False
        return True

    def _address(self, public: PublicKey) -> bytes:
        return self.keccak256(public.format(compressed=False)[1:])[-20:]


def _sized(value: bytes, size: int, what: str) -> bytes:
    if len(value) != size:
        raise ValueError(f"{what}: {len(value)} bytes instead of {size}")
    return value
