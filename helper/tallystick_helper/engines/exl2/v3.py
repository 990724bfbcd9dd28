"""The door to exllamav3 ≥ 1.6.5: the same shape as exllamav2, other names.

Differences that matter: the cache is made before the weights are loaded and belongs to one generator, so building anew
means loading anew; samplers are objects; JSON schemas are filters of llguidance; a failed job reports `error` itself.
"""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tallystick_shared.errors import Code, LocalError

from .backend import Generator, Request
from .folder import Folder
from .options import ExlOptions
from .salt import Salts

_BITS = {"q8": 8, "q6": 6, "q4": 4}
# A vector in place of a token is taken for an image, whose positions and chunks follow other rules. Ours is one token
# of text at position 0, so the plain rules are the right ones.
_NO_IMAGES = {"mrope": False, "atomic_mm_prefill": False, "mm_exact_chunks": False}


@dataclass(frozen=True, slots=True)
class Library:
    """The names of exllamav3 that are used, and what differs with how tensors are made."""

    config: Any
    model: Any
    cache: Any
    cache_quant: Any
    """`CacheLayer_quant`"""
    tokenizer: Any
    generator: Any
    job: Any
    sampler: Any
    """`ComboSampler`"""
    json_filter: Any
    """`LLGuidanceFilter`"""
    draw: Callable[[Any], Any]
    """Takes from a job's `rng` what each token takes."""
    vectors: Callable[[Any, int], Any]
    """`MMEmbedding` of an embedding module and a token."""
    tensor: Callable[[list[int]], Any]
    """Ids as a tensor of shape (1, n)."""
    cpu: Any
    """The device to keep a table of embeddings on where the model itself is split over processes."""
    free: Callable[[], None]


class V3Backend:
    """A model on exllamav3."""

    json_schema = True

    def __init__(self, folder: Folder, options: ExlOptions, library: Callable[[], Library]) -> None:
        self._folder = folder
        self._options = options
        self._import = library
        self._library: Library | None = None
        self._model: Any = None
        self._cache: Any = None
        self._tokenizer: Any = None
        self._embedder: Any = None
        self._salts: Salts[Any] | None = None
        self.slots = options.slots

    def load(self) -> None:
        library = self._library = self._library or self._import()
        options = self._options
        config = library.config.from_directory(str(self._folder.path))
        self._model = library.model.from_config(config)
        kind = {}
        if options.cache in _BITS:
            bits = _BITS[options.cache]
            kind = {"layer_type": library.cache_quant, "k_bits": bits, "v_bits": bits}
        tokens = options.whole_cache(self.slots)
        self._cache = library.cache(self._model, max_num_tokens=tokens, max_batch_size=max(16, self.slots), **kind)
        self._embedder = self._model.modules[0]
        if options.tensor_parallel:
            self._embedder = copy.copy(self._embedder)
            self._embedder.load(library.cpu)
        self._model.load(
            use_per_device=list(options.gpu_split) or None,
            tensor_p=options.tensor_parallel,
            max_chunk_size=max(options.chunk, 8 * self.slots),
        )
        self._model.caps.update(_NO_IMAGES)
        self._tokenizer = library.tokenizer.from_config(config)
        self._salts = Salts(
            lambda token: library.vectors(self._embedder, token), lambda vectors: int(vectors.first_index)
        )

    def build(self) -> Generator:
        library = self._library
        if library is None or self._cache is None:
            self.unload()
            self.load()
        library = self._known()
        cache, self._cache = self._cache, None  # the next build makes another one, and loads for it
        generator: Generator = library.generator(
            model=self._model,
            cache=cache,
            tokenizer=self._tokenizer,
            max_batch_size=self.slots,
            max_chunk_size=self._options.chunk,
        )
        return generator

    def job(self, request: Request) -> Any:
        library = self._known()
        ids: list[int] = list(request.ids)
        vectors: list[Any] = []
        if self._salts is not None and not self._options.shared_cache:
            ids, vectors = self._salts.apply(request)
        job = library.job(
            input_ids=library.tensor(ids),
            max_new_tokens=request.max_tokens,
            sampler=self._sampler(library, request),
            seed=request.seed,
            stop_conditions=[*sorted(request.ends), *request.stops],
            decode_special_tokens=False,
            return_logits=request.likelihoods is not None,
            filters=self._filters(library, request),
            embeddings=vectors,
        )
        if request.seed is not None:
            for _ in range(request.drawn):
                library.draw(job.rng)
        return job

    def unload(self) -> None:
        model, self._model, self._cache, self._tokenizer = self._model, None, None, None
        self._embedder = self._salts = None
        if model is not None:
            model.unload()
        del model
        gc.collect()
        if self._library is not None:
            self._library.free()

    def _known(self) -> Library:
        if self._library is None or self._model is None:
            raise LocalError(Code.ENGINE_FAILED, kind="the model is not loaded")
        return self._library

    def _sampler(self, library: Library, request: Request) -> Any:
        return library.sampler(
            rep_p=request.repeat_penalty,
            freq_p=request.frequency_penalty,
            pres_p=request.presence_penalty,
            temperature=0.0 if request.temperature < 0.01 else request.temperature,
            min_p=request.min_p,
            top_k=request.top_k,
            top_p=request.top_p,
        )

    def _filters(self, library: Library, request: Request) -> list[Any]:
        if request.json_schema is None:
            return []
        schema = dict(request.json_schema) or {"type": "object"}
        # A job resets its filters when it starts, so what was said is not fed to them, but made what they start from.
        begun = {"prefix_str": request.begun, "consume_prefix": True} if request.begun else {}
        return [library.json_filter(self._tokenizer, eos_after_completed=True, json_schema=schema, **begun)]
