"""EIP-712 digests for structures of static and `string` fields: all that Tallystick signs.

A type is written as in the standard, `Voucher(bytes32 channelId,address payee,uint256 cumulative)`; nothing nests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode

from tallystick_shared.crypto import Crypto

DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"


def fields_of(type_string: str) -> list[tuple[str, str]]:
    """[(type, name), …] of an EIP-712 type string."""
    inner = type_string[type_string.index("(") + 1 : -1]
    return [(kind, name) for kind, name in (field.split(" ") for field in inner.split(",") if field)]


def hash_struct(crypto: Crypto, type_string: str, values: dict[str, Any]) -> bytes:
    """`hashStruct` of EIP-712: 32 bytes. Addresses may be given as 20 bytes or hex."""
    kinds, words = ["bytes32"], [crypto.keccak256(type_string.encode())]
    for kind, name in fields_of(type_string):
        value = values[name]
        if kind in ("string", "bytes"):
            kind, value = "bytes32", crypto.keccak256(value.encode() if isinstance(value, str) else value)
        kinds.append(kind)
        words.append(value)
    return crypto.keccak256(encode(kinds, words))


@dataclass(frozen=True)
class Domain:
    """The EIP-712 domain of a contract: `chain_id` as an integer, `contract` as 20 bytes."""

    name: str
    chain_id: int
    contract: bytes
    version: str = "1"

    def separator(self, crypto: Crypto) -> bytes:
        values = {
            "name": self.name,
            "version": self.version,
            "chainId": self.chain_id,
            "verifyingContract": self.contract,
        }
        return hash_struct(crypto, DOMAIN_TYPE, values)

    def digest(self, crypto: Crypto, type_string: str, values: dict[str, Any]) -> bytes:
        """The 32 bytes that are signed."""
        struct = hash_struct(crypto, type_string, values)
        return crypto.keccak256(b"\x19\x01" + self.separator(crypto) + struct)

    def typed_data(self, type_string: str, values: dict[str, Any]) -> dict[str, Any]:
        """The same as JSON for `eth_signTypedData_v4`, for a wallet to show and sign; bytes become hex, integers
        decimal text.
        """
        fields = [{"name": name, "type": kind} for kind, name in fields_of(type_string)]
        domain_fields = [{"name": name, "type": kind} for kind, name in fields_of(DOMAIN_TYPE)]
        primary = type_string[: type_string.index("(")]
        return {
            "types": {"EIP712Domain": domain_fields, primary: fields},
            "primaryType": primary,
            "domain": {
                "name": self.name,
                "version": self.version,
                "chainId": self.chain_id,
                "verifyingContract": "0x" + self.contract.hex(),
            },
            "message": {name: _json(value) for name, value in values.items()},
        }


def _json(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return str(value) if isinstance(value, int) else value
