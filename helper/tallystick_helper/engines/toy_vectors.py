"""The toy of vectors: a text is the sum of its words' hashes, on the unit sphere."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Generator
from functools import partial

from tallystick_shared.embeddings import SERVICE, pack_vector, read_input, read_params

from .seat import Piece, Reason, Task

_DIMENSIONS = 256
_TOKEN = 4  # bytes


def vector_of(text: str, dimensions: int = _DIMENSIONS) -> list[float]:
    """Of length one; its values follow from the words alone, whatever their order."""
    values = [0.0] * dimensions
    for word in text.lower().split() or [""]:
        digest = hashlib.shake_128(word.encode()).digest(dimensions)
        values = [value + byte - 127.5 for value, byte in zip(values, digest, strict=True)]
    length = math.sqrt(sum(value * value for value in values)) or 1.0
    return [value / length for value in values]


def _piece(text: str, dimensions: int) -> Piece:
    return Piece(pack_vector(vector_of(text, dimensions)), 1)


class WordHashes:
    """`embeddings`: an input unit is a token of four bytes, an output unit a vector."""

    kind = "vectors"
    services: tuple[str, ...] = (SERVICE,)
    unit = "token"
    bytes_per_unit = 16

    def count(self, task: Task) -> int:
        read_params(task.params)
        return sum(max(1, -(-len(text.encode()) // _TOKEN)) for text in read_input(task.input).texts)

    def pieces(self, task: Task) -> Generator[Callable[[], Piece], None, Reason]:
        dimensions = read_params(task.params).dimensions or _DIMENSIONS
        texts = read_input(task.input).texts
        for text in texts[: task.max_units]:
            yield partial(_piece, text, dimensions)
        return Reason.STOP if len(texts) <= task.max_units else Reason.LENGTH
