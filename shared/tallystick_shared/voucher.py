"""What is signed: vouchers, the proof of a channel on a connection, and receipts. All EIP-712, all in the domain
of the Channels contract.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .channel import channels_domain
from .crypto import Crypto
from .errors import Code, PeerError
from .evm.eip712 import Domain

VOUCHER = "Voucher(bytes32 channelId,address payee,uint256 cumulative)"
SESSION_AUTH = "SessionAuth(bytes32 handshakeHash,bytes32 channelId,address provider,uint64 expiry)"
RECEIPT = "Receipt(bytes32 channelId,bytes16 requestId,uint256 amount,uint256 units,bytes32 manifest,bytes32 digest)"


@dataclass(frozen=True)
class Signed:
    """An amount with the signature that makes it payable. Zero needs none."""

    amount: int
    signature: bytes


P256_SIGNATURE = 128
NOTHING = Signed(0, b"")


@dataclass(frozen=True)
class Payment:
    """Who signs for which channel to whom: the fixed part of every voucher of a channel and payee."""

    domain: Domain
    channel_id: bytes
    payee: bytes
    signer: bytes

    @classmethod
    def on(cls, chain_id: int, contract: bytes, channel_id: bytes, payee: bytes, signer: bytes) -> Payment:
        return cls(channels_domain(chain_id, contract), channel_id, payee, signer)

    def digest(self, crypto: Crypto, amount: int) -> bytes:
        values = {"channelId": self.channel_id, "payee": self.payee, "cumulative": amount}
        return self.domain.digest(crypto, VOUCHER, values)

    def sign(self, crypto: Crypto, key: bytes, amount: int) -> Signed:
        """A voucher for the total `amount`, by the session key."""
        return Signed(amount, crypto.secp256k1_sign(key, self.digest(crypto, amount)))

    def verify(self, crypto: Crypto, voucher: Signed) -> None:
        """Raises PeerError BAD_VOUCHER unless the channel's signer signed exactly this."""
        if not is_signed_by_session(crypto, self.digest(crypto, voucher.amount), voucher.signature, self.signer):
            raise PeerError(Code.BAD_VOUCHER, amount=voucher.amount)


def is_signed_by(crypto: Crypto, digest: bytes, signature: bytes, address: bytes) -> bool:
    """True where `signature` (65 bytes, low s) over `digest` is the key's of `address`."""
    try:
        return len(signature) == 65 and crypto.secp256k1_recover(digest, signature) == address
    except ValueError:
        return False


def is_signed_by_session(crypto: Crypto, digest: bytes, signature: bytes, signer: bytes) -> bool:
    """The same for a channel's `signer`, which may also be a P-256 key: r ‖ s ‖ x ‖ y over SHA-256 of the digest, 128
    bytes, `signer` being the last 20 of keccak256(x ‖ y). Each kind has a length of its own, as in the contract.
    """
    if len(signature) != P256_SIGNATURE:
        return is_signed_by(crypto, digest, signature, signer)
    pair, public = signature[:64], signature[64:]
    return crypto.keccak256(public)[12:] == signer and crypto.p256_verify(public, digest, pair)


def auth_digest(
    crypto: Crypto, domain: Domain, handshake_hash: bytes, channel_id: bytes, provider: bytes, expiry: int
) -> bytes:
    """What AUTH signs: this connection (its handshake hash), this channel, this provider, until `expiry` (Unix
    seconds).
    """
    values = {"handshakeHash": handshake_hash, "channelId": channel_id, "provider": provider, "expiry": expiry}
    return domain.digest(crypto, SESSION_AUTH, values)


@dataclass(frozen=True)
class Receipt:
    """What a provider's operator signs at the end of a stream, for its user to keep. `digest` is the answer's own
    with a salt (16 bytes), so that a shown receipt tells nothing of the answer.
    """

    channel_id: bytes
    request_id: bytes
    amount: int
    units: int
    manifest: bytes
    digest: bytes
    salt: bytes = b""
    signature: bytes = b""

    def signing_digest(self, crypto: Crypto, domain: Domain) -> bytes:
        """The 32 bytes that are signed (EIP-712)."""
        values = {
            "channelId": self.channel_id,
            "requestId": self.request_id,
            "amount": self.amount,
            "units": self.units,
            "manifest": self.manifest,
            "digest": self.digest,
        }
        return domain.digest(crypto, RECEIPT, values)

    def signed(self, crypto: Crypto, domain: Domain, operator_key: bytes) -> Receipt:
        """The same with the operator's signature."""
        return replace(self, signature=crypto.secp256k1_sign(operator_key, self.signing_digest(crypto, domain)))

    def verify(self, crypto: Crypto, domain: Domain, operator: bytes) -> None:
        """Raises PeerError BAD_RECEIPT unless the operator signed exactly this."""
        if not is_signed_by(crypto, self.signing_digest(crypto, domain), self.signature, operator):
            raise PeerError(Code.BAD_RECEIPT)
