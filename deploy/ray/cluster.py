"""A cluster behind one address: Ray Serve with replicas of the engine that a node embeds, llama.cpp through xllamacpp.

Speaks OpenAI's API (`/v1/models`, `/v1/chat/completions` with streams) and counts tokens where llama.cpp does
(`/v1/chat/completions/input_tokens`). `deploy/ray/up` makes its environment and starts it; a node stands before it with
the engine `upstream`. Nothing of Tallystick is imported here: the cluster's machines need only this file.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import http.client
import json
import os
import secrets
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ray
import xllamacpp
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

KEY_ENV = "TALLYSTICK_UPSTREAM_KEY"
COUNT = "/v1/chat/completions/input_tokens"


@dataclass(frozen=True)
class Model:
    """One model and how each replica runs it. `context` is per slot, in tokens; `key` empty lets everybody in."""

    path: str
    name: str
    context: int
    slots: int
    threads: int
    key: str = ""


class Llama:
    """A loaded model. Blocking; safe to call from several threads."""

    def __init__(self, model: Model) -> None:
        self._own_key = secrets.token_urlsafe(32)
        params = xllamacpp.CommonParams()
        params.model.path, params.model_alias = model.path, {model.name}
        params.n_parallel, params.n_ctx = model.slots, model.context * model.slots
        # A small batch hears a cancel soon: during the prompt the callback comes once for each.
        params.n_batch = params.n_ubatch = max(16, model.slots)
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = model.threads
        params.cache_ram_mib, params.cache_idle_slots, params.fit_params = 0, False, False
        # The library always opens a port of its own: loopback, a random key, everything optional off.
        params.hostnames, params.port, params.api_keys = ["127.0.0.1"], 0, [self._own_key]
        params.ui = params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = False
        params.cors_origins, params.verbosity = "", -1
        self._server = xllamacpp.Server(params)
        self._address = urlsplit(str(self._server.listening_address)).netloc

    def chat(self, body: dict[str, Any], on_chunk: Callable[[dict[str, Any]], bool]) -> None:
        """Runs a request; `on_chunk` returns True to stop it. Raises ValueError where it is malformed."""
        self._server.handle_chat_completions(body, on_chunk)

    def count(self, body: bytes) -> tuple[int, bytes]:
        """llama.cpp's own answer: status and JSON."""
        connection = http.client.HTTPConnection(self._address, timeout=30)
        headers = {"Authorization": f"Bearer {self._own_key}", "Content-Type": "application/json"}
        try:
            connection.request("POST", COUNT, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


class Answer:
    """One request in a thread, read in the loop. Whoever stops reading calls `stop`."""

    def __init__(self, llama: Llama, body: dict[str, Any], threads: ThreadPoolExecutor) -> None:
        self._loop = asyncio.get_running_loop()
        self._chunks: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._stopped = threading.Event()
        self._work = self._loop.run_in_executor(threads, self._run, llama, body)

    def _run(self, llama: Llama, body: dict[str, Any]) -> None:
        try:
            llama.chat(body, self._take)
        except ValueError:
            self._put({"error": {"code": 400, "type": "invalid_request_error", "message": "the request is malformed"}})
        except Exception as error:  # the library raises what it likes; its words may quote the prompt
            self._put({"error": {"code": 500, "type": "server_error", "message": type(error).__name__}})
        finally:
            self._put(None)

    def _take(self, chunk: dict[str, Any]) -> bool:
        if "prompt_progress" not in chunk:
            self._put(chunk)
        return self._stopped.is_set()

    def _put(self, chunk: dict[str, Any] | None) -> None:
        self._loop.call_soon_threadsafe(self._chunks.put_nowait, chunk)

    async def next(self) -> dict[str, Any] | None:
        return await self._chunks.get()

    def stop(self) -> None:
        self._stopped.set()


class Replica:
    """One process with the model in it."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._llama = Llama(model)
        # A slot's thread blocks for as long as it runs; two more count tokens meanwhile.
        self._threads = ThreadPoolExecutor(model.slots + 2)

    async def __call__(self, request: Request) -> Response:
        path, method = request.url.path.rstrip("/"), request.method
        if not self._may(request):
            return refuse(401, "authentication_error", "the key is not known here")
        if path == "/v1/models" and method == "GET":
            return JSONResponse({"object": "list", "data": [self._entry()]})
        if path in ("/v1/chat/completions", COUNT) and method == "POST":
            data = await request.body()
            return await (self._count(data) if path == COUNT else self._chat(data))
        return refuse(404, "not_found_error", "there is no such path")

    def _may(self, request: Request) -> bool:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        return not self._model.key or hmac.compare_digest(given.encode(), self._model.key.encode())

    def _entry(self) -> dict[str, Any]:
        model = self._model
        return {"id": model.name, "object": "model", "owned_by": "llamacpp", "meta": {"n_ctx": model.context}}

    async def _count(self, data: bytes) -> Response:
        loop = asyncio.get_running_loop()
        status, answer = await loop.run_in_executor(self._threads, self._llama.count, data)
        return Response(answer, status, media_type="application/json")

    async def _chat(self, data: bytes) -> Response:
        try:
            body = json.loads(data)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            return refuse(400, "invalid_request_error", "the request is no JSON object")
        stream = bool(body.get("stream"))
        answer = Answer(self._llama, body | {"return_progress": True} if stream else body, self._threads)
        try:
            first = await answer.next()
        except asyncio.CancelledError:
            answer.stop()
            raise
        if first is None or "error" in first:
            error = (first or {}).get("error") or {"type": "server_error", "message": "nothing came", "code": 500}
            return JSONResponse({"error": error}, int(error.get("code", 500)))
        if not stream:
            return JSONResponse(first)
        return StreamingResponse(events(first, answer), media_type="text/event-stream")

    def check_health(self) -> None:
        """Ray asks this now and then, and replaces a replica that raises."""
        self._llama.count(b'{"messages":[{"role":"user","content":""}]}')


async def events(first: dict[str, Any], answer: Answer) -> AsyncIterator[str]:
    """The chunks as server-sent events. Closed early (the client left) it frees the slot."""
    chunk: dict[str, Any] | None = first
    try:
        while chunk is not None:
            yield f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"
            chunk = await answer.next()
        yield "data: [DONE]\n\n"
    finally:
        answer.stop()


def refuse(status: int, kind: str, message: str) -> Response:
    return JSONResponse({"error": {"code": status, "type": kind, "message": message}}, status)


def application(model: Model, replicas: int, queue: int) -> Any:
    """The deployment: so many replicas, each with as many requests as slots, and a bounded queue before them (503)."""
    return serve.deployment(
        Replica,
        num_replicas=replicas,
        max_ongoing_requests=model.slots,
        max_queued_requests=queue,
        health_check_period_s=2,
        health_check_timeout_s=30,
        graceful_shutdown_timeout_s=5,
        ray_actor_options={"num_cpus": 0},
    ).bind(model)


def read_arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="deploy/ray/up", description="Serves a GGUF model from several processes.")
    parser.add_argument("--model", type=Path, required=True, help="the GGUF file")
    parser.add_argument("--name", default="", help="the model's name; the file's if not given")
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--slots", type=int, default=4, help="requests at once in each replica")
    parser.add_argument("--queue", type=int, default=16, help="requests that wait; more are refused with 503")
    parser.add_argument("--context", type=int, default=4096, help="tokens of each slot, in steps of 256")
    parser.add_argument("--threads", type=int, default=0, help="of each replica; the cores divided if not given")
    parser.add_argument("--host", default="127.0.0.1", help="where it listens")
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--address", help="of a Ray cluster that runs already; without it one is started here")
    return parser.parse_args(argv)


def connect(address: str | None, cores: int) -> None:
    """Joins the Ray cluster at that address, else starts one here. On a busy machine a part of Ray may give up before
    the others are there, so it is tried three times.
    """
    if address:
        ray.init(address=address, log_to_driver=False)
        return
    for left in (2, 1, 0):
        try:
            ray.init(
                num_cpus=cores,
                object_store_memory=128 << 20,
                include_dashboard=False,
                log_to_driver=False,
                _node_ip_address="127.0.0.1",
            )
        except Exception as error:  # Ray raises a plain Exception here
            ray.shutdown()
            if not left:
                raise
            print(f"Ray did not start ({str(error)[:80]}…), and is started again.", file=sys.stderr)
        else:
            return


def start(options: argparse.Namespace) -> str:
    """Starts Ray and the application, and waits until every replica has its model. Returns the address."""
    cores = os.cpu_count() or 1
    model = Model(
        str(options.model.resolve()),
        options.name or options.model.stem,
        options.context,
        options.slots,
        options.threads or max(1, cores // options.replicas),
        os.environ.get(KEY_ENV, ""),
    )
    connect(options.address, cores)
    serve.start(proxy_location="HeadOnly", http_options={"host": options.host, "port": options.port})
    serve.run(application(model, options.replicas, options.queue), name="tallystick", route_prefix="/")
    return f"http://{options.host}:{options.port}/v1"


def main(argv: list[str]) -> int:
    options = read_arguments(argv)
    if not options.model.is_file():
        print(f"There is no file {options.model}. Give a GGUF file with --model.", file=sys.stderr)
        return 2
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    url = start(options)
    print(json.dumps({"url": url, "replicas": options.replicas}), flush=True)
    print(
        f'A node stands before it with TALLYSTICK_ENGINE__KIND=upstream and the option url = "{url}".', file=sys.stderr
    )
    try:
        stopped.wait()
    finally:
        serve.shutdown()
        ray.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
