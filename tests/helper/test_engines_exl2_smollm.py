"""The demo model through three doors: llama.cpp, its GGUF file read in numpy, and an EXL2 folder made of it.

llama.cpp answers greedily and tells its log-probabilities; the reference scores the same tokens in one pass. The bounds
stand well away from what was measured: agreement and loss are properties of the weights, not of the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tallystick_helper.engines import Reason, open_engine
from tallystick_helper.engines.conformance import ask, collect, text_of
from tallystick_helper.engines.exl2.audit import score
from tallystick_helper.engines.exl2.convert import EVEN, MIXED, convert
from tallystick_helper.engines.exl2.folder import read_folder
from tallystick_helper.engines.exl2.gguf_model import GgufModel
from tallystick_helper.engines.exl2.llama import Llama
from tallystick_helper.engines.exl2.template import ChatTemplate
from tallystick_helper.engines.exl2.tensors import FolderTensors
from tallystick_helper.engines.exl2.text import Text
from tallystick_helper.engines.llama import GgufOptions, LlamaServer
from tallystick_helper.engines.weights import DEMO, find_demo
from tests.helper.greedy import greedy

pytestmark = [pytest.mark.model, pytest.mark.full]
QUESTIONS = (
    "Why is the sky blue?",
    "Write a Python function that computes the factorial of 12345.",
    "Tell me of café ☕.",
)


@dataclass(frozen=True)
class Answer:
    """A greedy answer of llama.cpp."""

    prompt: list[int]
    tokens: list[int]
    logprobs: list[float]


@pytest.fixture(scope="module")
def server() -> Iterator[LlamaServer]:
    server = LlamaServer(find_demo(), DEMO.name, GgufOptions(context=1024, slots=1, threads=1))
    yield server
    server.close()


@pytest.fixture(scope="module")
def gguf() -> GgufModel:
    return GgufModel(find_demo())


@pytest.fixture(scope="module")
def answers(server: LlamaServer, gguf: GgufModel, tmp_path_factory: pytest.TempPathFactory) -> list[Answer]:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    gguf.tokenizer().save(str(path))
    text, template = Text(path), ChatTemplate(gguf.tokenizer_config()["chat_template"], {})
    found = []
    for question in QUESTIONS:
        prompt = text.encode(template.render([("user", question)]))
        assert len(prompt) == server.count({"messages": [{"role": "user", "content": question}]})
        found.append(Answer(prompt, *greedy(server, question, 24)))
    return found


def test_the_gguf_file_in_numpy_says_what_llama_says(gguf: GgufModel, answers: list[Answer]) -> None:
    """Measured: agreement 0.99, margin 0.0005, log-probabilities 0.03 apart: llama.cpp rounds activations to 8 bits."""
    model = Llama(gguf.config(), gguf)
    scores = [score(model, answer.prompt, answer.tokens) for answer in answers]
    apart = np.concatenate(
        [np.abs(one.logprobs - answer.logprobs) for one, answer in zip(scores, answers, strict=True)]
    )
    assert np.mean([one.agreement for one in scores]) > 0.9
    assert np.mean([one.mean_margin for one in scores]) < 0.03
    assert apart.mean() < 0.08


def test_exl2_folders_stay_close_and_speak(
    gguf: GgufModel, answers: list[Answer], tmp_path: Path, record_property: Any
) -> None:
    """Measured: eight bits agree in 0.99 and lose 0.01 nats a token; mixed widths, not calibrated, 0.83 and 0.36."""
    for name, mix, least, most in (("even", EVEN, 0.88, 0.05), ("mixed", MIXED, 0.5, 0.8)):
        folder = tmp_path / name
        convert(find_demo(), folder, mix, head=8 if mix is EVEN else 6)
        model = Llama(read_folder(folder).config, FolderTensors(folder))
        scores = [score(model, answer.prompt, answer.tokens) for answer in answers]
        agreement = float(np.mean([one.agreement for one in scores]))
        margin = float(np.mean([one.mean_margin for one in scores]))
        record_property(name, {"agreement": agreement, "margin": margin, "loss": [one.loss for one in scores]})
        assert agreement > least and margin < most


async def test_a_converted_model_answers_coherently(gguf: GgufModel, tmp_path: Path) -> None:
    """What it says greedily is likely to the source too: below one nat a token, where noise has more than ten."""
    folder = tmp_path / "smol"
    convert(find_demo(), folder)
    engine = await open_engine("exl2_ref", {"path": folder, "context": 512, "slots": 2, "threads": 1})
    pieces, finish = await collect(engine.run(ask(QUESTIONS[0], max_units=40, temperature=0.0)))
    await engine.close()
    assert finish.reason in (Reason.LENGTH, Reason.STOP) and finish.units >= 10
    read = read_folder(folder)
    prompt, answer = read.prompt([("user", QUESTIONS[0])]), read.text.encode(text_of(pieces))
    assert score(Llama(gguf.config(), gguf), prompt, answer).loss < 1.0
