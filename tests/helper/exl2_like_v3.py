"""The reference under exllamav3's names: what differs from exllamav2 in how a model is loaded and a job is made.

Signatures are those of exllamav3 1.6.5, as far as the door to it uses them; `just exl2-contract` holds them against the
package itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tallystick_helper.engines.exl2 import ref
from tallystick_helper.engines.exl2.generator import Cache, Generator, Job
from tallystick_helper.engines.exl2.llama import Vectors
from tallystick_helper.engines.exl2.sampling import Settings
from tallystick_helper.engines.exl2.text import Text
from tallystick_helper.engines.exl2.v3 import Library


class Config:
    def __init__(self, directory: str) -> None:
        self.directory = directory

    @staticmethod
    def from_directory(directory: str) -> Config:
        return Config(directory)


class Embedding:
    """The first module: all that is asked of it is a token's vector."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def load(self, device: object) -> None:
        """It stays where the model is."""


class Model:
    def __init__(self, config: Config) -> None:
        self.inner = ref.Model(ref.Config(config.directory))
        self.modules = [Embedding(self)]
        self.caps: dict[str, object] = {"mrope": True}
        self.cache: LikeCache | None = None
        self.loaded: dict[str, Any] = {}

    @staticmethod
    def from_config(config: Config) -> Model:
        return Model(config)

    def load(self, *, use_per_device: list[float] | None, tensor_p: bool, max_chunk_size: int) -> None:
        assert self.cache is not None, "the cache is made before the weights are loaded"
        self.loaded = {"use_per_device": use_per_device, "tensor_p": tensor_p}
        self.inner.load()
        self.cache.initialized = True

    def unload(self) -> None:
        self.inner.unload()


class LikeCache:
    def __init__(self, model: Model, max_num_tokens: int, layer_type: Any = None, max_batch_size: int = 16,
                 **bits: int) -> None:  # fmt: skip
        model.cache = self
        self.initialized = False
        self.owned = False
        self.tokens = max_num_tokens
        self.kind = layer_type, bits


def generator(
    model: Model, cache: LikeCache, tokenizer: Text, max_batch_size: int = 256, max_chunk_size: int = 2048
) -> Generator:
    assert cache.initialized and not cache.owned, "a cache has one generator"
    cache.owned = True
    made = Generator(model.inner.llama, Cache(cache.tokens), tokenizer, max_batch_size, max_chunk_size=max_chunk_size)
    return made


def sampler(rep_p: float = 1.0, freq_p: float = 0.0, pres_p: float = 0.0, temperature: float = 1.0,
            min_p: float = 0.0, top_k: int = 0, top_p: float = 1.0) -> Settings:  # fmt: skip
    return Settings(
        token_repetition_penalty=rep_p,
        token_frequency_penalty=freq_p,
        token_presence_penalty=pres_p,
        temperature=temperature,
        min_p=min_p,
        top_k=top_k,
        top_p=top_p,
    )


def job(input_ids: Any, max_new_tokens: int | None = None, *, sampler: Settings, seed: int | None,
        stop_conditions: list[Any], decode_special_tokens: bool, return_logits: bool, filters: list[Any],
        embeddings: list[Vectors]) -> Job:  # fmt: skip
    return Job(
        input_ids,
        max_new_tokens or 1,
        gen_settings=sampler,
        seed=seed,
        stop_conditions=stop_conditions,
        return_logits=return_logits,
        filters=filters,
        embeddings=embeddings,
    )


def library(seen: list[Any] | None = None) -> Library:
    """`seen` gets the schema of each filter that is made, and what it starts from; the reference itself has no filters,
    and refuses the job.
    """

    def json_filter(tokenizer: Text, *, eos_after_completed: bool, json_schema: dict[str, Any],
                    prefix_str: str | None = None, consume_prefix: bool = False) -> Any:  # fmt: skip
        assert eos_after_completed and consume_prefix == bool(prefix_str)
        (seen if seen is not None else []).append((json_schema, prefix_str))
        return json_schema

    base = ref.library(1)
    return Library(
        config=Config,
        model=Model,
        cache=LikeCache,
        cache_quant="quantised",
        tokenizer=type(
            "Tokenizer", (), {"from_config": staticmethod(lambda c: base.tokenizer(ref.Config(c.directory)))}
        ),
        generator=generator,
        job=job,
        sampler=sampler,
        json_filter=json_filter,
        draw=lambda rng: rng.random(),
        vectors=lambda embedder, token: base.vectors(embedder.model.inner, token),
        tensor=lambda ids: np.array([ids], np.int64),
        cpu="cpu",
        free=lambda: None,
    )
