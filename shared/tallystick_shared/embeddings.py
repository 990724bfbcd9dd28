"""The `embeddings` service: texts in, one vector of float32 each out. To the transport both are opaque bytes.

An input unit is a token, an output unit is a vector. The answer is the vectors of all texts in their order, each
`dimensions` little-endian IEEE 754 single floats, with nothing between them.
"""

from __future__ import annotations

import struct
from typing import Annotated

import msgspec
from msgspec import Meta

from .errors import Code, PeerError
from .messages import decode, encode

SERVICE = "embeddings"
LEAST_DIMENSIONS = 16  # a vector has at least 64 bytes: `services.EMBEDDINGS.least`


class EmbeddingsInput(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The texts to be turned into vectors."""

    texts: Annotated[tuple[str, ...], Meta(min_length=1, max_length=4096)]


class EmbeddingsParams(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How long a vector is; None leaves that to the model."""

    dimensions: Annotated[int, Meta(ge=LEAST_DIMENSIONS, le=8192)] | None = None


def embeddings_input(texts: list[str]) -> bytes:
    """Encoded input."""
    return encode(EmbeddingsInput(tuple(texts)))


def read_input(data: bytes) -> EmbeddingsInput:
    """Raises PeerError BAD_MESSAGE."""
    return decode(EmbeddingsInput, data)


def read_params(data: bytes) -> EmbeddingsParams:
    """Raises PeerError BAD_MESSAGE; empty bytes are all defaults."""
    return decode(EmbeddingsParams, data) if data else EmbeddingsParams()


def pack_vector(values: list[float]) -> bytes:
    """One vector as it crosses the wire: 4 bytes for each value."""
    return struct.pack(f"<{len(values)}f", *values)


def read_vectors(data: bytes, count: int) -> list[tuple[float, ...]]:
    """`count` vectors of one length. Raises PeerError BAD_MESSAGE where the bytes are not that."""
    if count < 1 or len(data) % (4 * count):
        raise PeerError(Code.BAD_MESSAGE, size=len(data), vectors=count)
    size = len(data) // count
    return [struct.unpack_from(f"<{size // 4}f", data, at) for at in range(0, len(data), size)]
