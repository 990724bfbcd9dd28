"""Vectors from a server: its `/v1/embeddings`. An input unit is a token, an output unit a vector; texts go a few at a
time, so that a cancel is heard between them.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tallystick_shared import embeddings
from tallystick_shared.errors import Code, LocalError

from ..capabilities import Capabilities
from ..seat import Piece, Reason, Run, Task
from ..vectors import read_texts
from .base import Upstream
from .discovery import Found, discover, manifest_of
from .errors import Fault
from .http import Door, opening
from .options import UpstreamOptions
from .tokens import Tokens, read_tokens
from .units import Count, estimate

_AT_ONCE = 8
_BYTES_PER_TOKEN = 64
_TEMPLATE_UNITS = 16


class UpstreamEmbeddings(Upstream):
    """Fills the engine seat. Make it with `await UpstreamEmbeddings.open(options, data_dir)`."""

    def __init__(self, door: Door, options: UpstreamOptions, model: str, able: Capabilities, count: Count) -> None:
        super().__init__(door, options, able)
        self._model, self._count = model, count

    @classmethod
    async def open(cls, options: UpstreamOptions, data_dir: Path | None = None) -> UpstreamEmbeddings:
        """Ask the server what it is, and let it make a vector. `context` is the longest text, in tokens. Raises
        LocalError ENGINE_FAILED or BAD_SETTINGS.
        """
        async with opening(options) as door:
            found = await discover(door, options)
            tokens: Tokens | None = None
            if options.tokenizer is not None:
                tokens = await asyncio.to_thread(read_tokens, options.tokenizer, data_dir)
            (vector,) = await ask_vectors(door, options, found.model, ["x"])
            able = _capabilities(options, found, tokens, len(vector))
            engine = cls(door, options, found.model, able, tokens.count if tokens else estimated)
            await engine.begin()
            return engine

    async def _make_one(self) -> None:
        await ask_vectors(self._door, self._options, self._model, ["x"])

    async def count(self, task: Task) -> int:
        texts = read_texts(task, self._capabilities.dimensions)
        self._check_open()
        self._check_well()
        return await asyncio.to_thread(self._units, texts, len(task.input))

    def run(self, task: Task) -> Run:
        wanted = read_texts(task, self._capabilities.dimensions)[: task.max_units]
        made: list[str] = []
        return self._begin_run(task, lambda run: self._attempt(run, task, wanted, made), lambda: bool(made))

    def _units(self, texts: tuple[str, ...], size: int) -> int:
        """Of all texts, within what the offer promises. Raises LocalError PROMPT_TOO_LONG where one is too long."""
        sizes = [self._count(text) for text in texts]
        if (longest := max(sizes)) > self._capabilities.context:
            raise LocalError(Code.PROMPT_TOO_LONG, units=longest, limit=self._capabilities.context)
        return min(max(sum(sizes), size // _BYTES_PER_TOKEN, 1), size + _TEMPLATE_UNITS)

    async def _attempt(self, run: Run, task: Task, wanted: tuple[str, ...], made: list[str]) -> Reason:
        with run.interruptible():
            await asyncio.to_thread(self._units, wanted, len(task.input))
        while len(made) < len(wanted):
            some = list(wanted[len(made) : len(made) + _AT_ONCE])
            while len(some) > 1 and run.gate is not None and not run.gate(len(some)):
                some.pop()
            await run.room(len(some))
            with run.interruptible():
                vectors = await ask_vectors(self._door, self._options, self._model, some)
            self._health.worked(taken=not made)
            for vector in vectors:
                run.emit(Piece(embeddings.pack_vector(vector), 1))
            made += some
        return Reason.STOP if len(embeddings.read_input(task.input).texts) <= task.max_units else Reason.LENGTH


async def ask_vectors(door: Door, options: UpstreamOptions, model: str, texts: list[str]) -> list[list[float]]:
    """A vector for each text, in their order. Raises LocalError."""
    body = {**options.extra, "model": model, "input": texts, "encoding_format": "float"}
    answer = await door.post(options.base + "/embeddings", body, options.first_timeout)
    entries = answer.get("data") if isinstance(answer, Mapping) else None
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise Fault("an answer without vectors", again=False)
    placed = {entry.get("index", at): entry.get("embedding") for at, entry in enumerate(entries)}
    vectors = [_vector(placed.get(at)) for at in range(len(texts))]
    if len(entries) != len(texts) or len({len(vector) for vector in vectors}) != 1:
        raise Fault("not a vector for each text", again=False)
    return vectors


def _vector(value: Any) -> list[float]:
    """A list of numbers, or their bytes in base64. Raises Fault for anything else."""
    try:
        if isinstance(value, str):
            data = base64.b64decode(value, validate=True)
            value = struct.unpack(f"<{len(data) // 4}f", data)
        vector = [float(number) for number in value]
        embeddings.pack_vector(vector)
    except (TypeError, ValueError, OverflowError, struct.error):
        raise Fault("a vector that is none", again=False) from None
    if len(vector) < embeddings.LEAST_DIMENSIONS or not all(map(math.isfinite, vector)):
        raise Fault("a vector that is none", again=False)
    return vector


def estimated(text: str) -> int:
    """Where there is no tokenizer."""
    return estimate((("", text),))


def _capabilities(options: UpstreamOptions, found: Found, tokens: Tokens | None, dimensions: int) -> Capabilities:
    manifest = manifest_of(options, found, tokens.files if tokens else {})
    return Capabilities(
        engine="upstream-embeddings",
        kind="vectors",
        services=(embeddings.SERVICE,),
        model=found.name,
        unit="vector",
        context=found.context,
        bytes_per_unit=_BYTES_PER_TOKEN,
        template_units=_TEMPLATE_UNITS,
        manifest=hashlib.sha256(manifest.encode()).digest(),
        manifest_json=manifest,
        sampling=frozenset(),
        dimensions=dimensions,
    )
