"""Keccak-256 for eth-utils and eth-abi in the page: the eth_hash backend that stands in for the missing `pysha3`.

Nothing is hashed until `use` has been told who does it, so this module can be part of a memory snapshot.
"""

from __future__ import annotations

from collections.abc import Callable

from eth_hash.abc import BackendAPI, PreImageAPI

_hash: Callable[[bytes], bytes] | None = None


def use(keccak256: Callable[[bytes], bytes]) -> None:
    """From now on `keccak256` (any bytes in, 32 bytes out) makes the hashes."""
    global _hash  # noqa: PLW0603  one backend per interpreter is how eth_hash is made
    _hash = keccak256


def _keccak256(data: bytes) -> bytes:
    if _hash is None:
        raise RuntimeError("keccak.use() must come before the first hash")
    return _hash(data)


class _PreImage(PreImageAPI):
    def __init__(self, value: bytes) -> None:
        self._value = value

    def update(self, value: bytes) -> None:
        self._value += value

    def digest(self) -> bytes:
        return _keccak256(self._value)

    def copy(self) -> PreImageAPI:
        return _PreImage(self._value)


class _Backend(BackendAPI):
    def keccak256(self, in_data: bytes) -> bytes:
        return _keccak256(bytes(in_data))

    def preimage(self, in_data: bytes) -> PreImageAPI:
        return _PreImage(bytes(in_data))


backend = _Backend()
