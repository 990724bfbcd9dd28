"""The `embeddings` service: its input, its params and its vectors."""

from __future__ import annotations

import pytest

from tallystick_shared import embeddings
from tallystick_shared.errors import Code
from tallystick_shared.messages import encode
from tallystick_shared.services import EMBEDDINGS
from tests.shared.tools import refused


def test_texts_come_back():
    assert embeddings.read_input(embeddings.embeddings_input(["one", "", "drei ✓"])).texts == ("one", "", "drei ✓")


@pytest.mark.parametrize("data", [b"", b"\x91\x90", b"\x91\xc0", encode(embeddings.EmbeddingsInput(("x",) * 4097))])
def test_what_is_no_input_is_refused(data):
    with refused(Code.BAD_MESSAGE):
        embeddings.read_input(data)


def test_params_have_defaults_and_bounds():
    assert embeddings.read_params(b"").dimensions is None
    assert embeddings.read_params(encode(embeddings.EmbeddingsParams(384))).dimensions == 384
    for dimensions in (0, embeddings.LEAST_DIMENSIONS - 1, 8193):
        with refused(Code.BAD_MESSAGE):
            embeddings.read_params(encode(embeddings.EmbeddingsParams(dimensions)))


def test_vectors_are_little_endian_single_floats():
    assert embeddings.pack_vector([1.0, -2.0]).hex() == "0000803f000000c0"
    data = embeddings.pack_vector([0.5, 0.25]) + embeddings.pack_vector([1.0, 2.0])
    assert embeddings.read_vectors(data, 2) == [(0.5, 0.25), (1.0, 2.0)]


@pytest.mark.parametrize(("size", "count"), [(9, 1), (8, 0), (16, 3), (4, 2)])
def test_bytes_that_are_not_so_many_vectors_are_refused(size, count):
    with refused(Code.BAD_MESSAGE):
        embeddings.read_vectors(bytes(size), count)


def test_the_smallest_vector_is_what_the_bound_counts_with():
    assert len(embeddings.pack_vector([0.0] * embeddings.LEAST_DIMENSIONS)) == EMBEDDINGS.least
