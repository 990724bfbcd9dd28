"""Answers in OpenAI's shape, piece by piece: characters and frames that are cut, reasoning, scores, calls."""

from __future__ import annotations

import json

from tallystick_helper.gateway.deltas import DeltaReader, add_call
from tallystick_shared.chat import Call, Kind, Score, Scored, ScoredToken, frame
from tallystick_shared.session.events import Output


def piece(data: bytes, kind: int = Kind.ANSWER) -> Output:
    return Output(1, data, 0, kind)


def test_a_character_that_is_cut_waits_for_its_rest() -> None:
    reader, data = DeltaReader(), "Ω".encode()
    assert reader.read(piece(data[:1])) == ({}, [])
    assert reader.read(piece(data[1:] + b"!")) == ({"content": "Ω!"}, [])


def test_reasoning_goes_beside_the_answer_and_unknown_kinds_nowhere() -> None:
    reader = DeltaReader()
    assert reader.read(piece(b"hm", Kind.REASONING)) == ({"reasoning_content": "hm"}, [])
    assert reader.read(piece(b"yes")) == ({"content": "yes"}, [])
    assert reader.read(piece(b"\xff", 77)) == ({}, [])


def test_scored_tokens() -> None:
    token = ScoredToken(Score(5, b"yes", -0.5), (Score(5, b"yes", -0.5), Score(6, b"no", -1.5)))
    reader, data = DeltaReader(), frame(Scored("yes", (token,)))
    assert reader.read(piece(data[:7], Kind.SCORED)) == ({}, [])
    delta, [score] = reader.read(piece(data[7:], Kind.SCORED))
    assert delta == {"content": "yes"}
    assert (score["token"], score["logprob"], score["bytes"]) == ("yes", -0.5, list(b"yes"))
    assert [one["token"] for one in score["top_logprobs"]] == ["yes", "no"]


def test_calls_of_tools_join_by_their_index() -> None:
    reader = DeltaReader()
    parts = [Call(0, '{"pla', "c1", "weather"), Call(0, 'ce":1}'), Call(1, "{}", "c2", "time")]
    delta, _ = reader.read(piece(b"".join(map(frame, parts)), Kind.CALLS))
    assert delta["tool_calls"][0]["id"] == "c1" and "id" not in delta["tool_calls"][1]
    calls: list[dict[str, object]] = []
    for part in delta["tool_calls"]:
        add_call(calls, part)
    assert [one["function"]["name"] for one in calls] == ["weather", "time"]  # type: ignore[index]
    assert json.loads(calls[0]["function"]["arguments"]) == {"place": 1}  # type: ignore[index]
