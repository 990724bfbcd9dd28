"""The door to exllamav2 0.3.2, or to whatever has its shape.

What is asked of the library is `Library`; `real` brings the package itself, `ref` the reference. Nothing is imported
before a model is loaded, and everything after `load` happens on the pump's thread.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tallystick_shared.errors import Code, LocalError

from .backend import Generator, Request
from .folder import Folder
from .options import ExlOptions
from .salt import Salts

_RESERVE = 96 << 20  # bytes of each GPU that the automatic split leaves alone


@dataclass(frozen=True, slots=True)
class Library:
    """The names of exllamav2 that are used, and what differs with how tensors are made."""

    config: Any
    """`ExLlamaV2Config`"""
    model: Any
    """`ExLlamaV2`"""
    caches: Mapping[str, Any]
    """`ExLlamaV2Cache` and its quantised kin, by `options.CACHES`."""
    cache_tp: Any
    """`ExLlamaV2Cache_TP`"""
    tokenizer: Any
    """`ExLlamaV2Tokenizer`"""
    generator: Any
    """`ExLlamaV2DynamicGenerator`"""
    job: Any
    """`ExLlamaV2DynamicJob`"""
    settings: Any
    """`ExLlamaV2Sampler.Settings`"""
    vectors: Callable[[Any, int], Any]
    """`ExLlamaV2MMEmbedding` of a model and a token: what its first module makes of it, under a new id."""
    tensor: Callable[[list[int]], Any]
    """Ids as a tensor of shape (1, n)."""
    paged: Callable[[], bool]
    """Several jobs can run at once."""
    free: Callable[[], None]
    """Give unused memory of the GPUs back."""


class V2Backend:
    """A model on exllamav2."""

    json_schema = False  # its filters need packages that are no longer kept up

    def __init__(self, folder: Folder, options: ExlOptions, library: Callable[[], Library]) -> None:
        self._folder = folder
        self._options = options
        self._import = library
        self._library: Library | None = None
        self._model: Any = None
        self._cache: Any = None
        self._tokenizer: Any = None
        self._salts: Salts[Any] | None = None
        self.slots = options.slots

    def load(self) -> None:
        library = self._library = self._import()
        paged = library.paged()
        self.slots = self._options.slots if paged else 1
        config = library.config(str(self._folder.path))
        config.max_seq_len = self._options.context
        # The generator wants room for eight drawn tokens a job in one pass.
        config.max_input_len = max(config.max_input_len, self._options.chunk, 8 * self.slots)
        config.max_attention_size = config.max_input_len**2
        config.arch_compat_overrides(warn_only=True)
        if not paged:
            config.no_flash_attn = True
        if getattr(config.arch.lm, "mrope", False) and not self._options.shared_cache:
            raise LocalError(
                Code.BAD_SETTINGS, reason="this model needs shared_cache: its positions leave no room for salt"
            )
        self._model = library.model(config)
        if self._options.tensor_parallel:
            kind, tokens = library.caches[self._options.cache], self._tokens
            split = list(self._options.gpu_split) or None
            self._model.load_tp(split, expect_cache_tokens=tokens, expect_cache_base=kind)
        elif self._options.gpu_split:
            self._model.load(list(self._options.gpu_split))
        else:
            self._cache = self._new_cache(lazy=True)
            self._model.load_autosplit(self._cache, reserve_vram=_RESERVE)
        self._tokenizer = library.tokenizer(config)
        self._salts = Salts(self._vector, lambda vectors: int(vectors.first_index))

    def build(self) -> Generator:
        library = self._known()
        if self._cache is None:
            self._cache = self._new_cache()
        cache, self._cache = self._cache, None  # the next build makes another one
        generator: Generator = library.generator(
            model=self._model,
            cache=cache,
            tokenizer=self._tokenizer,
            max_batch_size=self.slots,
            max_seq_len=self._options.context,
            max_chunk_size=self._options.chunk,
            paged=library.paged(),
        )
        return generator

    def job(self, request: Request) -> Any:
        if request.json_schema is not None:
            raise LocalError(Code.UNSUPPORTED, feature="json_schema")
        library = self._known()
        ids: list[int] = list(request.ids)
        vectors: list[Any] = []
        if self._salts is not None and not self._options.shared_cache:
            ids, vectors = self._salts.apply(request)
        job = library.job(
            input_ids=library.tensor(ids),
            max_new_tokens=request.max_tokens,
            gen_settings=self._settings(library, request),
            seed=request.seed,
            stop_conditions=[*sorted(request.ends), *request.stops],
            decode_special_tokens=False,
            return_logits=request.likelihoods is not None,
            embeddings=vectors,
        )
        if request.seed is not None:
            for _ in range(request.drawn):
                job.rng.random()  # one for each token, in the library as in the reference
        return job

    def unload(self) -> None:
        model, self._model, self._cache, self._tokenizer, self._salts = self._model, None, None, None, None
        if model is not None:
            model.unload()
        del model
        gc.collect()
        if self._library is not None:
            self._library.free()

    @property
    def _tokens(self) -> int:
        return self._options.whole_cache(self.slots)

    def _known(self) -> Library:
        if self._library is None or self._model is None:
            raise LocalError(Code.ENGINE_FAILED, kind="the model is not loaded")
        return self._library

    def _new_cache(self, lazy: bool = False) -> Any:
        library = self._known()
        gc.collect()
        library.free()
        kind = library.caches[self._options.cache]
        if self._options.tensor_parallel:
            return library.cache_tp(self._model, base=kind, max_seq_len=self._tokens)
        return kind(self._model, max_seq_len=self._tokens, lazy=lazy)

    def _settings(self, library: Library, request: Request) -> Any:
        greedy = request.temperature < 0.01
        return library.settings(
            temperature=1.0 if greedy else request.temperature,
            top_k=1 if greedy else request.top_k,
            top_p=0.0 if greedy or request.top_p >= 1 else request.top_p,
            min_p=request.min_p,
            token_repetition_penalty=request.repeat_penalty,
            token_presence_penalty=request.presence_penalty,
            token_frequency_penalty=request.frequency_penalty,
        )

    def _vector(self, token: int) -> Any:
        return self._known().vectors(self._model, token)
