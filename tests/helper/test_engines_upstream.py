"""The engine before a server: the seat's promises against a real one, in a process of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tallystick_helper.engines import Engine
from tallystick_helper.engines.conformance import EngineConformance, ask
from tallystick_helper.engines.upstream import UpstreamEngine, UpstreamOptions
from tallystick_helper.engines.upstream.options import KEY_ENV

from .llama_process import KEY, LlamaProcess, llama_process

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

POEM = "Write a long poem about the sea."
FOX = "The quick brown fox jumps over the lazy dog. "


@pytest.fixture(scope="module", autouse=True)
def key() -> AsyncIterator[None]:
    """The key is in the environment, as a provider would have it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_ENV, KEY)
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(key: None) -> AsyncIterator[LlamaProcess]:
    async with llama_process() as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(server: LlamaProcess) -> AsyncIterator[Engine]:
    engine = await UpstreamEngine.open(UpstreamOptions(url=server.url, slots=4, queue=2))
    yield engine
    await engine.close()


class TestUpstream(EngineConformance):
    short = ask(POEM)
    long = ask(FOX * 150)
    overflow = ask(FOX * 300)

    @pytest.fixture(autouse=True)
    def at(self, server: LlamaProcess) -> None:
        self.url = server.url

    async def open(self) -> Engine:
        return await UpstreamEngine.open(UpstreamOptions(url=self.url, slots=4, queue=2))

    @pytest.fixture
    def engine(self, engine: Engine) -> Engine:
        """One for all: there is one server."""
        return engine
