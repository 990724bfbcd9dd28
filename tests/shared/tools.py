"""Small things that many tests share."""

from __future__ import annotations

import hashlib
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

import pytest

from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, TallystickError

T = TypeVar("T")


class Turn:
    """Awaited, it gives control back to whoever drives."""

    def __await__(self) -> Iterator[None]:
        yield


def drive(coroutine: Coroutine[Any, Any, T], turns: int = 1000) -> T:
    """Runs a coroutine that waits for nothing but `Turn`s, without an event loop."""
    for _ in range(turns):
        try:
            coroutine.send(None)
        except StopIteration as done:
            return done.value
    raise AssertionError("the coroutine never ended")


@contextmanager
def refused(code: Code, kind: type[TallystickError] = TallystickError) -> Iterator[pytest.ExceptionInfo[Any]]:
    """The block must raise an error with this code."""
    with pytest.raises(kind) as raised:
        yield raised
    assert raised.value.code is code


class Seeded:
    """A crypto seat whose random numbers follow from a seed, so that a run can be repeated byte for byte. The node's
    library draws encapsulation's randomness itself, so each KEM key gets again what it got first.
    """

    encapsulated: ClassVar[dict[bytes, tuple[bytes, bytes]]] = {}

    def __init__(self, crypto: Crypto, seed: bytes = b"") -> None:
        self._crypto = crypto
        self._seed = seed
        self._count = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._crypto, name)

    def random(self, size: int) -> bytes:
        self._count += 1
        return hashlib.shake_256(self._seed + self._count.to_bytes(8, "big")).digest(size)

    def x25519_keypair(self) -> tuple[bytes, bytes]:
        private = self.random(32)
        return private, self._crypto.x25519_public(private)

    def kem_keypair(self) -> tuple[bytes, bytes]:
        private = self.random(64)
        return private, self._crypto.kem_public(private)

    def kem_encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        if public not in self.encapsulated:
            self.encapsulated[public] = self._crypto.kem_encapsulate(public)
        return self.encapsulated[public]


def flipped(data: bytes, at: int, mask: int = 1) -> bytes:
    """`data` with bits of one byte turned over."""
    changed = bytearray(data)
    changed[at] ^= mask
    return bytes(changed)
