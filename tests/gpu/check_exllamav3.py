"""The door to exllamav3 against the package itself, its CUDA kernels aside: which calls it takes, what its jobs and
filters make of them, what it reads of a folder. Its generator needs a GPU for every step, so no answer is made here.
"""

from __future__ import annotations

import inspect
import json
import random
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch

from tallystick_helper.engines.exl2.adapter import read_options
from tallystick_helper.engines.exl2.backend import Request
from tallystick_helper.engines.exl2.folder import read_folder
from tallystick_helper.engines.exl2.v3 import Library, V3Backend
from tests.gpu import fake_modules
from tests.helper import exl2_like_v3
from tests.helper.exl2_models import write_clockwork

fake_modules.install("exllamav3_ext", "triton")

import exllamav3  # noqa: E402
from exllamav3.modules.embedding import Embedding  # noqa: E402

from tallystick_helper.engines.exl2.v3_real import real  # noqa: E402

SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its weights are EXL2, which exllamav3 does not read; only its configuration and its tokenizer are looked at."""
    return write_clockwork(tmp_path_factory.mktemp("clockwork"))


def bound(function: Any, *args: Any, **values: Any) -> None:
    """The call can be made, and nothing of it falls into a catch-all."""
    found = inspect.signature(function).bind(*args, **values)
    assert not found.arguments.get("kwargs"), f"{function} does not know {found.arguments['kwargs']}"


def test_every_call_of_the_door_can_be_made() -> None:
    library = real()
    bound(library.config.from_directory, "folder")
    bound(library.model.from_config, 1)
    inspect.signature(library.cache).bind(1, max_num_tokens=256, max_batch_size=16)
    bound(library.cache_quant, 1, 2, 3, 256, k_bits=4, v_bits=4)
    bound(library.model.load_gen, None, use_per_device=[1.0], tensor_p=True, max_chunk_size=512)
    bound(library.model.unload, None)
    bound(library.tokenizer.from_config, 1)
    bound(library.generator, model=1, cache=2, tokenizer=3, max_batch_size=4, max_chunk_size=512)
    bound(library.json_filter, 1, eos_after_completed=True, json_schema={}, prefix_str="{", consume_prefix=True)
    for name in ("enqueue", "cancel"):
        bound(getattr(library.generator, name), None, 1)
    for name in ("iterate", "num_remaining_jobs"):
        bound(getattr(library.generator, name), None)


def test_the_stand_in_of_our_tests_asks_for_no_more_than_the_package_has() -> None:
    pairs = {exl2_like_v3.job: exllamav3.Job, exl2_like_v3.generator: exllamav3.Generator,
             exl2_like_v3.sampler: exllamav3.ComboSampler}  # fmt: skip
    for ours, theirs in pairs.items():
        known = set(inspect.signature(theirs).parameters)
        assert set(inspect.signature(ours).parameters) <= known
    assert {field.name for field in fields(Library)} == {field.name for field in fields(type(real()))}


def test_it_reads_the_configuration_and_the_tokens(folder: Path) -> None:
    config = exllamav3.Config.from_directory(str(folder))
    assert type(config).__name__ == "LlamaConfig" and config.eos_token_id_list == [257, 258]
    tokenizer, ours = exllamav3.Tokenizer.from_config(config), read_folder(folder).text
    for text in ("<|im_start|>user\nHello, 123 🎉<|im_end|>\n", "café\t"):
        theirs = tokenizer.encode(text, encode_special_tokens=True)
        assert theirs[0].tolist() == ours.encode(text)


def test_our_jobs_are_jobs(folder: Path) -> None:
    """Made by the door, with salt, sampler, seed, stops and a filter of llguidance over the folder's own tokenizer."""
    config = exllamav3.Config.from_directory(str(folder))
    backend = V3Backend(read_folder(folder), read_options({"path": folder}), real)
    backend._library = replace(real(), vectors=_vectors)
    backend._model, backend._tokenizer = MagicMock(), exllamav3.Tokenizer.from_config(config)
    backend._salts = _salts(backend)
    request = Request((10, 97), 5, frozenset({257}), ("stop",), seed=3, scope=b"one", likelihoods=2, json_schema=SCHEMA)
    job = backend.job(request)
    ids = job.sequences[0].input_ids.torch()[0].tolist()
    assert ids[0] >= 1_000_000_000 and ids[1] == 97
    assert (job.max_new_tokens, job.stop_tokens, job.stop_strings, job.seed) == (5, {257}, {"stop"}, 3)
    assert job.return_logits and len(job.filters) == 1 and len(job.embeddings) == 1
    plain = backend.job(Request((10,), 1, temperature=0.0))
    assert type(plain.sampler) is exllamav3.ComboSampler and plain.filters == [] and not plain.return_logits


def test_a_filter_keeps_to_the_schema(folder: Path) -> None:
    """llguidance over a real tokenizer of the package: only what the schema allows may come next."""
    config = exllamav3.Config.from_directory(str(folder))
    tokenizer = exllamav3.Tokenizer.from_config(config)
    made = exllamav3.LLGuidanceFilter(tokenizer, eos_after_completed=True, json_schema=SCHEMA)
    text = b'{"ok":true}'
    for value in text:
        mask = made.get_next_logit_mask()[0].tolist()
        assert mask[value // 32] >> (value % 32) & 1, f"{chr(value)} is not allowed"
        made.accept_token(value)
    assert made.is_completed() and json.loads(text)["ok"]


def test_a_filter_goes_on_from_what_was_said(folder: Path) -> None:
    """Also after the reset with which a job begins."""
    backend = V3Backend(read_folder(folder), read_options({"path": folder, "shared_cache": True}), real)
    backend._library, backend._model = real(), MagicMock()
    backend._tokenizer = exllamav3.Tokenizer.from_config(exllamav3.Config.from_directory(str(folder)))
    begun = '{"ok":tr'
    ids = (10, *begun.encode())
    job = backend.job(Request(ids, 5, seed=3, json_schema=SCHEMA, drawn=len(begun), begun=begun))
    plain = random.Random(3)
    assert [plain.randint(0, (1 << 32) - 1) for _ in begun] and job.rng.getstate() == plain.getstate()
    (made,) = job.filters
    made.reset()
    for value in b"ue}":
        assert made.get_next_logit_mask()[0].tolist()[value // 32] >> (value % 32) & 1
        made.accept_token(value)
    assert made.is_completed()


@pytest.mark.parametrize("scaled", [{}, {"normalize": True}, {"multiplier": 3.0}])
def test_the_salt_changes_nothing_that_the_model_reads(scaled: dict[str, Any]) -> None:
    embedder = Embedding(None, "embed", 300, 32, **scaled)
    embedder.embedding, embedder.device = torch.nn.Embedding(300, 32), "cpu"
    vectors = real().vectors(embedder, 10)
    with torch.inference_mode():
        salted = embedder.forward(torch.tensor([[vectors.first_index, 97]]), {"indexed_embeddings": [vectors]})
        assert torch.equal(salted, embedder.forward(torch.tensor([[10, 97]]), {}))


def _vectors(embedder: Any, token: int) -> Any:
    row = torch.zeros((1, 384))
    return exllamav3.MMEmbedding(embeddings=row, token_string=torch.tensor([[-1]], dtype=torch.long))


def _salts(backend: V3Backend) -> Any:
    from tallystick_helper.engines.exl2.salt import Salts

    return Salts(lambda token: _vectors(None, token), lambda vectors: int(vectors.first_index))
