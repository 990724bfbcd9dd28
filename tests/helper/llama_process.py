"""A real server that speaks OpenAI's API, in a process of its own: llama.cpp's own listener with the demo model.

As a program it prints its address and serves until its standard input ends, so it never outlives a test.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

KEY = "a-key-of-this-test"
MODEL = "smollm2"
ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass
class LlamaProcess:
    """A server that runs. `url` has no `/v1`."""

    url: str
    process: asyncio.subprocess.Process

    async def kill(self) -> None:
        """SIGKILL, as the kernel does it when memory is short."""
        self.process.kill()
        await self.process.wait()


@contextlib.asynccontextmanager
async def llama_process(slots: int = 4, context: int = 2048, port: int = 0) -> AsyncIterator[LlamaProcess]:
    """`context` is per slot, in tokens."""
    command = [sys.executable, "-m", "tests.helper.llama_process", str(slots), str(context), str(port)]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        url = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
        assert url.startswith("http://127.0.0.1:"), url
        yield LlamaProcess(url, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def serve(slots: int, context: int, port: int) -> None:
    """Until standard input ends."""
    import xllamacpp

    from tallystick_helper.engines.weights import find_demo

    params = xllamacpp.CommonParams()
    params.model.path = str(find_demo())
    params.model_alias = {MODEL}
    params.n_parallel, params.n_ctx = slots, slots * context
    params.n_batch = params.n_ubatch = 16
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_ram_mib, params.fit_params, params.verbosity = 0, False, -1
    params.hostnames, params.port, params.api_keys = ["127.0.0.1"], port, [KEY]
    params.ui = params.endpoint_slots = False
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    serve(*map(int, sys.argv[1:4]))
