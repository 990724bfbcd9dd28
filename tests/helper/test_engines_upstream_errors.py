"""The words in which servers say no."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tallystick_helper.engines.upstream.errors import error_of_event, error_of_response, retry_after_ms
from tallystick_shared.errors import Code

OVERFLOW = {
    "error": {"code": 400, "type": "exceed_context_size_error", "message": "m", "n_prompt_tokens": 9, "n_ctx": 5}
}
LONG = "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens"


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, OVERFLOW, Code.PROMPT_TOO_LONG),
        (400, {"error": {"message": LONG, "type": "BadRequestError", "code": 400}}, Code.PROMPT_TOO_LONG),
        (400, {"object": "error", "message": LONG, "type": "BadRequestError", "code": 400}, Code.PROMPT_TOO_LONG),
        (400, {"error": {"code": "context_length_exceeded", "message": "x"}}, Code.PROMPT_TOO_LONG),
        (400, {"error": {"message": "Prompt exceeds max_seq_len", "trace": None}}, Code.PROMPT_TOO_LONG),
        (400, {"error": {"message": "temperature is wrong", "type": "invalid_request_error"}}, Code.BAD_REQUEST),
        (422, {"detail": [{"loc": ["body", "messages"], "msg": "field required"}]}, Code.BAD_REQUEST),
        (400, {"detail": "nonsense"}, Code.BAD_REQUEST),
        (400, b"", Code.BAD_REQUEST),
        (401, {"error": {"message": "Invalid API Key", "type": "authentication_error"}}, Code.ENGINE_FAILED),
        (403, b"<html>", Code.ENGINE_FAILED),
        (404, {"error": "model 'x' not found, try pulling it first"}, Code.ENGINE_FAILED),
        (301, b"", Code.ENGINE_FAILED),
        (429, {"error": {"message": "rate limit"}}, Code.BUSY),
        (503, {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}, Code.BUSY),
        (500, {"error": {"message": "CUDA out of memory", "type": "InternalServerError"}}, Code.ENGINE_FAILED),
        (500, {"error": {"message": "slot has no room", "type": "exceed_context_size_error"}}, Code.PROMPT_TOO_LONG),
        (502, b"<html>Bad Gateway</html>", Code.ENGINE_FAILED),
        (500, [1, 2], Code.ENGINE_FAILED),
        (500, {"error": ["x"]}, Code.ENGINE_FAILED),
    ],
)  # fmt: skip
def test_answers(status: int, body: Any, code: Code) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert error_of_response(status, {}, data).code is code


def test_the_context_is_told_where_the_server_tells_it() -> None:
    assert error_of_response(400, {}, json.dumps(OVERFLOW).encode()).values == {"units": 9, "limit": 5}


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"choices": []}, None),
        ({"choices": [], "error": None}, None),
        ({"error": {"message": "x", "code": 500}}, Code.ENGINE_FAILED),
        ({"error": {"message": "x", "code": "429"}}, Code.BUSY),
        ({"error": "gone"}, Code.ENGINE_FAILED),
        ({"object": "error", "message": "x", "code": 40303}, Code.ENGINE_FAILED),
        ({"error": {"message": "x", "code": 400, "type": "exceed_context_size_error"}}, Code.PROMPT_TOO_LONG),
        ({"detail": "x"}, Code.ENGINE_FAILED),
        ("text", Code.ENGINE_FAILED),
        (None, Code.ENGINE_FAILED),
    ],
)
def test_events(event: Any, code: Code | None) -> None:
    found = error_of_event(event)
    assert (found and found.code) == code


def test_what_may_quote_the_prompt_is_not_told_on() -> None:
    body = {"error": {"message": "cannot parse 'my secret'", "type": "my secret is out", "code": "a: 'secret'"}}
    for status in (400, 401, 429, 500):
        assert "secret" not in str(error_of_response(status, {}, json.dumps(body).encode())).replace(
            "my secret is out", ""
        )


@pytest.mark.parametrize(
    ("header", "expected"),
    [("2", 2000), ("0.25", 250), ("0", 100), ("9999", 60_000), ("", 1000), ("soon", 1000), ("-3", 1000), ("nan", 1000),
     ("Wed, 21 Oct 2026 07:28:00 GMT", 1000), ("1e400", 1000)],
)  # fmt: skip
def test_retry_after(header: str, expected: int) -> None:
    assert retry_after_ms({"retry-after": header} if header else {}) == expected
