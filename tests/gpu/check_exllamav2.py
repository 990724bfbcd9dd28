"""Our adapter over exllamav2 0.3.2 itself, its CUDA kernels aside: the conformance suite, and what it cannot see.

Run by `just exl2-contract` in an environment that has the package and PyTorch; no part of `./run test`.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from tests.gpu import extension

extension.install()

import torch  # noqa: E402
from exllamav2 import ExLlamaV2Config, ExLlamaV2Tokenizer  # noqa: E402
from exllamav2.generator import ExLlamaV2DynamicGenerator, ExLlamaV2DynamicJob, ExLlamaV2Sampler  # noqa: E402
from exllamav2.model import ExLlamaV2  # noqa: E402

from tallystick_helper.engines import Engine  # noqa: E402
from tallystick_helper.engines.conformance import EngineConformance, ask, collect, text_of  # noqa: E402
from tallystick_helper.engines.exl2 import ref  # noqa: E402
from tallystick_helper.engines.exl2.adapter import open_exl, read_options  # noqa: E402
from tallystick_helper.engines.exl2.backend import Request  # noqa: E402
from tallystick_helper.engines.exl2.folder import read_folder  # noqa: E402
from tallystick_helper.engines.exl2.generator import Job  # noqa: E402
from tallystick_helper.engines.exl2.pump import Pump  # noqa: E402
from tallystick_helper.engines.exl2.sampling import Settings  # noqa: E402
from tallystick_helper.engines.exl2.v2 import Library, V2Backend  # noqa: E402
from tallystick_helper.engines.exl2.v2_real import real  # noqa: E402
from tests.gpu.cpu_model import CpuModel  # noqa: E402
from tests.helper.exl2_models import ROUND, write_clockwork  # noqa: E402

pytestmark = pytest.mark.asyncio(loop_scope="module")
SIZES = {"context": 2048, "chunk": 256, "slots": 4, "queue": 2}


def library() -> Library:
    """The package as it is, with a model whose layers run on the CPU."""
    return replace(real(), model=CpuModel, free=lambda: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clockwork(tmp_path_factory.mktemp("clockwork"))


async def open_over_the_package(folder: Path) -> Engine:
    options = read_options({"path": folder, **SIZES})
    return await open_exl("exl2", "exllamav2", lambda read, o: V2Backend(read, o, library), options, None)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def package(folder: Path) -> AsyncIterator[Engine]:
    engine = await open_over_the_package(folder)
    yield engine
    await engine.close()


class TestConformance(EngineConformance):
    short = ask("Say the alphabet.")
    long = ask("The quick brown fox jumps over the lazy dog. " * 40)
    overflow = ask("The quick brown fox jumps over the lazy dog. " * 50)

    @pytest.fixture(autouse=True)
    def _folder(self, folder: Path) -> None:
        self.folder = folder

    async def open(self) -> Engine:
        return await open_over_the_package(self.folder)

    @pytest.fixture
    def engine(self, package: Engine) -> Engine:
        return package


@pytest.mark.parametrize(("most", "stop", "text"), [
    (35, "", ROUND + "abcde"), (28, "", ROUND[:26]), (30, "", ROUND), (60, "def", "abc"), (60, "z🎉a", ROUND[:25]),
    (6, "def", "abc"), (5, "def", "abcde"),
])  # fmt: skip
async def test_text_and_units_are_exact(package: Engine, most: int, stop: str, text: str) -> None:
    pieces, finish = await collect(package.run(ask("Say it.", max_units=most, stop=(stop,) if stop else ())))
    assert text_of(pieces) == text
    assert finish.units == sum(piece.units for piece in pieces) == len(text.encode())


async def test_its_page_cache_is_shared_within_a_scope_only(folder: Path) -> None:
    options = read_options({"path": folder, **SIZES})
    read = read_folder(folder)
    pump = Pump(V2Backend(read, options, library), "test", read.text.size)
    await pump.open()

    async def reused(scope: bytes, length: int = 700) -> int:
        stream = pump.submit(Request((*b"x" * length, 10), 3, temperature=0.0, scope=scope))
        while not (step := await stream.step()).end:
            pass
        await stream.close()
        return step.reused

    assert await reused(b"one") == 0
    assert await reused(b"two") == 0
    assert await reused(b"one") >= 512
    assert await reused(b"") == await reused(b"") == 0
    assert await reused(b"three", 100) == await reused(b"four", 100) == 0  # less than a page: compared id by id
    assert await reused(b"three", 100) > 0
    await pump.close()


async def test_the_salt_changes_nothing_that_the_model_reads(folder: Path) -> None:
    backend = V2Backend(read_folder(folder), read_options({"path": folder, **SIZES}), library)
    backend.load()
    job = backend.job(Request((10, 97, 98), 3, scope=b"one"))
    ids, embed = job.sequences[0].sequence_ids.torch(), backend._model.modules[0]
    assert ids[0, 0] >= 1_000_000_000 and ids[0, 1:].tolist() == [97, 98]
    params = type("Params", (), {})()
    salted = embed.forward(ids, attn_params=params, indexed_embeddings=job.embeddings)
    assert torch.equal(salted, embed.forward(torch.tensor([[10, 97, 98]])))
    backend.unload()


async def test_it_reads_our_folder(folder: Path) -> None:
    config = ExLlamaV2Config(str(folder))
    config.arch_compat_overrides(warn_only=True)
    assert (config.num_hidden_layers, config.num_key_value_heads, config.vocab_size) == (2, 2, 384)
    tokenizer, ours = ExLlamaV2Tokenizer(config), read_folder(folder).text
    for text in ("<|im_start|>user\nHello, 123 🎉<|im_end|>\n", "café\t \x00", ""):
        theirs = tokenizer.encode(text, add_bos=False, encode_special_tokens=True)
        assert theirs[0].tolist() == ours.encode(text)
    pieces = tokenizer.get_id_to_piece_list(False)
    assert [len(pieces[token]) for token in (97, 256, 257)] == [1, 0, 0]


async def test_our_generator_has_its_arguments() -> None:
    """Names, order and defaults of what the reference has; and that all of the door's calls can be made."""
    own = inspect.signature(Job).parameters
    theirs = inspect.signature(ExLlamaV2DynamicJob).parameters
    assert list(own) == list(theirs)
    assert [one.default for one in own.values()] == [one.default for one in theirs.values()]
    usual = ExLlamaV2Sampler.Settings()
    for name in Settings.__slots__:
        assert getattr(usual, name) == getattr(Settings(), name)
    for name in ("enqueue", "iterate", "cancel", "num_remaining_jobs"):
        assert list(inspect.signature(getattr(ExLlamaV2DynamicGenerator, name)).parameters) == list(
            inspect.signature(getattr(ref.Generator, name)).parameters
        )
    made = inspect.signature(ExLlamaV2DynamicGenerator).bind(
        model=1, cache=1, tokenizer=1, max_batch_size=1, max_seq_len=1, max_chunk_size=1, paged=True
    )
    assert "kwargs" not in made.arguments
    inspect.signature(ExLlamaV2.load).bind(None, [1.0])
    inspect.signature(ExLlamaV2.load_autosplit).bind(None, 1, reserve_vram=1)
    inspect.signature(ExLlamaV2.load_tp).bind(None, [1.0], expect_cache_tokens=1, expect_cache_base=int)
    found = real()
    for cache in found.caches.values():
        inspect.signature(cache).bind(1, max_seq_len=256, lazy=True)
    inspect.signature(found.cache_tp).bind(1, base=int, max_seq_len=256)
