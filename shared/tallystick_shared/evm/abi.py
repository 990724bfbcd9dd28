"""Calls and logs by the generated ABI, over `eth_abi`.

That library takes half a second to import, so it is at its first use: most commands ask no contract anything.

Contracts are known by the JSON that `contracts/` generates; nothing here repeats a signature by hand.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, PeerError


def encode(kinds: Sequence[str], values: Sequence[Any]) -> bytes:
    """Values of those ABI types, as `abi.encode` gives them. Raises eth_abi's EncodingError where one does not fit."""
    from eth_abi.abi import encode as by_library

    return by_library(kinds, values)


def decode(kinds: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """The reverse. Raises eth_abi's DecodingError."""
    from eth_abi.abi import decode as by_library

    return by_library(kinds, data)


def artefact(name: str) -> dict[str, Any]:
    """The generated artefact of a contract: `abi`, `bytecode`, `sha256`, …"""
    text = (resources.files("tallystick_shared") / "abi" / f"{name}.json").read_text()
    return dict(json.loads(text))


def canonical(parameter: dict[str, Any]) -> str:
    """An ABI parameter's type as it stands in a signature, tuples spelled out."""
    kind: str = parameter["type"]
    if kind.startswith("tuple"):
        inner = ",".join(canonical(part) for part in parameter["components"])
        return f"({inner}){kind[5:]}"
    return kind


class Contract:
    """A contract's functions and events, by name. Values are Python's: addresses come back as lower-case hex text."""

    def __init__(self, crypto: Crypto, abi: list[dict[str, Any]]) -> None:
        self._crypto = crypto
        self._functions = {entry["name"]: entry for entry in abi if entry["type"] == "function"}
        self._events = {entry["name"]: entry for entry in abi if entry["type"] == "event"}

    def _signature(self, entry: dict[str, Any]) -> bytes:
        return f"{entry['name']}({','.join(canonical(part) for part in entry['inputs'])})".encode()

    def call(self, name: str, *values: Any) -> bytes:
        """Call data: selector and encoded arguments."""
        entry = self._functions[name]
        kinds = [canonical(part) for part in entry["inputs"]]
        return self._crypto.keccak256(self._signature(entry))[:4] + encode(kinds, values)

    def result(self, name: str, data: bytes) -> tuple[Any, ...]:
        """Decoded outputs. Raises PeerError BAD_MESSAGE where the answer is not what the ABI says."""
        kinds = [canonical(part) for part in self._functions[name]["outputs"]]
        try:
            return tuple(decode(kinds, data))
        except Exception as error:
            raise PeerError(Code.BAD_MESSAGE, call=name, reason=str(error)[:120]) from None

    def topic(self, name: str) -> bytes:
        """topic0 of an event."""
        return self._crypto.keccak256(self._signature(self._events[name]))

    def log(self, name: str, topics: list[str], data: str) -> dict[str, Any]:
        """An event's values by name, from JSON-RPC topics and data. Raises PeerError BAD_MESSAGE like `result`."""
        try:
            return self._log(name, topics, data)
        except Exception as error:
            raise PeerError(Code.BAD_MESSAGE, log=name, reason=str(error)[:120]) from None

    def _log(self, name: str, topics: list[str], data: str) -> dict[str, Any]:
        inputs = self._events[name]["inputs"]
        indexed = [part for part in inputs if part["indexed"]]
        plain = [part for part in inputs if not part["indexed"]]
        values = dict(
            zip(
                [part["name"] for part in plain],
                decode([canonical(part) for part in plain], bytes.fromhex(data[2:])),
                strict=True,
            )
        )
        for part, topic in zip(indexed, topics[1:], strict=True):
            values[part["name"]] = decode([canonical(part)], bytes.fromhex(topic[2:]))[0]
        return values
