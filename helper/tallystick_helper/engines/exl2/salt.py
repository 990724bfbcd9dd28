"""Keeping prompt caches apart: one first token for each channel.

Both libraries find what was computed before by the ids alone, over all jobs, and so would tell by the time to the
first token what somebody else asked. They also take vectors in place of ids, for images, under ids that are given out
once. So the first id of a prompt is replaced by such an id, one for each scope, whose vector is that token's own
embedding: the model reads exactly the same, and a page that begins with it is found by its own scope alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from .backend import Request

V = TypeVar("V")
_MOST = 1024


class Salts(Generic[V]):
    """`make` gives the vector of a token, under new ids; `first_index` reads its id."""

    def __init__(self, make: Callable[[int], V], first_index: Callable[[V], int]) -> None:
        self._make = make
        self._first_index = first_index
        self._known: OrderedDict[tuple[bytes, int], V] = OrderedDict()

    def apply(self, request: Request) -> tuple[list[int], list[V]]:
        """The ids with the first one replaced, and the vectors that belong to them."""
        first, *rest = request.ids
        vector = self._of(request.scope, first)
        return [self._first_index(vector), *rest], [vector]

    def _of(self, scope: bytes, token: int) -> V:
        if not scope:
            return self._make(token)
        key = (scope, token)
        if key not in self._known:
            self._known[key] = self._make(token)
        self._known.move_to_end(key)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)  # its pages can no longer be found, and age out of the cache
        return self._known[key]
