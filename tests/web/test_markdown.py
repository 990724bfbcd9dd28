"""Cutting streaming markdown: nothing is lost, finished blocks stay as they are."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tallystick_web.markdown import Cutter, blocks
from web.build.inputs import ROOT, node

TEXT_LINES = ["text", "more *text*", "", "", "- item", "  inside", "1. first", "    code", "# Head", "> q", "    "]
MARK_LINES = ["$$", "\\[", "\\]", "2", "```", "```python", "~~~", "````", "<div>", "</div>", "| a | b |", "|---|---|"]
LINES = st.sampled_from(TEXT_LINES + MARK_LINES)
TEXTS = st.lists(LINES, max_size=14).map("\n".join)


def texts(source: str, *, finished: bool = False) -> list[str]:
    return [block.text for block in blocks(source, finished=finished)]


def test_paragraphs_are_blocks() -> None:
    assert texts("one\n\ntwo\n\nthree") == ["one\n\n", "two\n\n", "three"]


def test_a_loose_list_is_one_block() -> None:
    assert texts("- a\n\n- b\n\n  more of b\n\nafter") == ["- a\n\n- b\n\n  more of b\n\n", "after"]


def test_a_closed_fence_is_one_block_with_the_blank_lines_in_it() -> None:
    assert texts("```\na\n\nb\n```\n\nafter") == ["```\na\n\nb\n```\n\n", "after"]


def test_an_open_fence_is_bare_code_until_it_closes() -> None:
    before, code = blocks("see:\n```python\na = 1\n\nb", finished=False)
    assert (before.text, before.open_fence) == ("see:\n", False)
    assert (code.text, code.open_fence, code.language) == ("a = 1\n\nb", True, "python")


def test_an_open_fence_at_the_end_of_a_finished_answer_is_left_to_the_renderer() -> None:
    assert texts("```\na", finished=True) == ["```\na"]


def test_a_shorter_fence_inside_does_not_close() -> None:
    (code,) = blocks("````\n```\na\n", finished=False)
    assert code.open_fence and code.text == "```\na\n"


def test_backticks_in_the_info_string_are_no_fence() -> None:
    assert texts("``` a`b\n\nnext") == ["``` a`b\n\n", "next"]


@given(TEXTS)
def test_nothing_is_lost(source: str) -> None:
    assert "".join(texts(source, finished=True)) == source


@given(TEXTS, st.integers(0, 200))
def test_finished_blocks_never_change_as_more_comes(source: str, cut: int) -> None:
    part = blocks(source[:cut], finished=False)
    whole = blocks(source, finished=False)
    # Up to the last finished block: the last piece of the part is its tail, and with it the text before an open
    # fence.
    tail = 2 if part and part[-1].open_fence else 1
    finished = part[:-tail]
    assert whole[: len(finished)] == finished


def test_the_pieces_rendered_are_the_whole_rendered() -> None:
    """With the renderer itself: render(head) + render(tail) = render(all), for 6,000 texts made of awkward lines."""
    awkward = [
        "[a]: http://x",
        "[a]",
        "<!-- c",
        "-->",
        "<b>x</b>",
        "---",
        "===",
        "* x",
        "   three",
        "\ttab",
        "word\\",
        "- ",
        "$$",
        "$$ a",
        "x $$",
        "$a$ and $5",
        "\\[",
        "\\]",
        "\\(b\\)",
        "2",
        "2.",
    ]
    lines, dice = TEXT_LINES + MARK_LINES + awkward, random.Random(7)
    texts_ = ["\n".join(dice.choice(lines) for _ in range(dice.randint(1, 12))) for _ in range(6000)]
    pieces = [[block.text for block in blocks(text, finished=True)] for text in texts_]
    script = Path(__file__).with_name("render.mjs")
    done = subprocess.run(
        [node(), script], input=json.dumps(pieces), capture_output=True, text=True, check=True, cwd=ROOT
    )
    wrong = json.loads(done.stdout)
    assert [pieces[index] for index in wrong] == []


@given(TEXTS, st.lists(st.integers(1, 40), max_size=12))
def test_a_cutter_that_has_seen_the_beginning_cuts_like_one_that_has_not(source: str, steps: list[int]) -> None:
    """Except where it cut before: what was finished stays so."""
    cutter, at = Cutter(), 0
    seen: list[str] = []
    for step in steps:
        at += step
        shown = [block.text for block in cutter.blocks(source[:at], finished=False) if not block.open_fence]
        assert shown[: len(seen[:-2])] == seen[:-2]
        seen = shown
    assert "".join(block.text for block in cutter.blocks(source, finished=True)) == source
