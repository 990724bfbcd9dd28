"""The adapter over the reference: the seat's promises, for `exl2_ref` as a provider opens it, and for the door to
exllamav2 with the settings of a machine with several GPUs. Everything is real but the library's kernels.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tallystick_helper.engines import Engine, Reason, Task, open_engine
from tallystick_helper.engines.chat import ChatTask
from tallystick_helper.engines.conformance import EngineConformance, ask, collect, first_piece, text_of
from tallystick_helper.engines.exl2.adapter import job_request, open_exl, read_options
from tallystick_helper.engines.exl2.backend import Generator
from tallystick_helper.engines.exl2.folder import read_folder
from tallystick_helper.engines.exl2.ref import library
from tallystick_helper.engines.exl2.v2 import V2Backend
from tallystick_shared.chat import ChatInput, ChatParams, FrameReader, Message, Scored, encode_input, encode_params
from tallystick_shared.errors import Code, TallystickError
from tests.helper.exl2_models import ROUND, write_clockwork

pytestmark = pytest.mark.asyncio(loop_scope="module")
SIZES = {"context": 2048, "chunk": 256, "slots": 4, "queue": 2, "threads": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clockwork(tmp_path_factory.mktemp("clockwork"))


async def open_reference(folder: Path) -> Engine:
    """`exl2_ref`, opened by name."""
    return await open_engine("exl2_ref", {"path": folder, **SIZES})


async def open_adapter(folder: Path) -> Engine:
    """The door to exllamav2, with every setting that it knows."""
    values = {"path": folder, **SIZES, "cache": "q6", "gpu_split": (20.0, 24.0), "tensor_parallel": True}
    return await open_exl(
        "exl2",
        "exllamav2",
        lambda read, options: V2Backend(read, options, lambda: library(1)),
        read_options(values),
        None,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reference(folder: Path) -> AsyncIterator[Engine]:
    engine = await open_reference(folder)
    yield engine
    await engine.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def adapter(folder: Path) -> AsyncIterator[Engine]:
    engine = await open_adapter(folder)
    yield engine
    await engine.close()


class _Conformance(EngineConformance):
    short = ask("Say the alphabet.")
    long = ask("The quick brown fox jumps over the lazy dog. " * 40)
    overflow = ask("The quick brown fox jumps over the lazy dog. " * 50)

    @pytest.fixture(autouse=True)
    def _folder(self, folder: Path) -> None:
        self.folder = folder


class TestReference(_Conformance):
    async def open(self) -> Engine:
        return await open_reference(self.folder)

    @pytest.fixture
    def engine(self, reference: Engine) -> Engine:
        return reference


class TestAdapterOverTheReference(_Conformance):
    async def open(self) -> Engine:
        return await open_adapter(self.folder)

    @pytest.fixture
    def engine(self, adapter: Engine) -> Engine:
        return adapter


async def test_it_says_a_known_text(reference: Engine) -> None:
    pieces, finish = await collect(reference.run(ask("Say it.", max_units=35)))
    assert text_of(pieces) == ROUND + "abcde"
    assert (finish.reason, finish.units) == (Reason.LENGTH, 35)
    assert [piece.units for piece in pieces] == [1] * 26 + [4] + [1] * 5


async def test_a_limit_within_a_character_leaves_it_out(reference: Engine) -> None:
    pieces, finish = await collect(reference.run(ask("Say it.", max_units=28)))
    assert (text_of(pieces), finish.reason, finish.units) == (ROUND[:26], Reason.LENGTH, 26)


@pytest.mark.parametrize(
    ("stop", "text"), [("def", "abc"), ("🎉", ROUND[:26]), ("z🎉a", ROUND[:25]), ("xyzzy", ROUND + "a")]
)
async def test_stop_strings(reference: Engine, stop: str, text: str) -> None:
    pieces, finish = await collect(reference.run(ask("Say it.", max_units=31, stop=(stop,))))
    assert text_of(pieces) == text
    assert finish.units == len(text.encode())
    assert finish.reason is (Reason.LENGTH if stop == "xyzzy" else Reason.STOP)


async def test_the_end_token_ends_it_and_what_was_held_back_comes(tmp_path: Path) -> None:
    folder = write_clockwork(tmp_path / "short", spoken="hello"[:3], ends=True)
    engine = await open_engine("exl2_ref", {"path": folder, **SIZES})
    pieces, finish = await collect(engine.run(ask("Say it.", stop=("l!",))))
    assert (text_of(pieces), finish.reason, finish.units) == ("hel", Reason.STOP, 3)
    await engine.close()


async def test_context_ends_the_answer_with_length(reference: Engine) -> None:
    task = ask("x" * 1900, max_units=1000)
    _, finish = await collect(reference.run(task))
    assert finish.reason is Reason.LENGTH
    assert 2048 - await reference.count(task) - 3 <= finish.units <= 2048 - await reference.count(task)


async def test_an_answer_goes_on_from_what_was_said(reference: Engine) -> None:
    turns = ChatInput((Message("user", "Say it."), Message("assistant", "abcdef")))
    task = Task("chat", encode_input(turns), encode_params(ChatParams(continues=True)), 3)
    pieces, _ = await collect(reference.run(task))
    assert text_of(pieces) == "ghi"


async def test_who_waits_for_money_leaves_the_batch_and_goes_on_where_it_was(reference: Engine) -> None:
    run = reference.run(ask("Say it.", max_units=60, scope=b"one"))
    allowed = 7
    run.gate = lambda units: run.made + units <= allowed
    pieces = [await first_piece(run) for _ in range(7)]
    while reference._pump._streams:  # type: ignore[attr-defined]
        await reference.count(ask("Another."))
    assert run.made == 7
    allowed = 40
    run.look()
    pieces += [await first_piece(run) for _ in range(20)]
    run.gate = None
    run.look()
    rest, finish = await collect(run)
    assert text_of([*pieces, *rest]) == ROUND * 2
    assert (finish.reason, finish.units) == (Reason.LENGTH, 60)


async def test_log_probabilities_have_the_tokens(reference: Engine) -> None:
    pieces, _ = await collect(reference.run(ask("Say it.", max_units=2, logprobs=3)))
    scored = [one for piece in pieces for one in FrameReader(Scored).feed(piece.data)]
    assert [one.tokens[0].chosen.data for one in scored] == [b"a", b"b"]
    assert [len(one.tokens[0].top) for one in scored] == [3, 3]
    assert scored[0].tokens[0].top[0] == scored[0].tokens[0].chosen


async def test_an_engine_that_fails_bills_what_was_delivered_and_goes_on(folder: Path) -> None:
    class Fails(V2Backend):
        left = 8

        def build(self) -> Generator:
            generator = super().build()
            iterate = generator.iterate

            def counted() -> list[Any]:
                self.left -= 1
                if not self.left:
                    raise RuntimeError("CUDA error: out of memory")
                return iterate()

            generator.iterate = counted  # type: ignore[method-assign]
            return generator

    options = read_options({"path": folder, **SIZES})
    engine = await open_exl("exl2", "exllamav2", lambda read, o: Fails(read, o, lambda: library(1)), options, None)
    pieces, finish = await collect(engine.run(ask("Say it.")))
    assert finish.error is not None and finish.error.code is Code.ENGINE_FAILED
    assert finish.units == sum(piece.units for piece in pieces) == len(text_of(pieces)) > 0
    assert engine.load().running == 0
    pieces, _ = await collect(engine.run(ask("Say it.", max_units=3)))
    assert text_of(pieces) == "abc"
    await engine.close()


async def test_capabilities_tell_what_the_folder_is(reference: Engine, folder: Path) -> None:
    able, files = reference.capabilities(), read_folder(folder).files()
    assert (able.engine, able.model, able.quantisation) == ("exl2_ref", folder.name, "exl2 8 bpw")
    assert able.architecture == "LlamaForCausalLM"
    assert able.size == sum(path.stat().st_size for path in files)
    assert not able.json_schema and not able.tools and able.continues
    assert set(json.loads(able.manifest_json)["files"]) == {path.name for path in files}


async def test_a_template_that_refuses_is_a_bad_request(tmp_path: Path) -> None:
    folder = write_clockwork(tmp_path / "strict", layers=1)
    (folder / "chat_template.jinja").write_text(
        "{% if messages | length > 1 %}{{ raise_exception('one') }}{% endif %}\n"
    )
    engine = await open_engine("exl2_ref", {"path": folder, **SIZES})
    turns = ChatInput((Message("user", "a"), Message("user", "b")))
    task = Task("chat", encode_input(turns))
    with pytest.raises(TallystickError) as caught:
        await engine.count(task)
    assert caught.value.code is Code.BAD_REQUEST
    _, finish = await collect(engine.run(task))
    assert finish.error is not None and finish.error.code is Code.BAD_REQUEST
    await engine.close()


@pytest.mark.parametrize(
    "values",
    [
        {"context": 300}, {"context": 0}, {"chunk": 100}, {"slots": 0}, {"queue": -1}, {"cache": "q5"}, {"no": 1},
        {"cache_tokens": 256}, {"gpu_split": [0.0]}, {"context": 16384}, {"path": ""},
    ],
)  # fmt: skip
async def test_settings_that_make_no_sense(folder: Path, values: dict[str, Any]) -> None:
    with pytest.raises(TallystickError) as caught:
        await open_engine("exl2_ref", {"path": folder, **values})
    assert caught.value.code is Code.BAD_SETTINGS


async def test_what_a_request_leaves_open_comes_from_the_model_or_the_provider(folder: Path) -> None:
    read = read_folder(folder)
    read.generation.update(temperature=0.6, top_p=0.9, top_k=20, repetition_penalty=1.1)
    options = read_options({"path": folder, "top_p": 0.5})
    made = job_request(ChatTask((), 9), [1, 2], 5, read, options)
    assert (made.temperature, made.top_p, made.top_k, made.max_tokens) == (0.6, 0.5, 20, 5)
    assert made.ends == {257, 258}
    asked = job_request(ChatTask((), 3, temperature=0.0, top_p=1.0, top_k=1), [1, 2], 5, read, options)
    assert (asked.temperature, asked.top_p, asked.top_k, asked.max_tokens) == (0.0, 1.0, 1, 3)
    unending = job_request(ChatTask((), 3), [1], 5, read, read_options({"path": folder, "ignore_eos": True}))
    assert unending.ends == frozenset()
