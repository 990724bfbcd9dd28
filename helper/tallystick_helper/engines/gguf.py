"""The embedded engine: GGUF models on llama.cpp, inside this process.

This file is the shell: threads, slots, loading. `llama` is the library's door, `chunks` counts the tokens.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tallystick_shared import chat

from . import weights
from .chat import ChatTask, openai_messages, read_chat
from .chunks import ChunkReader, prompt_is_read
from .llama import Chunk, GgufOptions, LlamaServer
from .seat import Capabilities, Reason, Run, Task
from .slotted import Slotted

__all__ = ["GgufEngine", "GgufOptions"]

_BYTES_PER_TOKEN = 16


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
        """Find, check and load the model. Raises LocalError MODEL_MISSING or BAD_SETTINGS."""
        options = options or GgufOptions()
        server, capabilities = await asyncio.to_thread(_load, options, data_dir)
        return cls(server, capabilities, options)

    async def count(self, task: Task) -> int:
        messages = openai_messages(read_chat(task, self._capabilities))
        self._check_open()
        loop = asyncio.get_running_loop()
        units = await loop.run_in_executor(self._threads, self._server.count, messages)
        return self._check_length(units)

    def run(self, task: Task) -> Run:
        request = read_chat(task, self._capabilities)
        return self._start(task, lambda run, slot: self._work(run, slot, request))

    async def _work(self, run: Run, slot: int, request: ChatTask) -> Reason:
        reader = ChunkReader(run.emit, hold=bool(request.stop))
        body = request_body(request, self._options) | {"id_slot": slot, "cache_prompt": run.warm}
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


def _load(options: GgufOptions, data_dir: Path | None) -> tuple[LlamaServer, Capabilities]:
    demo = options.path is None
    path = options.path or weights.find_demo()
    if demo:
        weights.check(path, weights.DEMO.sha256, data_dir)
    name = options.name or (weights.DEMO.name if demo else path.stem)
    manifest = weights.manifest_json("llama.cpp", name, {path.name: weights.file_sum(path, data_dir)})
    server = LlamaServer(path, name, options)
    capabilities = Capabilities(
        engine="gguf",
        kind="text",
        services=(chat.SERVICE,),
        model=name,
        unit="token",
        context=options.context,
        bytes_per_unit=_BYTES_PER_TOKEN,
        template_units=server.count([{"role": "user", "content": ""}]),
        manifest=hashlib.sha256(manifest.encode()).digest(),
        manifest_json=manifest,
        demo=demo,
        label="demo model" if demo else "",
    )
    return server, capabilities


def request_body(request: ChatTask, options: GgufOptions) -> Chunk:
    """The request as llama.cpp takes it."""
    body: Chunk = {
        "messages": openai_messages(request),
        "max_tokens": request.max_tokens,
        "temperature": options.temperature if request.temperature is None else request.temperature,
        "top_p": options.top_p if request.top_p is None else request.top_p,
        "repeat_penalty": options.repeat_penalty,
        "stream": True,
        "return_progress": True,
        "timings_per_token": True,
    }
    if request.seed is not None:
        body["seed"] = request.seed
    if options.ignore_eos:
        body["ignore_eos"] = True
    if request.stop:
        body["stop"] = list(request.stop)
    return body
