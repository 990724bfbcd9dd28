"""The conformance suite on a real engine and a real model. `just gpu` says which, by the environment."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tallystick_helper.engines import Engine, Reason, open_engine
from tallystick_helper.engines.conformance import EngineConformance, ask, collect, text_of
from tests.helper.exl2_models import ROUND

pytestmark = pytest.mark.asyncio(loop_scope="module")
ENGINE, FOLDER = os.environ["TALLYSTICK_GPU_ENGINE"], os.environ["TALLYSTICK_GPU_MODEL"]
OPTIONS = {"path": FOLDER, "context": 4096, "chunk": 256, "slots": 4, "queue": 2}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened() -> AsyncIterator[Engine]:
    engine = await open_engine(ENGINE, OPTIONS)
    yield engine
    await engine.close()


class TestConformance(EngineConformance):
    short = ask("Say the alphabet.")
    long = ask("The quick brown fox jumps over the lazy dog. " * 85)
    overflow = ask("The quick brown fox jumps over the lazy dog. " * 100)

    async def open(self) -> Engine:
        return await open_engine(ENGINE, OPTIONS)

    @pytest.fixture
    def engine(self, opened: Engine) -> Engine:
        return opened


@pytest.mark.parametrize(
    ("most", "stop", "text"), [(35, (), ROUND + "abcde"), (28, (), ROUND[:26]), (60, ("def",), "abc")]
)
async def test_it_says_the_known_text(opened: Engine, most: int, stop: tuple[str, ...], text: str) -> None:
    pieces, finish = await collect(opened.run(ask("Say it.", most, temperature=0.0, stop=stop)))
    assert text_of(pieces) == text
    assert finish.units == len(text.encode()) and finish.reason in (Reason.STOP, Reason.LENGTH)


@pytest.mark.parametrize("cache", ["q8", "q6", "q4"])
async def test_with_a_smaller_cache_it_says_the_same(cache: str) -> None:
    engine = await open_engine(ENGINE, {**OPTIONS, "cache": cache, "slots": 1})
    pieces, _ = await collect(engine.run(ask("Say it.", 40, temperature=0.0)))
    await engine.close()
    assert text_of(pieces) == ROUND + "abcdefghij"
