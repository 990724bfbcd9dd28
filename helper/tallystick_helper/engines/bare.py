"""The bare engine, for benches: the same model, the same request and the same library, with nothing of ours around it.

What `tokens_1` and `first_token_*` are measured against. Blocking; one call is one stream, so a bench runs n of them
in n threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from .chat import ChatTask
from .gguf_request import request_body
from .llama import Chunk, GgufOptions, LlamaServer
from .weights import DEMO, find_demo


@dataclass(frozen=True, slots=True)
class BareRun:
    """What one stream took: tokens that carried text, seconds to the first of them, seconds in all."""

    tokens: int
    first_token_s: float
    total_s: float

    @property
    def tokens_per_s(self) -> float:
        """Between the first piece and the last, so without prefill."""
        return (self.tokens - 1) / max(self.total_s - self.first_token_s, 1e-9)


def bare_server(options: GgufOptions | None = None) -> LlamaServer:
    """The demo model, loaded with the engine's own settings. Give it back with `close()`."""
    return LlamaServer(find_demo(), DEMO.name, options or GgufOptions())


def bare_stream(
    server: LlamaServer,
    prompt: str,
    max_tokens: int,
    options: GgufOptions | None = None,
    on_token: Callable[[float], None] | None = None,
) -> BareRun:
    """Run one prompt to its end or `max_tokens`, never stopping early on the model's own wish. `on_token` gets each
    piece's time. What the last prompt began with is reused, as the node does within a channel.
    """
    request = ChatTask((("user", prompt),), max_tokens)
    body = request_body(request, options or GgufOptions()) | {"ignore_eos": True, "cache_prompt": True}
    started = time.perf_counter()
    times: list[float] = []
    decoded = 0

    def take(chunk: Chunk) -> bool:
        nonlocal decoded
        for choice in chunk.get("choices", ()):
            if choice.get("delta", {}).get("content"):
                decoded = int(chunk["timings"]["predicted_n"])
                times.append(time.perf_counter() - started)
                if on_token:
                    on_token(times[-1])
        return False

    server.chat(body, take)
    return BareRun(decoded, times[0] if times else 0.0, times[-1] if times else 0.0)
