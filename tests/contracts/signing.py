"""Signatures beside those of secp256k1 vouchers: P-256 session keys, EIP-2612 permits, EIP-3009 authorisations."""

from __future__ import annotations

from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from eth_account.messages import SignableMessage, encode_typed_data
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from contracts.machine import Contract

SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

COIN = {"name": "Test Coin", "version": "1"}
"""The EIP-712 domain of tokens/Coin.vy, without chain and address."""

PERMIT = [
    ("owner", "address"),
    ("spender", "address"),
    ("value", "uint256"),
    ("nonce", "uint256"),
    ("deadline", "uint256"),
]
RECEIVE = [
    ("from", "address"),
    ("to", "address"),
    ("value", "uint256"),
    ("validAfter", "uint256"),
    ("validBefore", "uint256"),
    ("nonce", "bytes32"),
]


class Signed(NamedTuple):
    """What eth-account gives under the same name, as far as it is used."""

    signature: bytes


class P256Key:
    """A session key as WebCrypto makes them, in the place of an eth-account key: ``address``, ``sign_message``."""

    def __init__(self, seed: str) -> None:
        number = int.from_bytes(keccak(text=seed), "big") >> 1
        self._key = ec.derive_private_key(number, ec.SECP256R1())
        point = self._key.public_key().public_numbers()
        self.public = point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big")
        self.address = to_checksum_address(keccak(self.public)[12:])

    def sign(self, digest: bytes) -> bytes:
        """r | s | x | y over the digest's SHA-256: 128 bytes."""
        r, s = utils.decode_dss_signature(self._key.sign(digest, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big") + self.public

    def sign_message(self, message: SignableMessage) -> Signed:
        """The same over the EIP-712 digest of a message."""
        return Signed(self.sign(keccak(b"\x19" + message.version + message.header + message.body)))


def permit(token: Contract, key: Any, spender: str, amount: int, deadline: int) -> tuple[int, bytes, bytes]:
    """v, r, s of an EIP-2612 permit with the owner's next nonce."""
    nonce = token.call("nonces", key.address)
    message = {"owner": key.address, "spender": spender, "value": amount, "nonce": nonce, "deadline": deadline}
    return typed(token, key, "Permit", PERMIT, message)


def authorization(
    token: Contract, key: Any, to: str, amount: int, nonce: bytes, after: int = 0, before: int = 2**64
) -> tuple[int, int, int, bytes, bytes]:
    """validAfter, validBefore, v, r, s of an EIP-3009 ReceiveWithAuthorization."""
    message = {"from": key.address, "to": to, "value": amount, "nonce": nonce}
    message |= {"validAfter": after, "validBefore": before}
    return after, before, *typed(token, key, "ReceiveWithAuthorization", RECEIVE, message)


def typed(
    token: Contract, key: Any, name: str, fields: list[tuple[str, str]], message: dict[str, Any]
) -> tuple[int, bytes, bytes]:
    """v, r, s over typed data in the token's domain."""
    domain = COIN | {"chainId": token.machine.chain_id, "verifyingContract": token.address}
    types = {name: [{"name": field, "type": kind} for field, kind in fields]}
    signed = key.sign_message(encode_typed_data(domain_data=domain, message_types=types, message_data=message))
    return signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big")
