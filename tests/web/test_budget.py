"""Texts made to keep the renderer busy are told from prose before they are parsed, and by the time that they took."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from web.build.inputs import ROOT, node

LETTERS = 23_900  # of one block, just under what is shown as it is anyhow
UNITS = ["!", "<", "~ ", "&", "[", "![", "`a", "*a ", "_a*", "a_b", "@a.", "<!", "</", "$a "]
WORDS = ["x" * LETTERS + "@", "a." * (LETTERS // 2) + "@", "!" * 4_500, "_a*" * 1_100, ("x" * 1_900 + " ") * 12]
CODE = "int *a_b = &c[0] << 2; // `x` !y ~z <w@v> a_b * c_d\n"
ROW = "| `one` | **two** | [three](https://three.example/a_b) | four_five | a@b.example |\n"
PROSE = [
    "A paragraph with *some* words, `code` and [a link](https://link.example/a). " * 60,
    "| a | b | c | d | e |\n|---|---|---|---|---|\n" + ROW * 120,
    "".join(f"- **Item {index}**: `value_{index}` is _much_ larger!\n" for index in range(200)),
    f"So:\n```c\n{CODE * 400}```\n",
    f"```\n{'QUJD' * 5_000}\n```\n",
    "https://bucket.example/" + "a1b2" * 400,
    "$$\n" + "\\alpha_{i} &= \\beta^{2}_{j} + [x] \\\\\n" * 150 + "$$\n",
]


def told(texts: list[str], times: list[tuple[int, int]]) -> Any:
    done = subprocess.run(
        [node(), Path(__file__).with_name("budget.mjs")],
        input=json.dumps({"texts": texts, "times": times}),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return json.loads(done.stdout)


def test_blocks_of_marks_or_of_one_word_are_not_parsed() -> None:
    texts = [(unit * LETTERS)[:LETTERS] for unit in UNITS] + WORDS
    assert told(texts, [])["busy"] == [True] * len(texts)


def test_what_people_and_models_write_is_parsed() -> None:
    assert told(PROSE, [])["busy"] == [False] * len(PROSE)


@pytest.mark.parametrize(
    ("times", "spent"),
    [
        ([(12, 4_000)] * 5, [False] * 5),  # prose of any length
        ([(400, 100)] * 4, [False, False, True, True]),
        ([(1_500, 24_000), (1, 10)], [True, True]),
    ],
)
def test_an_answer_that_took_long_stays_plain(times: list[tuple[int, int]], spent: list[bool]) -> None:
    assert told([], times)["spent"] == spent
