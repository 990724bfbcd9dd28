"""What llama.cpp says of a file at temperature 0, to hold others against."""

from __future__ import annotations

from typing import Any

from tallystick_helper.engines.llama import LlamaServer


def greedy(server: LlamaServer, question: str, most: int) -> tuple[list[int], list[float]]:
    """What llama.cpp answers at temperature 0: ids and natural log-probabilities."""
    entries: list[dict[str, Any]] = []

    def take(chunk: dict[str, Any]) -> bool:
        for choice in chunk.get("choices", ()):
            entries.extend((choice.get("logprobs") or {}).get("content") or ())
        return False

    server.chat(
        {"messages": [{"role": "user", "content": question}], "max_tokens": most, "temperature": 0.0, "stream": True,
         "logprobs": True, "top_logprobs": 1, "cache_prompt": False},
        take,
    )  # fmt: skip
    return [int(entry["id"]) for entry in entries], [float(entry["logprob"]) for entry in entries]
