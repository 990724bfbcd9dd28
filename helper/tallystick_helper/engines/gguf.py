"""The embedded engine: GGUF models on llama.cpp, inside this process.

This file is the shell: threads, slots, loading. `llama` is the library's door, `gguf_request` writes what goes in,
`chunks` counts what comes out.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tallystick_shared import chat
from tallystick_shared.errors import Code, LocalError

from . import fit, weights
from .capabilities import SAMPLING, Capabilities
from .chat import ChatTask, read_chat
from .chunks import ChunkReader, prompt_is_read
from .gguf_file import GgufModel, read_model
from .gguf_request import prompt_of, request_body
from .llama import Chunk, GgufOptions, LlamaServer, has_gpu
from .seat import Reason, Run, Task
from .slotted import Slotted

__all__ = ["GgufEngine", "GgufOptions"]

_BYTES_PER_TOKEN = 16
_USES_TOOLS = re.compile(r"\btools\b")
_THINKS = re.compile(r"<think>|reasoning_content|enable_thinking")


class GgufEngine(Slotted):
    """Fills the engine seat. Make it with `await GgufEngine.open(options, data_dir)`."""

    def __init__(self, server: LlamaServer, capabilities: Capabilities, options: GgufOptions) -> None:
        super().__init__(capabilities, options.slots, options.queue)
        self._server = server
        self._options = options
        # A slot's thread blocks for as long as it runs; two more count tokens meanwhile.
        self._threads = ThreadPoolExecutor(options.slots + 2, thread_name_prefix="gguf")
        self._prefill = asyncio.Lock()

    @classmethod
    async def open(cls, options: GgufOptions | None = None, data_dir: Path | None = None) -> GgufEngine:
        """Find, check and load the model. Raises LocalError MODEL_MISSING, MODEL_TOO_LARGE or BAD_SETTINGS."""
        options = options or GgufOptions()
        server, capabilities = await asyncio.to_thread(_load, options, data_dir)
        return cls(server, capabilities, options)

    async def count(self, task: Task) -> int:
        request = read_chat(task, self._capabilities)
        request_body(request, self._options)
        self._check_open()
        loop = asyncio.get_running_loop()
        return self._check_length(await loop.run_in_executor(self._threads, self._server.count, prompt_of(request)))

    def run(self, task: Task) -> Run:
        request = read_chat(task, self._capabilities)
        body = request_body(request, self._options)
        return self._start(task, lambda run, slot: self._work(run, slot, request, body))

    async def _work(self, run: Run, slot: int, request: ChatTask, body: Chunk) -> Reason:
        reader = ChunkReader(run.emit, hold=bool(request.stop), scored=request.logprobs)
        body = body | {"id_slot": slot, "cache_prompt": run.warm}
        turn = _Turn(self._prefill)
        with run.interruptible():
            await turn.take()

        def on_chunk(chunk: Chunk) -> bool:
            reader.take(chunk)
            if prompt_is_read(chunk):
                turn.give_back_from_thread()
            return run.cancelled

        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._server.chat, body, on_chunk)
        finally:
            turn.give_back()
        return reader.end(cancelled=run.cancelled)

    async def close(self) -> None:
        await super().close()
        await asyncio.to_thread(self._free)

    def _free(self) -> None:
        self._threads.shutdown()
        self._server.close()
        gc.collect()


class _Turn:
    """The right to read a prompt: one run at a time.

    llama.cpp fills each batch with one prompt until that is read. A second prompt would get no batch, so no callback,
    and could not be cancelled until the first was through; waiting here it can. Nothing is lost by it.
    """

    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock = lock
        self._loop = asyncio.get_running_loop()
        self._taken = False

    async def take(self) -> None:
        await self._lock.acquire()
        self._taken = True

    def give_back(self) -> None:
        if self._taken:
            self._taken = False
            self._lock.release()

    def give_back_from_thread(self) -> None:
        if self._taken:
            self._loop.call_soon_threadsafe(self.give_back)


def gguf_options(values: Mapping[str, Any]) -> GgufOptions:
    """The engine's options from settings. Raises TypeError for unknown ones, LocalError BAD_SETTINGS."""
    path = {"path": Path(values["path"])} if values.get("path") else {}
    return GgufOptions(**{**values, **path})


def find_model(options: GgufOptions, data_dir: Path | None = None) -> GgufModel:
    """The files that the options name; the demo model's, checked, where they name none. Raises LocalError
    MODEL_MISSING.
    """
    if options.path is not None:
        return read_model(options.path.expanduser())
    path = weights.find_demo(data_dir=data_dir)
    weights.check(path, weights.DEMO.sha256, data_dir)
    return read_model(path)


def _load(options: GgufOptions, data_dir: Path | None) -> tuple[LlamaServer, Capabilities]:
    model = find_model(options, data_dir)
    check_fit(model, options)
    demo = options.path is None
    name = options.name or (weights.DEMO.name if demo else model.name[:64])
    manifest = weights.manifest_json(
        "llama.cpp", name, {path.name: weights.file_sum(path, data_dir) for path in model.files}
    )
    server = LlamaServer(model.path, name, options)
    tools = bool(_USES_TOOLS.search(options.chat_template or model.template))
    capabilities = Capabilities(
        engine="gguf",
        kind="text",
        services=(chat.SERVICE,),
        model=name,
        unit="token",
        context=options.context,
        bytes_per_unit=_BYTES_PER_TOKEN,
        template_units=_template_units(server, tools),
        manifest=hashlib.sha256(manifest.encode()).digest(),
        manifest_json=manifest,
        demo=demo,
        label="demo model" if demo else "",
        sampling=SAMPLING,
        tools=tools,
        json_schema=True,
        logprobs=chat.MOST_SCORES,
        reasoning=bool(_THINKS.search(model.template)),
        continues=True,
        quantisation=model.quantisation,
        architecture=model.architecture,
        parameters=int(model.header.get("general.parameter_count", 0)),
        size=model.size,
        licence=model.licence,
    )
    return server, capabilities


def check_fit(model: GgufModel, options: GgufOptions, memory: fit.Memory = fit.system_memory) -> None:
    """Raises LocalError MODEL_TOO_LARGE where the model would not fit beside what runs here now."""
    found = fit.estimate(model, options, memory)
    if options.guard and found.fits is fit.Fits.RED and (options.gpu_layers == 0 or not has_gpu()):
        raise LocalError(Code.MODEL_TOO_LARGE, model=model.name, needs=found.needs, free=found.free)


_TINY_TOOL = {"type": "function", "function": {"name": "x", "parameters": {"type": "object", "properties": {}}}}


def _template_units(server: LlamaServer, tools: bool) -> int:
    """What the template adds to an empty message, tools included."""
    prompt: Chunk = {"messages": [{"role": "user", "content": ""}]}
    return max(server.count(prompt), server.count(prompt | {"tools": [_TINY_TOOL]}) if tools else 0)
