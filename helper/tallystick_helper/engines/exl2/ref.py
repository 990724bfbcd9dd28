"""The reference under exllamav2's names, so that the same door opens both: model, cache, generator, all in numpy.

`Library` in `v2` says what each is for. What makes no difference here (GPUs, quantised caches) is taken and ignored.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from .folder import read_folder
from .generator import Cache, Generator, Job
from .llama import FIRST_VECTOR, Llama, Vectors
from .sampling import Settings
from .tensors import FolderTensors
from .text import Text
from .v2 import Library

_indices = itertools.count(FIRST_VECTOR)


class Config:
    """Stands where `ExLlamaV2Config` does."""

    def __init__(self, model_dir: str) -> None:
        self.model_dir = model_dir
        self.max_seq_len = 0
        self.max_input_len = 2048
        self.max_attention_size = 2048**2
        self.no_flash_attn = False
        self.arch = SimpleNamespace(lm=SimpleNamespace(mrope=False))

    def arch_compat_overrides(self, quiet: bool = False, warn_only: bool = False) -> None:
        """The reference runs everywhere."""


class Model:
    """Stands where `ExLlamaV2` does, around `Llama`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._llama: Llama | None = None

    @property
    def llama(self) -> Llama:
        if self._llama is None:
            raise RuntimeError("the model is not loaded")
        return self._llama

    def load(self, gpu_split: list[float] | None = None, **_: Any) -> None:
        path = Path(self.config.model_dir)
        self._llama = Llama(read_folder(path).config, FolderTensors(path))

    def load_autosplit(self, cache: Any, reserve_vram: int | None = None, **_: Any) -> None:
        self.load()

    def load_tp(self, gpu_split: list[float] | None = None, **_: Any) -> None:
        self.load()

    def unload(self) -> None:
        self._llama = None


def library(threads: int = 0) -> Library:
    """The reference, on so many of numpy's threads; 0 leaves them as they are."""
    if threads:
        ThreadpoolController().limit(limits=threads, user_api="blas")
    cache: Any = _cache
    return Library(
        config=Config,
        model=Model,
        caches=dict.fromkeys(("fp16", "q8", "q6", "q4"), cache),
        cache_tp=lambda model, base, max_seq_len: base(model, max_seq_len=max_seq_len),
        tokenizer=lambda config: Text(Path(config.model_dir) / "tokenizer.json"),
        generator=_generator,
        job=Job,
        settings=Settings,
        vectors=_vectors,
        tensor=lambda ids: np.array([ids], np.int64),
        paged=lambda: True,
        free=lambda: None,
    )


def _cache(model: Model, max_seq_len: int, lazy: bool = False) -> Cache:
    return Cache(max_seq_len, lazy)


def _generator(model: Model, **values: Any) -> Generator:
    return Generator(model=model.llama, **values)


def _vectors(model: Model, token: int) -> Vectors:
    return Vectors(next(_indices), model.llama.embed([token]))
