"""Requests in OpenAI's shape: what is carried over, what is passed over, what is refused by its name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tallystick_helper.gateway.choice import Preference, read_preference
from tallystick_helper.gateway.faults import BadParameter, fault_of
from tallystick_helper.gateway.wishes import HARMLESS, NEUTRAL, read_chat, read_embeddings
from tallystick_shared import chat, embeddings
from tallystick_shared.errors import Code, LocalError

SAID = [{"role": "user", "content": "hello"}]


def chat_of(**more: Any) -> Any:
    return read_chat({"model": "m", "messages": SAID, **more}, 4096)


def test_a_plain_request() -> None:
    wish = chat_of()
    assert (wish.asked.service, wish.asked.model, wish.asked.max_units, wish.asked.params) == ("chat", "m", 4096, b"")
    assert not wish.stream and not wish.usage and wish.preference == Preference()
    assert [(one.role, one.content) for one in chat.read_input(wish.asked.data).messages] == [("user", "hello")]


def test_what_is_supported_is_carried_over() -> None:
    wish = chat_of(
        temperature=1, top_p=0.5, seed=7, stop="END", max_tokens=3, stream=True, stream_options={"include_usage": True}
    )
    params = chat.read_params(wish.asked.params)
    assert (params.temperature, params.top_p, params.seed, params.stop) == (1.0, 0.5, 7, ("END",))
    assert (wish.asked.max_units, wish.stream, wish.usage) == (3, True, True)
    assert chat_of(max_completion_tokens=5, max_tokens=9).asked.max_units == 5
    assert chat.read_params(chat_of(stop=["a", "b"]).asked.params).stop == ("a", "b")


def test_roles_and_parts() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    said = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": parts, "name": "x"},
        {"role": "assistant", "content": "c", "tool_calls": []},
    ]
    asked = read_chat({"model": "m", "messages": said}, 10).asked
    found = [(one.role, one.content) for one in chat.read_input(asked.data).messages]
    assert found == [("system", "be brief"), ("user", "a\nb"), ("assistant", "c")]
    assert chat.read_params(asked.params).continues  # the assistant's beginning is gone on with


def test_tools_and_their_answers() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    tool = {"type": "function", "function": {"name": "weather", "parameters": {}}}
    said = [
        *SAID,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "rain", "tool_call_id": "c1"},
    ]
    choice = {"type": "function", "function": {"name": "weather"}}
    asked = read_chat({"model": "m", "messages": said, "tools": [tool], "tool_choice": choice}, 10).asked
    read = chat.read_input(asked.data)
    assert json.loads(read.tools) == [tool] and json.loads(read.messages[1].tool_calls) == [call]
    assert (read.messages[1].content, read.messages[2].tool_call_id) == ("", "c1")
    assert chat.read_params(asked.params).tool_choice == "weather"
    assert chat.read_params(chat_of(tools=[], tool_choice="auto").asked.params).tool_choice == ""


def test_the_shape_of_an_answer() -> None:
    schema = {"type": "object"}
    formats = {
        "{}": {"type": "json_object"},
        json.dumps(schema): {"type": "json_schema", "json_schema": {"schema": schema}},
    }
    for carried, given in formats.items():
        assert chat.read_params(chat_of(response_format=given).asked.params).json_schema == carried
    assert chat.read_params(chat_of(logprobs=True).asked.params).logprobs == 0
    assert chat.read_params(chat_of(logprobs=True, top_logprobs=3).asked.params).logprobs == 3
    found = chat.read_params(chat_of(top_k=40, min_p=0.1, repeat_penalty=1.1, presence_penalty=0).asked.params)
    assert (found.top_k, found.min_p, found.repeat_penalty, found.presence_penalty) == (40, 0.1, 1.1, None)


def test_what_asks_for_nothing_is_passed_over() -> None:
    usual = {"logprobs": False, "frequency_penalty": 0, "tools": [], "tool_choice": "none"}
    assert chat_of(**usual, response_format={"type": "text"}).asked == chat_of().asked
    for name, values in NEUTRAL.items():
        for value in (None, *values):
            assert chat_of(**{name: value}).asked == chat_of().asked
    assert chat_of(**dict.fromkeys(HARMLESS, "whatever")).asked == chat_of().asked


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": 7}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"tools": [{"type": "retrieval"}]}, "tools"),
        ({"tools": [{"type": "function"}], "tool_choice": {"type": "function"}}, "tool_choice"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
        ({"frequency_penalty": 5}, "frequency_penalty"),
        ({"top_k": 0}, "top_k"),
        ({"mirostat": 2}, "mirostat"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"seed": -1}, "seed"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": 7}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": []}, "stream_options"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_completion_tokens": 1 << 40}, "max_completion_tokens"),
        ({"model": ""}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": ["x"]}, "messages.0"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.tool_call_id"),
        ({"messages": [{"role": "user", "content": "x", "tool_calls": [{}]}]}, "messages.0.tool_calls"),
        ({"messages": [{"role": "user", "content": "x", "function_call": {}, "name": "y"}] * 1001}, "messages"),
        ({"messages": [{"role": "user", "content": None}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content.0"),
        ({"provider": {"sort": "luck"}}, "provider.sort"),
    ],
)
def test_what_is_not_supported_is_refused_by_its_name(more: dict[str, Any], param: str) -> None:
    with pytest.raises(BadParameter) as caught:
        chat_of(**more)
    assert caught.value.param == param
    fault = fault_of(caught.value)
    assert fault.status == 400 and fault.body["error"]["param"] == param and fault.message.endswith(".")


@pytest.mark.parametrize("body", [None, [], "x", 7])
def test_a_body_is_an_object(body: Any) -> None:
    with pytest.raises(BadParameter):
        read_chat(body, 10)
    with pytest.raises(BadParameter):
        read_embeddings(body)


def test_embeddings() -> None:
    wish = read_embeddings({"model": "m", "input": "one"})
    assert (wish.count, wish.base64, wish.asked.max_units, wish.asked.params) == (1, False, 1, b"")
    wish = read_embeddings({"model": "m", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 64})
    assert (wish.count, wish.base64, embeddings.read_params(wish.asked.params).dimensions) == (2, True, 64)
    assert embeddings.read_input(wish.asked.data).texts == ("a", "b")
    for more in ({"input": []}, {"input": [1, 2]}, {"input": [""]}, {"input": ["a"] * 2049}, {"dimensions": 4}):
        with pytest.raises(BadParameter):
            read_embeddings({"model": "m", "input": "x", **more})


def test_preferences() -> None:
    a, b = "0x" + "11" * 20, "0x" + "22" * 20
    found = read_preference(
        {
            "sort": "latency",
            "only": [a],
            "ignore": [b],
            "order": [b, a],
            "max_price": {"prompt": 0.5, "completion": "1.25"},
            "allow_fallbacks": False,
            "require_parameters": True,
        }
    )
    assert (found.sort, found.only, found.ignore) == ("latency", {b"\x11" * 20}, {b"\x22" * 20})
    assert (str(found.most_in), str(found.most_out), found.fallbacks) == ("0.5", "1.25", False)
    assert found.order == (b"\x22" * 20, b"\x11" * 20)
    for wrong in (
        7,
        {"quantizations": "fp8"},
        {"data_collection": "deny"},
        {"only": a},
        {"only": ["0x12"]},
        {"order": [7]},
        {"max_price": 1},
        {"max_price": {"image": 1}},
        {"max_price": {"prompt": "nan"}},
        {"max_price": {"prompt": -1}},
        {"max_price": {"prompt": True}},
        {"allow_fallbacks": 1},
    ):
        with pytest.raises(BadParameter):
            read_preference(wrong)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (Code.DEPOSIT_EXHAUSTED, 402),
        (Code.NO_DEPOSIT, 402),
        (Code.BUSY, 429),
        (Code.BAD_REQUEST, 400),
        (Code.PROMPT_TOO_LONG, 400),
        (Code.UNKNOWN_MODEL, 404),
        (Code.PROVIDER_GONE, 503),
        (Code.RPC_UNREACHABLE, 503),
        (Code.IN_USE_ELSEWHERE, 409),
        (Code.ENGINE_FAILED, 502),
        (Code.TAMPERED, 502),
    ],
)
def test_statuses(code: Code, status: int) -> None:
    fault = fault_of(LocalError(code))
    assert fault.status == status
    assert ("Retry-After" in fault.headers) == (status == 429)
    assert set(fault.body["error"]) == {"message", "type", "param", "code"}


def test_when_to_come_back() -> None:
    assert fault_of(LocalError(Code.BUSY, retry_after_ms=2500)).headers == {"Retry-After": "3"}
    assert fault_of(LocalError(Code.UNKNOWN_CHANNEL)).headers == {"Retry-After": "3"}
    assert fault_of(ValueError("a prompt")).body["error"]["message"] == "Something in this node broke."


def test_words_of_its_own_where_those_of_the_page_do_not_fit() -> None:
    assert "Another program" in fault_of(LocalError(Code.IN_USE_ELSEWHERE)).message
    assert "/v1/models" in fault_of(LocalError(Code.UNKNOWN_MODEL, model="x")).message
    assert "Become the first" not in fault_of(LocalError(Code.NO_PROVIDERS)).message
