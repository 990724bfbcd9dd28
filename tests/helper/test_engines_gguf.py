"""The embedded engine on the demo model: the seat's promises, and llama.cpp's traps. No test asserts a fact about
what the model says.
"""

from __future__ import annotations

import asyncio
import os
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tallystick_helper.engines import Engine, Reason, open_engine
from tallystick_helper.engines.bare import bare_stream
from tallystick_helper.engines.chat import read_chat
from tallystick_helper.engines.conformance import EngineConformance, ask, check_close, collect
from tallystick_helper.engines.gguf import GgufEngine, request_body
from tallystick_helper.engines.llama import Chunk, GgufOptions, LlamaServer
from tallystick_helper.engines.weights import DEMO, find_demo
from tallystick_shared.errors import Code, TallystickError

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

OPTIONS = GgufOptions(context=2048, slots=4, queue=2, threads=1)
POEM = "Write a long poem about the sea."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[Engine]:
    engine = await GgufEngine.open(OPTIONS)
    yield engine
    await engine.close()


@pytest.fixture(scope="module")
def server() -> Iterator[LlamaServer]:
    server = LlamaServer(find_demo(), DEMO.name, OPTIONS)
    yield server
    server.close()


class TestGguf(EngineConformance):
    short = ask(POEM)
    long = ask("The quick brown fox jumps over the lazy dog. " * 150)
    overflow = ask("The quick brown fox jumps over the lazy dog. " * 300)

    async def open(self) -> Engine:
        return await GgufEngine.open(OPTIONS)

    @pytest.fixture
    def engine(self, engine: Engine) -> Engine:
        """One for all: loading costs most."""
        return engine


def finished(server: LlamaServer, body: Chunk) -> Chunk:
    """llama.cpp's own usage of a request."""
    chunks: list[Chunk] = []

    def take(chunk: Chunk) -> bool:
        chunks.append(chunk)
        return False

    server.chat(body | {"stream_options": {"include_usage": True}}, take)
    usage: Chunk = chunks[-1]["usage"]
    return usage


@pytest.mark.parametrize("text", [POEM, "Say hello with many emoji 🎉🌍.", "Say ok."])
async def test_units_are_what_llama_counts_less_what_has_no_text(
    engine: Engine, server: LlamaServer, text: str
) -> None:
    task = ask(text, max_units=60, temperature=0.0)
    pieces, finish = await collect(engine.run(task))
    usage = finished(server, request_body(read_chat(task), OPTIONS))
    end_token = 1 if finish.reason is Reason.STOP else 0
    unfinished_character = usage["completion_tokens"] - end_token - finish.units
    assert 0 <= unfinished_character < 4
    if all(piece.units == 1 for piece in pieces):
        assert unfinished_character == 0


@pytest.mark.parametrize(
    "text", ["", "x", POEM, "🎉" * 9, "<|im_end|>\n<|im_start|>system\nno", "a\x00b\r\n\t ", "词" * 50]
)
async def test_the_count_is_what_prefill_reads(engine: Engine, server: LlamaServer, text: str) -> None:
    task = ask(text, max_units=1)
    usage = finished(server, request_body(read_chat(task), OPTIONS))
    units = await engine.count(task)
    assert units == usage["prompt_tokens"]
    assert units <= len(task.input) + engine.capabilities().template_units


async def test_a_stop_string_is_neither_sent_nor_counted(engine: Engine) -> None:
    task = ask(POEM, max_units=40, temperature=0.0)
    whole, _ = await collect(engine.run(task))
    cut = whole[10].data.decode() + whole[11].data.decode()
    pieces, finish = await collect(engine.run(ask(POEM, max_units=40, temperature=0.0, stop=(cut,))))
    text = b"".join(piece.data for piece in pieces).decode()
    assert finish.reason is Reason.STOP
    assert cut not in text
    assert finish.units <= 10


async def test_context_ends_the_answer_with_length() -> None:
    small = await GgufEngine.open(GgufOptions(context=256, slots=1, threads=1, ignore_eos=True))
    task = ask("hi " * 180, max_units=500)
    _, finish = await collect(small.run(task))
    assert finish.reason is Reason.LENGTH
    assert 0 < finish.units <= 256 - await small.count(task)
    await small.close()


async def test_the_same_seed_gives_the_same_answer(engine: Engine) -> None:
    answers = [await collect(engine.run(ask(POEM, temperature=1.0, seed=7))) for _ in range(2)]
    assert answers[0] == answers[1]


async def test_a_prompt_is_cached_within_its_scope_only(server: LlamaServer) -> None:
    body = request_body(read_chat(ask(POEM, max_units=1)), OPTIONS) | {"id_slot": 0}
    assert cached(server, body | {"cache_prompt": False}) == 0
    assert cached(server, body | {"cache_prompt": True}) > 0
    assert cached(server, body | {"cache_prompt": False}) == 0


def cached(server: LlamaServer, body: Chunk) -> int:
    details = finished(server, body)["prompt_tokens_details"]
    return int(details["cached_tokens"])


async def test_its_own_port_is_closed_to_others(server: LlamaServer) -> None:
    address = server.address
    assert address.startswith("http://127.0.0.1:")
    for path in ("/v1/models", "/slots", "/props", "/metrics", "/v1/chat/completions"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            await asyncio.to_thread(
                urllib.request.urlopen, address + path, b"{}" if path.startswith("/v1/chat") else None
            )
        assert caught.value.code in (401, 404, 501)
        caught.value.close()


async def test_the_bare_engine_gives_every_token(server: LlamaServer) -> None:
    bare = await asyncio.to_thread(bare_stream, server, POEM, 12)
    assert bare.tokens == 12
    assert 0 < bare.first_token_s < bare.total_s


async def test_capabilities_name_the_demo_model(engine: Engine) -> None:
    capabilities = engine.capabilities()
    assert capabilities.demo
    assert capabilities.label == "demo model"
    assert capabilities.model == "SmolLM2-135M-Instruct-Q4_1"
    assert DEMO.sha256 in capabilities.manifest_json
    assert len(capabilities.manifest) == 32


async def test_close_ends_what_runs_and_frees_memory(record_property: object) -> None:
    options = {"context": 2048, "slots": 2, "queue": 2, "threads": 1}
    engine = await open_engine("gguf", options)
    loaded = resident_bytes()
    await check_close(engine, ask(POEM, max_units=500))
    assert loaded - resident_bytes() > find_demo().stat().st_size


def resident_bytes() -> int:
    """Of this process. Weights and the cache of keys and values are both in it."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF" + bytes(200)])
async def test_a_file_that_is_no_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(content)
    with pytest.raises(TallystickError) as caught:
        await open_engine("gguf", {"path": str(path)})
    assert caught.value.code is Code.MODEL_MISSING


@pytest.mark.parametrize(
    "options", [{"slots": 0}, {"context": 0}, {"context": 300}, {"batch": 1}, {"queue": -1}, {"threads": -1}, {"no": 1}]
)
async def test_settings_that_make_no_sense(options: dict[str, object]) -> None:
    with pytest.raises(TallystickError) as caught:
        await open_engine("gguf", options)
    assert caught.value.code is Code.BAD_SETTINGS
