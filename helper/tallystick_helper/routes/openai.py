"""The local `/v1`, as OpenAI's clients speak it: models, chat completions, embeddings. Every request needs the key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from tallystick_shared.errors import Code, LocalError, TallystickError
from tallystick_shared.session.events import Finished

from ..gateway import answers
from ..gateway.faults import BadParameter, Fault, fault_of
from ..gateway.key import ApiKey
from ..gateway.service import Answering, Gateway
from ..gateway.wishes import ChatWish, read_chat, read_embeddings

MOST_BODY = 16 << 20
"""Bytes of a request: a prompt of 1 MiB, escaped as JSON escapes at its worst, and room for the rest."""
Work = Callable[[Request], Awaitable[Response]]
log = structlog.get_logger(__name__)


class Answers:
    """The routes' work: a gateway, the key that opens it, and the longest answer where a request names no limit."""

    def __init__(self, gateway: Gateway, key: ApiKey, most: int) -> None:
        self._gateway, self._key, self._most = gateway, key, most

    def routes(self) -> list[BaseRoute]:
        """Each behind the key, and each fault in OpenAI's shape."""
        rows: list[tuple[str, str, Work]] = [
            ("GET", "/v1/models", self.models),
            ("GET", "/v1/models/{model:path}", self.model),
            ("POST", "/v1/chat/completions", self.chat),
            ("POST", "/v1/embeddings", self.embeddings),
        ]
        routes: list[BaseRoute] = [Route(path, self._guarded(work), methods=[method]) for method, path, work in rows]
        every = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        return [*routes, Route("/v1/{path:path}", self._guarded(self.unknown), methods=every)]

    def _guarded(self, work: Work) -> Work:
        async def answer(request: Request) -> Response:
            try:
                if not self._key.opens(request.headers.get("authorization")):
                    return _fault(_no_key())
                return await _while_heard(request, work)
            except (TallystickError, BadParameter) as error:
                return _fault(fault_of(error))
            except ClientDisconnect:
                return Response(status_code=499)
            except Exception as error:
                log.exception("request_failed", path=request.url.path, kind=type(error).__name__)
                return _fault(fault_of(error))

        return answer

    async def models(self, request: Request) -> Response:
        found = await self._gateway.models()
        return JSONResponse({"object": "list", "data": [answers.model_row(offers) for offers in found.values()]})

    async def model(self, request: Request) -> Response:
        name = request.path_params["model"]
        found = (await self._gateway.models()).get(name)
        if found is None:
            raise LocalError(Code.UNKNOWN_MODEL, model=name)
        return JSONResponse(answers.model_row(found))

    async def chat(self, request: Request) -> Response:
        wish = read_chat(_body(request), self._most)
        if wish.stream:
            return await ChatStream.begin(self._gateway, wish)
        async with self._gateway.answering(wish.asked, wish.preference) as answering:
            answer = answers.ChatAnswer(answering.one)
            async for event in answering.events():
                if isinstance(event, Finished):
                    return JSONResponse(answer.whole(event))
                answer.add(event)
        raise LocalError(Code.PROVIDER_GONE)

    async def embeddings(self, request: Request) -> Response:
        wish = read_embeddings(_body(request))
        data = bytearray()
        async with self._gateway.answering(wish.asked, wish.preference) as answering:
            async for event in answering.events():
                if isinstance(event, Finished):
                    one, got = answering.one, bytes(data)
                    return JSONResponse(answers.vectors_answer(one, got, wish.count, event, packed=wish.base64))
                data += event.data
        raise LocalError(Code.PROVIDER_GONE)

    async def unknown(self, request: Request) -> Response:
        known = "/v1/models, /v1/chat/completions, /v1/embeddings"
        return _fault(Fault(404, f"There is no such address here. Known are {known}.", "unknown_url"))


class ChatStream(Response):
    """Server-sent events: a chunk for each piece, `[DONE]` at the end. It begins once there is an answer, so that what
    goes wrong before has a status of its own; what goes wrong later is an event with `error`, and no `[DONE]`.
    """

    media_type = "text/event-stream"

    def __init__(self, wish: ChatWish, chunks: AsyncGenerator[bytes, None]) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._wish, self._chunks = wish, chunks

    @classmethod
    async def begin(cls, gateway: Gateway, wish: ChatWish) -> ChatStream:
        """Waits for the first piece of the answer. Raises TallystickError."""
        chunks = _chunks(gateway, wish)
        try:
            await anext(chunks)
        except BaseException:
            await chunks.aclose()
            raise
        return cls(wish, chunks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(self._send(send))
        hearing = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait([sending, hearing], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, hearing):
                task.cancel()
            await asyncio.gather(sending, hearing, return_exceptions=True)
            await self._chunks.aclose()

    async def _send(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async for chunk in self._chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _chunks(gateway: Gateway, wish: ChatWish) -> AsyncGenerator[bytes, None]:
    """The first is empty, and comes once there is an answer. Raises TallystickError before it, and never after."""
    async with gateway.answering(wish.asked, wish.preference) as answering:
        yield b""
        try:
            async with aclosing(_told(answering, wish.usage)) as told:
                async for values in told:
                    yield _event(values)
        except TallystickError as error:
            yield _event(fault_of(error).body)
        else:
            yield b"data: [DONE]\n\n"


async def _told(answering: Answering, usage: bool) -> AsyncGenerator[dict[str, Any], None]:
    answer = answers.ChatAnswer(answering.one)
    yield answer.opening()
    async with aclosing(answering.events()) as events:
        async for event in events:
            if isinstance(event, Finished):
                for closing in answer.closing(event, usage=usage):
                    yield closing
            elif (chunk := answer.chunk(event)) is not None:
                yield chunk


def _event(values: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


async def _gone(receive: Receive) -> None:
    """Returns once the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _while_heard(request: Request, work: Work) -> Response:
    """Does the work for as long as the client is there. Raises ClientDisconnect once it left: the work is cancelled."""
    await _read(request)
    working = asyncio.ensure_future(work(request))
    hearing = asyncio.create_task(_gone(request.receive))
    try:
        await asyncio.wait([working, hearing], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return await working
    finally:
        for task in (working, hearing):
            task.cancel()
        await asyncio.gather(working, hearing, return_exceptions=True)


async def _read(request: Request) -> None:
    """Keeps the request's body, as far as it is allowed. Raises LocalError TOO_LARGE, ClientDisconnect."""
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > MOST_BODY:
            raise LocalError(Code.TOO_LARGE, size=len(data), limit=MOST_BODY)
    request.state.read = bytes(data)


def _body(request: Request) -> Any:
    """The request's JSON. Raises BadParameter."""
    try:
        return json.loads(request.state.read)
    except (ValueError, RecursionError):
        raise BadParameter("body", "it is not valid JSON") from None


def _no_key() -> Fault:
    says = "The API key is missing or wrong: give it as `Authorization: Bearer KEY`. `tallystick gateway key` shows it."
    return Fault(401, says, "invalid_api_key", headers={"WWW-Authenticate": "Bearer"})


def _fault(fault: Fault) -> JSONResponse:
    return JSONResponse(fault.body, fault.status, headers=fault.headers)
