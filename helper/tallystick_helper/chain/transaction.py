"""Signed transactions as bytes, written and read: EIP-1559 (type 2), and EIP-155 for chains without a base fee.

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

    def raised(self, market: Fees) -> Fees:
        """The market's, and in every part at least an eighth more than these: what nodes demand of a transaction
        that is to take another's place under its nonce (a tenth mostly, an eighth at the strictest).
        """
        tip = None if self.tip is None else max(_eighth_more(self.tip), market.tip or 0)
        return Fees(max(_eighth_more(self.price), market.price), tip)


def _eighth_more(price: int) -> int:
    return max(-(-price * 9 // 8), price + 1)


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


def read_transaction(crypto: Crypto, raw: bytes) -> tuple[Transaction, bytes]:
    """(what was signed, the 20-byte address that signed it) of a raw transaction of the two kinds above. Raises
    ValueError for anything else.
    """
    try:
        if raw[:1] == TYPE_2:
            fields = rlp.decode(raw[1:])
            chain_id, nonce, tip, price, gas = map(_number, fields[:5])
            to, value, data, _, v, r, s = fields[5:]
            fees, parity, signed = Fees(price, tip), _number(v), TYPE_2 + rlp.encode(fields[:9])
        else:
            fields = rlp.decode(raw)
            nonce, price, gas = map(_number, fields[:3])
            to, value, data, v, r, s = fields[3:]
            chain_id, parity = divmod(_number(v) - 35, 2)
            fees, signed = Fees(price), rlp.encode([*fields[:6], chain_id, 0, 0])
        signature = r.rjust(32, b"\0") + s.rjust(32, b"\0") + bytes([27 + parity])
        sender = crypto.secp256k1_recover(crypto.keccak256(signed), signature)
    except (rlp.DecodingError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"not a transaction: {error}") from None
    return Transaction(chain_id, nonce, to or None, _number(value), data, gas, fees), sender


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")
