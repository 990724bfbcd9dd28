"""One deposit for several payees: the binary tree whose root stands in a channel's configuration.

A payee at depth d may take at most `deposit >> d`. By Kraft's inequality leaves of depths d fit into a binary tree if
and only if the sum of 2^-d is at most 1; then the caps never exceed the deposit. Each leaf has a salt of its own, so
that a payee, who sees the root and its own way up, learns nothing of the others. Where the tree is not full, random
nodes fill it: nobody can claim there, and they look like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .channel import MAX_DEPTH, leaf
from .crypto import Crypto

WHOLE = 1 << MAX_DEPTH
"""The deposit in its smallest shares."""


@dataclass(frozen=True)
class Seat:
    """A payee with its closer (20 bytes each), and how deep it shall sit."""

    payee: bytes
    closer: bytes
    depth: int


@dataclass(frozen=True)
class Leaf:
    """Where a payee sits: its salt, and the siblings from the leaf up to the root. Its depth is their number."""

    salt: bytes
    path: tuple[bytes, ...]


def depths(weights: Sequence[int]) -> list[int]:
    """How deep to seat payees so that each one's cap is near its share of the weights, none below half of it, and the
    most of the deposit is given out. Raises ValueError for no weight, one below 1, or too small a share for 8 levels.
    """
    if not weights or min(weights) < 1:
        raise ValueError("every payee needs a weight of 1 or more")
    total = sum(weights)
    # The least depth whose cap is within the share: 2^-d <= weight / total.
    found = [((total + weight - 1) // weight - 1).bit_length() for weight in weights]
    if max(found) > MAX_DEPTH:
        raise ValueError("too many payees, or too unequal ones, for eight levels")
    rest = WHOLE - sum(WHOLE >> depth for depth in found)
    # Who is furthest below its share comes up first, one level at most, as long as there is room.
    order = sorted(range(len(found)), key=lambda at: weights[at] << found[at], reverse=True)
    for at in order:
        gain = WHOLE >> found[at]
        if found[at] and gain <= rest:
            rest -= gain
            found[at] -= 1
    return found


def grow(crypto: Crypto, seats: Sequence[Seat]) -> tuple[bytes, list[Leaf]]:
    """The root (32 bytes), and each seat's leaf in the order given. Raises ValueError where two seats have one payee
    (he could claim the larger cap alone), or where they do not fit.
    """
    if len({seat.payee for seat in seats}) != len(seats):
        raise ValueError("a payee sits in one place only")
    if not seats or min(seat.depth for seat in seats) < 1 or max(seat.depth for seat in seats) > MAX_DEPTH:
        raise ValueError("depths are from 1 to 8")
    salts = [crypto.random(32) for _ in seats]
    hashes = [leaf(crypto, seat.payee, seat.closer, salt) for seat, salt in zip(seats, salts, strict=True)]
    paths: list[list[bytes]] = [[] for _ in seats]
    # Nodes of one level, each with the seats below it.
    nodes: list[tuple[bytes, list[int]]] = []
    for level in range(max(seat.depth for seat in seats), 0, -1):
        nodes += [(hashes[at], [at]) for at, seat in enumerate(seats) if seat.depth == level]
        nodes.sort(key=lambda node: node[0])  # places tell nothing of the order in which payees were chosen
        if len(nodes) % 2:
            nodes.append((crypto.random(32), []))
        nodes = [_join(crypto, left, right, paths) for left, right in zip(nodes[::2], nodes[1::2], strict=True)]
    if len(nodes) != 1:
        raise ValueError("the seats do not fit: their caps exceed the deposit")
    return nodes[0][0], [Leaf(salt, tuple(path)) for salt, path in zip(salts, paths, strict=True)]


def _join(
    crypto: Crypto, left: tuple[bytes, list[int]], right: tuple[bytes, list[int]], paths: list[list[bytes]]
) -> tuple[bytes, list[int]]:
    """The parent of two nodes; every seat below one of them gets the other as its next sibling."""
    for (_, below), (sibling, _) in ((left, right), (right, left)):
        for at in below:
            paths[at].append(sibling)
    one, other = left[0], right[0]
    return crypto.keccak256(min(one, other) + max(one, other)), left[1] + right[1]
