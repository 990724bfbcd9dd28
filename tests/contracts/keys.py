"""P-256 session keys: signatures as WebCrypto makes them, in the form that Channels takes."""

from __future__ import annotations

from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from eth_account.messages import SignableMessage
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def word(number: int) -> bytes:
    """32 bytes, big-endian."""
    return number.to_bytes(32, "big")


def digest_of(message: SignableMessage) -> bytes:
    """What is signed of a message: for typed data the EIP-712 digest."""
    return bytes(keccak(b"\x19" + message.version + message.header + message.body))


class Signature(NamedTuple):
    """As eth-account's results are read."""

    signature: bytes


class P256Key:
    """A session key in the seat of eth-account's `LocalAccount`, as far as the tests use one."""

    def __init__(self, seed: str) -> None:
        secret = int.from_bytes(keccak(text=seed), "big") % (P256_ORDER - 1) + 1
        self._key = ec.derive_private_key(secret, ec.SECP256R1())
        numbers = self._key.public_key().public_numbers()
        self.public = word(numbers.x) + word(numbers.y)
        self.address = to_checksum_address(keccak(self.public)[12:])

    def sign(self, message: bytes) -> bytes:
        """r | s | x | y over sha256 of the message, 128 bytes."""
        r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA256())))
        return word(r) + word(s) + self.public

    def sign_message(self, message: SignableMessage) -> Signature:
        return Signature(self.sign(digest_of(message)))


PASSKEY = P256Key("tests: P-256 session key")
P256_THIEF = P256Key("tests: some other P-256 key")
