"""The engine before a server: the seat's promises against a real one, in a process of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tallystick_helper.engines import Engine, open_engine
from tallystick_helper.engines.conformance import EngineConformance, ask, collect
from tallystick_helper.engines.upstream import UpstreamEngine, UpstreamOptions
from tallystick_helper.engines.upstream.options import KEY_ENV
from tallystick_helper.engines.weights import DEMO, find_demo
from tallystick_shared.errors import Code, TallystickError

from .llama_process import KEY, MODEL, LlamaProcess, llama_process

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

POEM = "Write a long poem about the sea."
FOX = "The quick brown fox jumps over the lazy dog. "


@pytest.fixture(scope="module", autouse=True)
def key() -> Iterator[None]:
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


@pytest.mark.full  # reading a GGUF file's vocabulary takes seconds
async def test_a_tokenizer_of_the_node_counts_as_the_server_does(server: LlamaProcess, engine: Engine) -> None:
    """Input as llama.cpp counts it; output as the whole text is counted, however it was cut."""
    counting = await UpstreamEngine.open(UpstreamOptions(url=server.url, slots=4, tokenizer=find_demo()))
    for text in ("", "x", POEM, "🎉" * 9, "def f(x):\n\treturn x  # 12345", "词" * 50):
        assert await counting.count(ask(text)) == await engine.count(ask(text))
    assert DEMO.sha256 in counting.capabilities().manifest_json
    count = counting._counts.output
    assert count is not None
    task = ask("Say hello with many emoji 🎉🌍.", max_units=24, temperature=0.0)
    units = []
    for one in (counting, engine):
        pieces, finish = await collect(one.run(task))
        units.append((finish.units, count(b"".join(piece.data for piece in pieces).decode())))
    (exact, whole), (deltas, same) = units
    assert exact == whole and deltas <= same  # a character of several tokens comes as one delta
    await counting.close()


async def test_it_says_what_it_found(server: LlamaProcess, engine: Engine) -> None:
    able = engine.capabilities()
    assert (able.model, able.context, able.engine) == (MODEL, 2048, "upstream")
    assert able.json_schema and able.logprobs and able.continues and not able.tools
    with pytest.raises(TallystickError) as caught:
        await open_engine("upstream", {"url": server.url, "model": "another"})
    assert (caught.value.code, caught.value.values["known"]) == (Code.BAD_SETTINGS, MODEL)


async def test_a_key_that_is_wrong_is_said_so(server: LlamaProcess, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("wrong")
    with pytest.raises(TallystickError) as caught:
        await open_engine(
            "upstream", {"url": server.url + "/v1/", "model": MODEL, "key_file": str(path), "context": 2048}
        )
    assert (caught.value.code, caught.value.values["kind"]) == (Code.ENGINE_FAILED, "the server refuses the key")
