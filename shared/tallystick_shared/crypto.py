"""The seat for cryptography.

`shared` knows which primitives it needs and nothing of who makes them. The node fills the seat with libsodium through
PyNaCl, `cryptography`, coincurve and pycryptodome; the page with libsodium.js and @noble. One conformance suite
(`tests/shared/crypto_conformance.py`) holds both to RFC 7748, RFC 8439, FIPS 203, Keccak-256, SEC 1 / EIP-2 and RFC
6979 known answers.
"""

from __future__ import annotations

from typing import Protocol


class InvalidTag(Exception):
    """A ciphertext does not belong to this key, nonce and associated data. Nothing was decrypted."""


class Crypto(Protocol):
    """What the protocol needs. All keys and results are raw bytes."""

    def random(self, size: int) -> bytes:
        """`size` bytes from the system's random source."""

    def x25519_keypair(self) -> tuple[bytes, bytes]:
        """A new (private 32, public 32) pair."""

    def x25519_public(self, private: bytes) -> bytes:
        """The public key (32) of a private key (32)."""

    def x25519(self, private: bytes, public: bytes) -> bytes:
        """The shared secret (32), RFC 7748. Raises ValueError where it is all zero."""

    def kem_keypair(self) -> tuple[bytes, bytes]:
        """A new ML-KEM-768 (FIPS 203) pair: the private key as its seed d ‖ z (64), the encapsulation key (1184)."""

    def kem_public(self, private: bytes) -> bytes:
        """The encapsulation key (1184) of a seed (64)."""

    def kem_encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        """(ciphertext 1088, shared secret 32) for an encapsulation key. Raises ValueError where it is none (FIPS 203,
        section 7.2).
        """

    def kem_decapsulate(self, private: bytes, ciphertext: bytes) -> bytes:
        """The shared secret (32) in a ciphertext (1088); of an altered one some other 32 bytes, which no one else
        knows. Raises ValueError where a size is wrong.
        """

    def seal(self, key: bytes, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes:
        """ChaCha20-Poly1305 (RFC 8439): key 32, nonce 12; the result is 16 bytes longer than the plaintext."""

    def open(self, key: bytes, nonce: bytes, aad: bytes, ciphertext: bytes) -> bytes:
        """The inverse of `seal`. Raises InvalidTag."""

    def keccak256(self, data: bytes) -> bytes:
        """Keccak-256 (the Ethereum one, not SHA-3), 32 bytes."""

    def secp256k1_address(self, private: bytes) -> bytes:
        """The Ethereum address (20) of a private key (32)."""

    def secp256k1_sign(self, private: bytes, digest: bytes) -> bytes:
        """A recoverable signature over a 32-byte digest: r ‖ s ‖ v, 65 bytes, v 27 or 28, low s (EIP-2), RFC 6979."""

    def secp256k1_recover(self, digest: bytes, signature: bytes) -> bytes:
        """The address (20) that signed. Raises ValueError on a malformed or high-s signature."""

    def p256_verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """ECDSA on P-256 over SHA-256 of `message`, as WebCrypto signs: public key x ‖ y, 64 bytes, signature r ‖ s, 64
        bytes, s high or low. False for whatever is malformed.
        """
