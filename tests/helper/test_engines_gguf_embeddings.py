"""Vectors from the demo model's GGUF: the seat's promises, the exact units, and that near texts lie near."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from tallystick_helper.engines import Engine, Task, open_engine
from tallystick_helper.engines.conformance import EngineConformance, collect, refusal
from tallystick_helper.engines.gguf_embeddings import GgufEmbeddings, vector_options
from tallystick_shared.embeddings import SERVICE, EmbeddingsParams, embeddings_input, read_vectors
from tallystick_shared.errors import Code
from tallystick_shared.messages import encode

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

OPTIONS = vector_options({"context": 256, "slots": 2, "queue": 2, "threads": 1})
DIMENSIONS = 576


def vectors(*texts: str, most: int = 100) -> Task:
    return Task(SERVICE, embeddings_input(list(texts)), max_units=most)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[Engine]:
    engine = await GgufEmbeddings.open(OPTIONS)
    yield engine
    await engine.close()


class TestGgufEmbeddings(EngineConformance):
    short = vectors(*(f"notch {number}" for number in range(8)))
    long = vectors(*("the lazy dog" for _ in range(48)))
    overflow = vectors("short", "The quick brown fox jumps over the lazy dog. " * 30)
    least = 8

    async def open(self) -> Engine:
        return await GgufEmbeddings.open(OPTIONS)

    @pytest.fixture
    def engine(self, engine: Engine) -> Engine:  # the module's: loading takes longer than most tests
        return engine


async def answer(engine: Engine, task: Task) -> list[tuple[float, ...]]:
    pieces, finish = await collect(engine.run(task))
    assert finish.error is None
    return read_vectors(b"".join(piece.data for piece in pieces), finish.units)


async def test_near_texts_lie_near(engine: Engine) -> None:
    texts = ("The cat sat on the mat.", "A kitten sits on a rug.", "Interest rates rose by a quarter point.")
    cat, kitten, rates = await answer(engine, vectors(*texts))
    assert len(cat) == DIMENSIONS == engine.capabilities().dimensions
    assert all(math.isclose(math.hypot(*one), 1, abs_tol=1e-3) for one in (cat, kitten, rates))
    assert math.sumprod(cat, kitten) > math.sumprod(cat, rates) if hasattr(math, "sumprod") else True
    assert (await answer(engine, vectors(texts[1])))[0] == pytest.approx(kitten, abs=2e-2)


async def test_input_units_are_the_tokens_of_all_texts(engine: Engine) -> None:
    one, two = "The cat sat on the mat.", "Ω≠≈ç"
    sizes = [await engine.count(vectors(text)) for text in (one, two)]
    assert await engine.count(vectors(one, two, one)) == 2 * sizes[0] + sizes[1]


async def test_the_length_of_its_vectors_may_be_asked_for_and_no_other(engine: Engine) -> None:
    task = replace(vectors("x"), params=encode(EmbeddingsParams(DIMENSIONS)))
    assert len((await answer(engine, task))[0]) == DIMENSIONS
    error = await refusal(engine, replace(task, params=encode(EmbeddingsParams(64))))
    assert (error.code, error.values["feature"]) == (Code.UNSUPPORTED, "dimensions")
    assert (await refusal(engine, vectors("x", ""))).code is Code.BAD_REQUEST


async def test_it_opens_by_name_with_options() -> None:
    opened = await open_engine("gguf-embeddings", {"name": "v", "context": 256, "slots": 1, "threads": 1})
    able = opened.capabilities()
    assert (able.model, able.kind, able.services, able.unit) == ("v", "vectors", (SERVICE,), "vector")
    await opened.close()
