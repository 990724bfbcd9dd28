"""Is the code at an address the contract that it should be?

A contract's runtime code is the end of its creation code; the constructor appends the immutables to it, a word each.
So deployed code is told apart in two steps: every byte but the immutables must be the artefact's (they are masked), and
the immutables must be what this chain and this address give.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tallystick_shared.channel import channels_domain
from tallystick_shared.crypto import Crypto

WORD = 32


@dataclass(frozen=True)
class Runtime:
    """What a contract leaves on a chain. `immutables` are offsets behind the end of `code`, by name."""

    name: str
    evm: str
    code: bytes
    immutables: Mapping[str, int]

    @property
    def size(self) -> int:
        """Bytes of deployed code."""
        return len(self.code) + WORD * len(self.immutables)


@dataclass(frozen=True)
class Difference:
    """Where deployed code is not as it must be. `part` is "size", "code" or an immutable's name, `at` the place of
    the first byte that differs (for "size" the number of bytes found).
    """

    part: str
    at: int
    wanted: bytes = b""
    found: bytes = b""


def build_of(made: dict[str, Any], evm: str) -> dict[str, Any]:
    """`bytecode`, `sha256` and `runtime` of an artefact for one EVM version. Raises KeyError where there is none."""
    build = made if made["evmVersion"] == evm else made[evm]
    return {key: build[key] for key in ("bytecode", "sha256", "runtime")}


def runtime(made: dict[str, Any], evm: str) -> Runtime:
    """A contract's runtime code from its artefact. Raises KeyError like `build_of`."""
    build = build_of(made, evm)
    creation, told = bytes.fromhex(build["bytecode"][2:]), build["runtime"]
    return Runtime(made["contractName"], evm, creation[told["start"] :], told["immutables"])


def immutables(crypto: Crypto, chain_id: int, address: bytes) -> dict[str, bytes]:
    """What the constructor of Channels keeps on that chain (at deployment) and under that address (20 bytes)."""
    separator = channels_domain(chain_id, address).separator(crypto)
    return {"CHAIN_ID": chain_id.to_bytes(WORD, "big"), "DOMAIN_SEPARATOR": separator}


def differences(wanted: Runtime, found: bytes, values: Mapping[str, bytes]) -> list[Difference]:
    """Everything that is wrong with deployed code: nothing, where it is the contract, byte for byte."""
    if len(found) != wanted.size:
        return [Difference("size", len(found))]
    wrong = []
    code = found[: len(wanted.code)]
    if code != wanted.code:
        apart = int.from_bytes(code, "big") ^ int.from_bytes(wanted.code, "big")
        at = len(code) - (apart.bit_length() + 7) // 8
        wrong.append(Difference("code", at, wanted.code[at : at + 1], code[at : at + 1]))
    for name, offset in wanted.immutables.items():
        at = len(wanted.code) + offset
        if found[at : at + WORD] != values[name]:
            wrong.append(Difference(name, at, values[name], found[at : at + WORD]))
    return wrong
