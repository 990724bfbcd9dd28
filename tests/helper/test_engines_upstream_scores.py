"""Log-probabilities, as different servers write them."""

from __future__ import annotations

from typing import Any

import pytest

from tallystick_helper.engines.upstream.pieces import pieces_of
from tallystick_helper.engines.upstream.scores import LEAST, read_scores
from tallystick_helper.engines.upstream.stream import Ended, Part, StreamReader
from tallystick_helper.engines.upstream.units import Meter
from tallystick_shared.chat import Call, FrameReader, Kind, Score, Scored, ScoredToken

HI = {"token": "Hi", "logprob": -0.5}


@pytest.mark.parametrize(
    ("logprobs", "expected"),
    [
        (None, ()),
        ("nonsense", ()),
        ({"content": None}, ()),
        ({"content": [HI | {"id": 9, "bytes": [72, 105]}]}, (ScoredToken(Score(9, b"Hi", -0.5)),)),
        ({"content": [HI | {"bytes": None}]}, (ScoredToken(Score(-1, b"Hi", -0.5)),)),
        ({"content": [HI | {"token": "token_id:77"}]}, (ScoredToken(Score(77, b"token_id:77", -0.5)),)),
        ({"content": [{"token": "x", "logprob": float("-inf")}]}, (ScoredToken(Score(-1, b"x", LEAST)),)),
        ({"content": [{"token": "x", "logprob": 0.01, "bytes": [999]}]}, (ScoredToken(Score(-1, b"x", 0.0)),)),
        (
            {"content": [HI | {"top_logprobs": [{"token": "a", "logprob": -3}, HI, {"token": "b", "logprob": -2}]}]},
            (ScoredToken(Score(-1, b"Hi", -0.5), (Score(-1, b"Hi", -0.5), Score(-1, b"b", -2.0))),),
        ),
        (
            {"tokens": ["Hi", None], "token_logprobs": [-0.5], "top_logprobs": [{"Hi": -0.5, "Yo": -1}]},
            (ScoredToken(Score(-1, b"Hi", -0.5), (Score(-1, b"Hi", -0.5), Score(-1, b"Yo", -1.0))),),
        ),
        ({"tokens": ["x"]}, (ScoredToken(Score(-1, b"x", LEAST)),)),
    ],
)
def test_shapes(logprobs: Any, expected: tuple[ScoredToken, ...]) -> None:
    assert read_scores(logprobs, 2) == expected


def test_a_scored_answer_comes_in_frames() -> None:
    part = Part("é" * 5000, scores=(ScoredToken(Score(1, b"x", -1.0)),))
    reader = FrameReader(Scored)
    meter = Meter(100)
    pieces = list(pieces_of(part, meter, scored=True))
    frames = [one for piece in pieces for one in reader.feed(piece.data)]
    assert "".join(one.text for one in frames) == part.text
    assert [len(one.tokens) for one in frames] == [1, 0]
    assert {piece.kind for piece in pieces} == {Kind.SCORED}
    assert 2 <= meter.units <= 5


def test_calls_of_tools_in_parts_and_whole() -> None:
    first = {"index": 0, "id": "c1", "type": "function", "function": {"name": "weather", "arguments": ""}}
    events = [
        {"choices": [{"delta": {"tool_calls": [first]}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":'}}]}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}, {"nonsense": 1}]}}]},
        {"choices": [{"delta": {"tool_calls": [{"function": {"name": "b", "arguments": {"c": 2}}}]}}]},
        {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]},
    ]
    import json

    source, reader = StreamReader(), FrameReader(Call)
    meter = Meter(100)
    calls: list[Call] = []
    for event in events:
        for part in source.take(json.dumps(event)):
            if not isinstance(part, Ended):
                calls += [one for piece in pieces_of(part, meter, scored=False) for one in reader.feed(piece.data)]
    assert calls == [
        Call(0, "", "c1", "weather"),
        Call(0, '{"a":'),
        Call(0, "1}"),
        Call(0, '{"c": 2}', "", "b"),
    ]
    assert meter.units == 4
