"""Snapshots of the market: what one node knows of every provider, for those who do not want to read a thousand logs.

A node serves it as the guest service `market.snapshot`. It can leave profiles out and be late, but never forge: each
is checked against its hash on chain, and by its owner's signature. Entries stand in the registry's order, so that the
part of a snapshot is the same part of the list as the contract's `page` gives, and two honest nodes give the same
bytes at one block (but for stakes, which change without an event).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from .errors import Code, PeerError
from .evm.registry import Entry
from .messages import U8, U32, U63, Bytes20, Bytes32, decode, encode
from .profile import MAX_PROFILE

SERVICE = "market.snapshot"
VERSION = 1
MAX_ENTRIES = 10_000
HEAD_BYTES = 128
ENTRY_BYTES = 20 + 32 + MAX_PROFILE + 16


class SnapshotAsk(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The parameters of the service: from which place of the list, and how many entries at most."""

    start: U32 = 0
    size: U32 = MAX_ENTRIES


class SnapshotEntry(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A provider: its word in the registry (32 bytes, big-endian) and the profile that it announced; empty where the
    node does not have it.
    """

    provider: Bytes20
    word: Bytes32
    profile: Annotated[bytes, Meta(max_length=MAX_PROFILE)]

    @property
    def slot(self) -> Entry:
        return Entry.from_word(self.provider, int.from_bytes(self.word, "big"))


class Snapshot(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A part of a registry at one block. `count` is how many providers there are in all, `start` the first entry's
    place among them.
    """

    version: U8
    chain_id: U63
    registry: Bytes20
    block: U63
    block_hash: Bytes32
    count: U32
    start: U32
    entries: Annotated[tuple[SnapshotEntry, ...], Meta(max_length=MAX_ENTRIES)]


def most_bytes(entries: int) -> int:
    """The most bytes that a snapshot of so many entries can have."""
    return HEAD_BYTES + min(entries, MAX_ENTRIES) * ENTRY_BYTES


def make_snapshot(
    chain_id: int, registry: bytes, block: int, block_hash: bytes, entries: Sequence[SnapshotEntry], ask: SnapshotAsk
) -> bytes:
    """The canonical bytes of a part of a registry. `entries` are all of it, in its order; `ask` picks."""
    some = tuple(entries[ask.start : ask.start + min(ask.size, MAX_ENTRIES)])
    return encode(Snapshot(VERSION, chain_id, registry, block, block_hash, len(entries), ask.start, some))


def read_snapshot(data: bytes, chain_id: int, registry: bytes, most: int) -> Snapshot:
    """A snapshot of this registry, at most `most` bytes, canonical, no provider twice. Nothing in it is true yet.
    Raises PeerError TOO_LARGE or BAD_MESSAGE.
    """
    if len(data) > most:
        raise PeerError(Code.TOO_LARGE, size=len(data), limit=most)
    snapshot = decode(Snapshot, data)
    if snapshot.version != VERSION:
        raise PeerError(Code.BAD_MESSAGE, reason="version")
    if (snapshot.chain_id, snapshot.registry) != (chain_id, registry):
        raise PeerError(Code.BAD_MESSAGE, reason="another registry")
    if snapshot.start + len(snapshot.entries) > snapshot.count:
        raise PeerError(Code.BAD_MESSAGE, reason="count")
    if len({entry.provider for entry in snapshot.entries}) != len(snapshot.entries):
        raise PeerError(Code.BAD_MESSAGE, reason="twice")
    if encode(snapshot) != data:
        raise PeerError(Code.BAD_MESSAGE, reason="encoding")
    return snapshot
