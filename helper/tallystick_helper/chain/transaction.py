"""Signed transactions as bytes: EIP-1559 (type 2), and EIP-155 for chains without a base fee.

Made of `rlp` and the crypto seat alone; the tests compare it byte for byte with eth-account, whose import would cost
a node half a second.
"""

from __future__ import annotations

from dataclasses import dataclass

import rlp  # type: ignore[import-untyped]

from tallystick_shared.crypto import Crypto

TYPE_2 = b"\x02"


@dataclass(frozen=True)
class Fees:
    """Prices per gas in wei. `tip` None means a chain without a base fee: `price` is all there is. Else `price` is
    the most to pay.
    """

    price: int
    tip: int | None = None


@dataclass(frozen=True)
class Transaction:
    """What is signed. `to` (20 bytes) None creates a contract."""

    chain_id: int
    nonce: int
    to: bytes | None
    value: int
    data: bytes
    gas: int
    fees: Fees

    def sign(self, crypto: Crypto, key: bytes) -> tuple[bytes, bytes]:
        """(raw transaction, its hash)."""
        raw = self._legacy(crypto, key) if self.fees.tip is None else self._type_2(crypto, key, self.fees.tip)
        return raw, crypto.keccak256(raw)

    def _type_2(self, crypto: Crypto, key: bytes, tip: int) -> bytes:
        fields = [
            self.chain_id,
            self.nonce,
            tip,
            self.fees.price,
            self.gas,
            self.to or b"",
            self.value,
            self.data,
            [],
        ]
        signature = crypto.secp256k1_sign(key, crypto.keccak256(TYPE_2 + rlp.encode(fields)))
        r, s, v = _split(signature)
        return TYPE_2 + bytes(rlp.encode([*fields, v, r, s]))

    def _legacy(self, crypto: Crypto, key: bytes) -> bytes:
        fields = [self.nonce, self.fees.price, self.gas, self.to or b"", self.value, self.data]
        signature = crypto.secp256k1_sign(key, crypto.keccak256(rlp.encode([*fields, self.chain_id, 0, 0])))
        r, s, v = _split(signature)
        return bytes(rlp.encode([*fields, 35 + 2 * self.chain_id + v, r, s]))


def _split(signature: bytes) -> tuple[int, int, int]:
    """(r, s, y parity) of 65 bytes."""
    return int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64] - 27
