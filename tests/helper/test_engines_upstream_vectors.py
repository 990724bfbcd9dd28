"""Vectors from a server: the seat's promises, and what is made of a server that behaves badly."""

from __future__ import annotations

import base64
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tallystick_helper.engines import Engine, Reason, Task, open_engine
from tallystick_helper.engines.conformance import EngineConformance, collect
from tallystick_shared.embeddings import SERVICE, EmbeddingsParams, embeddings_input, read_vectors
from tallystick_shared.errors import Code, TallystickError
from tallystick_shared.messages import encode

from .hostile_upstream import Act, HostileUpstream, hostile_upstream, status

VECTOR = [0.25] * 16


def ask(*texts: str, most: int = 24) -> Task:
    return Task(SERVICE, embeddings_input(list(texts)), max_units=most)


async def opened(server: HostileUpstream, **more: Any) -> Engine:
    return await open_engine(
        "upstream-embeddings", {"url": server.url, "slots": 4, "queue": 2, "patience": 1.0, **more}
    )


@pytest.fixture
async def server() -> AsyncIterator[HostileUpstream]:
    async with hostile_upstream() as started:
        yield started


class TestUpstreamEmbeddings(EngineConformance):
    short = ask(*(f"text {at}" for at in range(24)))
    long = ask(*["xx"] * 24)
    overflow = ask("word " * 3000)

    @pytest.fixture(autouse=True)
    def at(self, server: HostileUpstream) -> None:
        self.server = server

    async def open(self) -> Engine:
        return await opened(self.server)


async def test_vectors_in_the_order_of_their_texts(server: HostileUpstream) -> None:
    engine = await opened(server)
    texts = ["x" * length for length in (1, 5, 3)] + ["a" * 7] * 8
    pieces, finish = await collect(engine.run(ask(*texts)))
    found = read_vectors(b"".join(piece.data for piece in pieces), len(texts))
    assert [vector[0] for vector in found] == [float(len(text)) for text in texts]
    assert (finish.units, finish.reason) == (11, Reason.STOP)
    assert [len(some) for some in server.embedded[2:]] == [8, 3]
    _, finish = await collect(engine.run(ask(*texts, most=2)))
    assert (finish.units, finish.reason) == (2, Reason.LENGTH)
    assert engine.capabilities().dimensions == 16
    with pytest.raises(TallystickError) as caught:
        await engine.count(Task(SERVICE, embeddings_input(["a"]), encode(EmbeddingsParams(dimensions=32)), 1))
    assert caught.value.code is Code.UNSUPPORTED
    await engine.close()


async def test_vectors_in_base64(server: HostileUpstream) -> None:
    engine = await opened(server)
    data = base64.b64encode(struct.pack("<16f", *VECTOR)).decode()
    server.script.append(status(200, {"data": [{"embedding": data}]}))
    pieces, _ = await collect(engine.run(ask("a")))
    assert list(read_vectors(pieces[0].data, 1)[0]) == VECTOR
    await engine.close()


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (status(200, {"data": []}), Code.ENGINE_FAILED),
        (status(200, {"data": [{"embedding": None}]}), Code.ENGINE_FAILED),
        (status(200, {"data": [{"embedding": VECTOR[:3]}]}), Code.ENGINE_FAILED),
        (status(200, {"data": [{"embedding": [*VECTOR, "x"]}]}), Code.ENGINE_FAILED),
        (status(200, {"data": [{"embedding": [*VECTOR, 1e300]}]}), Code.ENGINE_FAILED),
        (status(200, {"data": [{"embedding": VECTOR}] * 2}), Code.ENGINE_FAILED),
        (status(200, [1]), Code.ENGINE_FAILED),
        (status(501, {"error": {"type": "not_supported_error"}}), Code.ENGINE_FAILED),
        (status(400, {"error": {"message": "input is too long for the maximum model length"}}), Code.PROMPT_TOO_LONG),
    ],
)
async def test_answers_that_are_no_vectors(server: HostileUpstream, act: Act, code: Code) -> None:
    engine = await opened(server)
    server.script.extend([act] * 3)
    pieces, finish = await collect(engine.run(ask("a")))
    assert pieces == [] and finish.error is not None and finish.error.code is code
    await engine.close()


async def test_a_fault_before_the_first_vector_is_tried_again(server: HostileUpstream) -> None:
    engine = await opened(server)
    server.script.append(status(502, b""))
    assert (await collect(engine.run(ask("a"))))[1].units == 1
    await engine.close()
