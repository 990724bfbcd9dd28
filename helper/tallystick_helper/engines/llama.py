"""The one door to llama.cpp's server inside this process (`xllamacpp`). It blocks: call it from threads.

What has to be known about it: the server always opens an HTTP port of its own, so that port is bound to the loopback
with a random key and everything optional off, and serves us for counting tokens. Context is divided among slots. The
prompt cache is 8 GiB unless told otherwise. During prefill the callback comes once for each batch, and only with
`return_progress`: the batch's size decides how soon a cancel is heard. An overflow comes back as an error object, a
malformed request as an exception.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import xllamacpp

from tallystick_shared.errors import Code, LocalError, TallystickError

_HTTP_TIMEOUT_S = 30
_CONTEXT_STEP = 256  # llama.cpp rounds a slot's context up to this
Chunk = dict[str, Any]


@dataclass(frozen=True, slots=True)
class GgufOptions:
    """How a GGUF model is run.

    `context` is per slot, in tokens, a multiple of 256. `batch` is the prefill step, in tokens: a smaller one hears a
    cancel sooner, a larger one reads long prompts a little faster.
    """

    path: Path | None = None
    """None is the demo model."""
    name: str = ""
    """The model's public name; empty takes the file's."""
    context: int = 4096
    slots: int = 4
    queue: int = 16
    threads: int = 0
    """0 is all cores but one: llama.cpp's threads spin, and the node needs a core too."""
    batch: int = 0
    """0 is 8, or one a slot if that is more."""
    gpu_layers: int = -1
    """-1 is all that fit, where a GPU build of the library is installed."""
    temperature: float = 0.2
    top_p: float = 0.9
    repeat_penalty: float = 1.1
    ignore_eos: bool = False
    """For benches: answers never end before `max_units`."""
    chat_template: str = ""
    """A Jinja template in place of the model's own."""
    embeddings: bool = False
    """Loaded for vectors (the mean over a text's tokens), not for chat: a text must fit one batch, and a cancel is
    heard only between texts."""
    guard: bool = True
    """Refuse to load what would not fit into memory."""

    def __post_init__(self) -> None:
        sizes = self.slots >= 1 and self.context >= _CONTEXT_STEP and (not self.batch or self.batch >= self.slots)
        if not sizes or self.context % _CONTEXT_STEP or min(self.queue, self.threads) < 0:
            raise LocalError(Code.BAD_SETTINGS, engine="gguf", slots=self.slots, context=self.context, batch=self.batch)


def batch_size(options: GgufOptions) -> int:
    return options.context if options.embeddings else options.batch or max(8, options.slots)


def thread_count(options: GgufOptions) -> int:
    return options.threads or max(1, (os.cpu_count() or 2) - 1)


def has_gpu() -> bool:
    """Is there a GPU that this build of the library can use?"""
    kinds = xllamacpp.ggml_backend_dev_type
    return any(device["type"] != kinds.GGML_BACKEND_DEVICE_TYPE_CPU for device in xllamacpp.get_device_info())


class LlamaServer:
    """A loaded model. Blocking; safe to call from several threads."""

    def __init__(self, path: Path, name: str, options: GgufOptions) -> None:
        self._key = secrets.token_urlsafe(32)
        try:
            self._server = xllamacpp.Server(self._params(path, name, options))
        except Exception as error:  # the library raises what it likes here
            raise LocalError(Code.MODEL_MISSING, model=name, reason=type(error).__name__) from error
        self.address = str(self._server.listening_address)
        """The loopback port that llama.cpp opens, as a URL."""

    def _params(self, path: Path, name: str, options: GgufOptions) -> Any:
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.model_alias = {name}
        params.n_parallel = options.slots
        params.n_ctx = options.context * options.slots
        params.n_batch = params.n_ubatch = batch_size(options)
        params.n_gpu_layers = options.gpu_layers
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = thread_count(options)
        params.cache_ram_mib = 0
        params.cache_idle_slots = False
        params.fit_params = False
        params.hostnames = ["127.0.0.1"]
        params.port = 0
        params.n_threads_http = 2
        params.api_keys = [self._key]
        params.cors_origins = ""
        params.ui = False
        params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = False
        params.verbosity = -1
        if options.chat_template:
            params.chat_template = options.chat_template
        if options.embeddings:
            params.embedding = True
            params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        return params

    def count(self, prompt: Chunk) -> int:
        """Tokens of a conversation after the model's own template; `prompt` is what of a request makes the prompt.
        Raises LocalError BAD_REQUEST or ENGINE_FAILED.
        """
        answer = self._post("/chat/completions/input_tokens", prompt)
        if "input_tokens" not in answer:
            raise error_of(answer.get("error"))
        return int(answer["input_tokens"])

    def count_text(self, text: str) -> int:
        """Tokens of a text by itself, as `embed` reads it. Raises LocalError BAD_REQUEST or ENGINE_FAILED."""
        answer = self._post("/tokenize", {"content": text, "add_special": True})
        if "tokens" not in answer:
            raise error_of(answer.get("error"))
        return len(answer["tokens"])

    def embed(self, texts: list[str]) -> list[list[float]]:
        """A vector of length one for each text, in order; the server must be loaded with `embeddings`. Raises
        LocalError PROMPT_TOO_LONG, BAD_REQUEST or ENGINE_FAILED.
        """
        try:
            answer = self._server.handle_embeddings({"input": texts})
        except ValueError as error:
            raise LocalError(Code.BAD_REQUEST, reason=type(error).__name__) from None
        if "data" not in answer:
            raise error_of(answer.get("error"))
        return [one["embedding"] for one in sorted(answer["data"], key=lambda one: int(one["index"]))]

    def _post(self, path: str, body: Chunk) -> Chunk:
        """Ask the server's own port: what the library has no function for. Raises LocalError ENGINE_FAILED."""
        connection = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=_HTTP_TIMEOUT_S)
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        try:
            connection.request("POST", path, json.dumps(body), headers)
            answer: Chunk = json.loads(connection.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise LocalError(Code.ENGINE_FAILED, kind=type(error).__name__) from error
        finally:
            connection.close()
        return answer

    def chat(self, request: Chunk, on_chunk: Callable[[Chunk], bool]) -> None:
        """Run a request in OpenAI's shape until its end; `on_chunk` returns True to stop it. Raises LocalError
        BAD_REQUEST.
        """
        try:
            self._server.handle_chat_completions(request, on_chunk)
        except ValueError as error:
            raise LocalError(Code.BAD_REQUEST, reason=type(error).__name__) from None

    def close(self) -> None:
        """Free the model. Nothing may be running."""
        self._server = None


def error_of(error: Any) -> TallystickError:
    """llama.cpp's error object as one of ours. Its message is left out: it may quote the prompt."""
    found = error if isinstance(error, dict) else {}
    if found.get("type") == "exceed_context_size_error":
        return LocalError(Code.PROMPT_TOO_LONG, units=found.get("n_prompt_tokens"), limit=found.get("n_ctx"))
    if found.get("code") == 400:
        return LocalError(Code.BAD_REQUEST, reason=str(found.get("type", ""))[:64])
    return LocalError(Code.ENGINE_FAILED, kind=str(found.get("type", "unknown"))[:64])
