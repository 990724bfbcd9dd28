"""Vectors from GGUF models: a text's is the mean over its tokens, of length one.

The second kind that is served for real. An input unit is a token, an output unit a vector; texts are read a few at a
time, so that a cancel is heard between them and nobody waits behind a long list.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from tallystick_shared import embeddings
from tallystick_shared.errors import Code, LocalError

from . import weights
from .capabilities import Capabilities
from .gguf import check_fit, find_model
from .llama import GgufOptions, LlamaServer
from .seat import Piece, Reason, Run, Task
from .slotted import Slotted
from .vectors import read_texts

_BYTES_PER_TOKEN = 16
_TEMPLATE_UNITS = 16
_CONTEXT = 1024
_AT_ONCE = 8
"""Texts that llama.cpp gets together, where the money allows that many."""
_TOKENS_AT_ONCE = 512
"""Of those together; a longer text goes alone."""

P = ParamSpec("P")
T = TypeVar("T")


def vector_options(values: Mapping[str, Any]) -> GgufOptions:
    """The engine's options from settings; a text may have 1,024 tokens where nothing is said. Raises TypeError for
    unknown ones.
    """
    path = {"path": Path(values["path"])} if values.get("path") else {}
    return GgufOptions(**{"context": _CONTEXT, **values, **path, "embeddings": True})


class GgufEmbeddings(Slotted):
    """Fills the engine seat. Make it with `await GgufEmbeddings.open(options, data_dir)`."""

    def __init__(self, server: LlamaServer, capabilities: Capabilities, options: GgufOptions) -> None:
        super().__init__(capabilities, options.slots, options.queue)
        self._server, self._options = server, options
        self._threads = ThreadPoolExecutor(options.slots + 2, thread_name_prefix="vectors")

    @classmethod
    async def open(cls, options: GgufOptions | None = None, data_dir: Path | None = None) -> GgufEmbeddings:
        """Find, check and load the model. `context` is the longest text, in tokens. Raises LocalError MODEL_MISSING,
        MODEL_TOO_LARGE or BAD_SETTINGS.
        """
        options = options or vector_options({})
        server, capabilities = await asyncio.to_thread(_load, options, data_dir)
        return cls(server, capabilities, options)

    async def count(self, task: Task) -> int:
        texts = read_texts(task, self._capabilities.dimensions)
        self._check_open()
        return sum(await self._in_thread(self._sizes, texts))

    def run(self, task: Task) -> Run:
        texts = read_texts(task, self._capabilities.dimensions)
        return self._start(task, lambda run, slot: self._work(run, texts, task.max_units))

    def _sizes(self, texts: tuple[str, ...]) -> list[int]:
        """Tokens of each. Blocks. Raises LocalError PROMPT_TOO_LONG where one is longer than the model reads."""
        sizes = []
        for text in texts:
            size = self._server.count_text(text)
            if size > self._options.context:
                raise LocalError(Code.PROMPT_TOO_LONG, units=size, limit=self._options.context)
            sizes.append(size)
        return sizes

    async def _work(self, run: Run, texts: tuple[str, ...], most: int) -> Reason:
        wanted = texts[:most]
        sizes = await self._in_thread(self._sizes, wanted)
        at = 0
        while at < len(wanted):
            count = _together(sizes[at : at + _AT_ONCE], run)
            await run.room(count)
            vectors = await self._in_thread(self._server.embed, list(wanted[at : at + count]))
            for vector in vectors:
                run.emit(Piece(embeddings.pack_vector(vector), 1))
            at += count
        return Reason.STOP if len(texts) <= most else Reason.LENGTH

    async def _in_thread(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *arguments, **named))

    async def close(self) -> None:
        await super().close()
        await asyncio.to_thread(self._free)

    def _free(self) -> None:
        self._threads.shutdown()
        self._server.close()
        gc.collect()


def _together(sizes: list[int], run: Run) -> int:
    """How many of the next texts go at once: as many as are short enough and paid for, at least one."""
    count, tokens = 1, sizes[0]
    for size in sizes[1:]:
        tokens += size
        if tokens > _TOKENS_AT_ONCE or (run.gate is not None and not run.gate(count + 1)):
            break
        count += 1
    return count


def _load(options: GgufOptions, data_dir: Path | None) -> tuple[LlamaServer, Capabilities]:
    model = find_model(options, data_dir)
    check_fit(model, options)
    demo = options.path is None
    name = options.name or f"{weights.DEMO.name if demo else model.name[:48]}-vectors"
    files = {path.name: weights.file_sum(path, data_dir) for path in model.files}
    manifest = weights.manifest_json("llama.cpp mean pooling", name, files)
    server = LlamaServer(model.path, name, options)
    capabilities = Capabilities(
        engine="gguf-embeddings",
        kind="vectors",
        services=(embeddings.SERVICE,),
        model=name,
        unit="vector",
        context=options.context,
        bytes_per_unit=_BYTES_PER_TOKEN,
        template_units=_TEMPLATE_UNITS,
        manifest=hashlib.sha256(manifest.encode()).digest(),
        manifest_json=manifest,
        demo=demo,
        label="demo model" if demo else "",
        sampling=frozenset(),
        quantisation=model.quantisation,
        architecture=model.architecture,
        parameters=int(model.header.get("general.parameter_count", 0)),
        size=model.size,
        dimensions=len(server.embed(["x"])[0]),
        licence=model.licence,
    )
    return server, capabilities
