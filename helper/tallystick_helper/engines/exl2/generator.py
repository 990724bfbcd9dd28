"""A generator over the numpy Llama in exllamav2's own shape: `Job`, `enqueue`, `iterate`, `cancel`.

Arguments, results and their order are those of `ExLlamaV2DynamicGenerator` and `ExLlamaV2DynamicJob` 0.3.2, with numpy
arrays where those have tensors; an adapter that drives one drives the other. It too reads prompts in chunks, gives
each running job one token an iteration, holds text back that is part of a character or of a stop string, and finds
what an earlier job computed for the same ids.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .llama import Floats, Llama, Memory, Span, Vectors
from .sampling import Settings, draw, penalised, softmax
from .text import Text

PAGE = 256
"""Tokens in a page of the cache. Jobs get whole pages."""
Ids = npt.NDArray[np.int64]
Result = dict[str, Any]


class Cache:
    """The room that all jobs share. `max_seq_len` is its tokens, a multiple of 256. Raises ValueError."""

    def __init__(self, max_seq_len: int, lazy: bool = False) -> None:
        if max_seq_len % PAGE or max_seq_len < PAGE:
            raise ValueError(f"the cache's size must be a multiple of {PAGE}")
        self.max_seq_len = max_seq_len
        self.lazy = lazy


class Job:
    """A request. Raises ValueError for what this generator cannot do."""

    def __init__(
        self,
        input_ids: Ids | list[Ids],
        max_new_tokens: int,
        min_new_tokens: int = 0,
        max_skips: int | None = 4,
        gen_settings: Settings | None = None,
        seed: int | None = None,
        stop_conditions: list[int | str] | tuple[int | str, ...] | set[int | str] | None = None,
        decode_special_tokens: bool = False,
        return_top_tokens: int = 0,
        return_logits: bool = False,
        return_probs: bool = False,
        filters: list[Any] | None = None,
        filter_prefer_eos: bool = False,
        token_healing: bool = False,
        identifier: object | None = None,
        banned_strings: list[str] | None = None,
        embeddings: list[Vectors] | None = None,
        **kwargs: Any,
    ) -> None:
        if filters or token_healing or banned_strings or decode_special_tokens or isinstance(input_ids, list):
            raise ValueError(
                "the reference has no filters, healing, banned strings, shown specials or pairs of prompts"
            )
        if input_ids.ndim != 2 or input_ids.shape[0] != 1 or not input_ids.shape[1]:
            raise ValueError("input_ids must be of shape (1, n), n at least 1")
        self.sequence: list[int] = input_ids[0].tolist()
        self.prompt = len(self.sequence)
        self.max_new_tokens = max_new_tokens
        self.min_new_tokens = min_new_tokens
        self.max_skips = max_skips
        self.settings = gen_settings or Settings()
        self.rng = random.Random() if seed is None else random.Random(seed)
        stops = tuple(stop_conditions or ())
        self.stop_tokens = {stop for stop in stops if isinstance(stop, int)}
        self.stop_strings = [stop for stop in stops if isinstance(stop, str)]
        self.return_top_tokens = return_top_tokens
        self.return_logits = return_logits
        self.return_probs = return_probs
        self.identifier = identifier
        self.embeddings = tuple(embeddings or ())
        self.serial_number: int | None = None
        self.skips = self.new_tokens = self.cached_tokens = 0
        self.memory: Memory | None = None
        self.full_completion = ""
        self.time_enqueue = self.time_started = self.time_first_token = 0.0
        self._held: list[tuple[int, float, Floats]] = []

    @property
    def pages(self) -> int:
        """Of the cache, for prompt and answer."""
        return -(-(self.prompt + self.max_new_tokens) // PAGE)

    def prefill_done(self) -> bool:
        return self.memory is not None and self.memory.length == len(self.sequence) - 1

    def receive(self, logits: Floats, text: Text) -> Result:
        """Draw a token from its logits (vocabulary), and say what can be handed out."""
        scores = penalised(logits, self.settings, self.sequence)
        if self.new_tokens < self.min_new_tokens:
            scores = scores.copy()
            scores[list(self.stop_tokens)] = -np.inf
        scores[text.size :] = -np.inf
        token, share = draw(scores, self.settings, self.rng.random())
        self.sequence.append(token)
        self.new_tokens += 1
        self._held.append((token, share, scores))
        held = text.decode([token for token, _, _ in self._held])
        if token in self.stop_tokens:
            more = {"eos_triggering_token_id": token, "eos_triggering_token_str": text.name(token)}
            return self._end("stop_token", None, held={"text": held, "token_ids": self._ids()}, **more)
        if self.new_tokens >= self.max_new_tokens:
            return self._end("max_new_tokens", held)
        if 1 <= held.count("\ufffd") < 5:
            return self._result()
        at, stop = _first_stop(held, self.stop_strings)
        if stop is not None:
            return self._end("stop_string", held[:at], eos_triggering_string=stop, held={"text": held[at:]})
        return self._result() if at >= 0 else self._emit(held)

    def _ids(self) -> Ids:
        return np.array([[token for token, _, _ in self._held]], np.int64)

    def _end(self, reason: str, text: str | None, **more: Any) -> Result:
        """The last result, with the text that goes with it; None leaves what is held where it is."""
        now = time.monotonic()
        result = self._result() if text is None else self._emit(text)
        return result | more | {
            "eos": True,
            "eos_reason": reason,
            "full_completion": self.full_completion,
            "new_tokens": self.new_tokens,
            "prompt_tokens": self.prompt,
            "cached_tokens": self.cached_tokens,
            "time_enqueued": self.time_started - self.time_enqueue,
            "time_prefill": self.time_first_token - self.time_started,
            "time_generate": now - self.time_first_token,
        }  # fmt: skip

    def _emit(self, held: str) -> Result:
        self.full_completion += held
        result = self._result() | {"token_ids": self._ids()}
        _, shares, logits = zip(*self._held, strict=True)
        self._held = []
        if held:
            result["text"] = held
        if self.return_probs:
            result["token_probs"] = np.array([shares], np.float32)
        if self.return_logits:
            result["logits"] = np.stack(logits)[None]
        if self.return_top_tokens:
            top = [np.argsort(-row, kind="stable")[: self.return_top_tokens] for row in logits]
            result["top_k_tokens"] = np.stack(top)[None]
            result["top_k_probs"] = np.stack([softmax(row)[best] for row, best in zip(logits, top, strict=True)])[None]
        return result

    def _result(self, stage: str = "streaming", **more: Any) -> Result:
        found: Result = {"job": self, "stage": stage, "eos": False, "serial": self.serial_number, **more}
        if self.identifier is not None:
            found["identifier"] = self.identifier
        return found

    def started(self) -> Result:
        self.time_started = time.monotonic()
        return self._result("started")

    def read(self) -> Result:
        length = self.memory.length if self.memory else 0
        return self._result("prefill", curr_progress=length, max_progress=self.prompt - 1)


class Generator:
    """Runs jobs together. Not safe to call from several threads at a time."""

    def __init__(
        self,
        model: Llama,
        cache: Cache,
        tokenizer: Text,
        max_batch_size: int = 8,
        max_seq_len: int | None = None,
        max_chunk_size: int | None = None,
        paged: bool = True,
        **kwargs: Any,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.max_batch_size = max_batch_size
        self.max_seq_len = max_seq_len or cache.max_seq_len
        self.max_chunk_size = max_chunk_size or PAGE
        self.paged = paged
        self.max_pages = cache.max_seq_len // PAGE
        self.job_serial = 0
        self.pending_jobs: list[Job] = []
        self.active_jobs: list[Job] = []
        self._kept: deque[tuple[Sequence[int], Memory, int]] = deque()

    def num_remaining_jobs(self) -> int:
        return len(self.pending_jobs) + len(self.active_jobs)

    def enqueue(self, job: Job) -> int:
        """Queue a job. Raises AssertionError where the cache could never hold it, as exllamav2 does."""
        if job.pages > self.max_pages:
            raise AssertionError(f"Job requires {job.pages} pages (only {self.max_pages} available)")
        job.serial_number = self.job_serial
        self.job_serial += 1
        job.time_enqueue = time.monotonic()
        self.pending_jobs.append(job)
        return job.serial_number

    def cancel(self, job: Job) -> None:
        """End a job at once; one that is not known here is left alone."""
        if job in self.pending_jobs:
            self.pending_jobs.remove(job)
        elif job in self.active_jobs:
            self._release(job)

    def iterate(self) -> list[Result]:
        """One step for every job: a chunk of its prompt, or a token."""
        results = self._start_jobs()
        for job in self.active_jobs:
            if not job.prefill_done():
                results.append(self._prefill(job))
        ready = [job for job in self.active_jobs if job.prefill_done()]
        if not ready:
            return results
        logits = self.model.read([Span(job.sequence[-1:], _memory(job), job.embeddings) for job in ready])
        for job, row in zip(ready, logits, strict=True):
            job.time_first_token = job.time_first_token or time.monotonic()
            result = job.receive(row, self.tokenizer)
            results.append(result)
            if result["eos"]:
                self._release(job)
        return results

    def _start_jobs(self) -> list[Result]:
        results: list[Result] = []
        skipped: list[Job] = []
        for job in list(self.pending_jobs):
            if len(self.active_jobs) >= self.max_batch_size or job.pages > self.max_pages - self._used():
                skipped.append(job)
                continue
            if any(other.max_skips is not None and other.skips >= other.max_skips for other in skipped):
                break
            for other in skipped:
                other.skips += 1
            self.pending_jobs.remove(job)
            self.active_jobs.append(job)
            self._begin(job)
            results.append(job.started())
        return results

    def _begin(self, job: Job) -> None:
        """Give the job its memory, with what an earlier one computed for the same beginning."""
        job.memory = self.model.memory(job.prompt + job.max_new_tokens)
        found = max(self._kept, key=lambda kept: _common(kept[0], job.sequence), default=None)
        if found is not None and (length := min(_common(found[0], job.sequence), job.prompt - 1)):
            job.memory.take(found[1], length)
            job.cached_tokens = length
        while self._kept and self._used() + sum(pages for _, _, pages in self._kept) > self.max_pages:
            self._kept.popleft()

    def _prefill(self, job: Job) -> Result:
        memory = _memory(job)
        ids = job.sequence[memory.length : min(memory.length + self.max_chunk_size, len(job.sequence) - 1)]
        self.model.read([Span(ids, memory, job.embeddings)], logits="none")
        return job.read()

    def _release(self, job: Job) -> None:
        self.active_jobs.remove(job)
        memory = job.memory
        if memory is not None and memory.length:
            self._kept.append((job.sequence[: memory.length], memory, job.pages))

    def _used(self) -> int:
        return sum(job.pages for job in self.active_jobs)


def _memory(job: Job) -> Memory:
    assert job.memory is not None
    return job.memory


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    for index, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return index
    return min(len(first), len(second))


def _first_stop(text: str, stops: Sequence[str]) -> tuple[int, str | None]:
    """Where the first stop string begins, and which; (0, None) where the end of the text may be the beginning of one,
    (-1, None) otherwise.
    """
    found = [(at, stop) for stop in stops if (at := text.find(stop)) >= 0]
    if found:
        return min(found)
    partial = any(text.endswith(stop[:size]) for stop in stops for size in range(1, len(stop)))
    return (0, None) if partial else (-1, None)
