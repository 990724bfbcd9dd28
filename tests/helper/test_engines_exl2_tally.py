"""From steps to pieces: the steps are those that exllamav2 and exllamav3 report, shortened."""

from __future__ import annotations

import pytest

from tallystick_helper.engines import Piece, Reason
from tallystick_helper.engines.exl2.steps import Likelihood, Step
from tallystick_helper.engines.exl2.tally import Tally, whole
from tallystick_helper.engines.exl2.text import Text
from tallystick_shared import chat
from tests.helper.exl2_models import END, byte_tokenizer

PARTY = tuple("🎉".encode())


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Text:
    path = tmp_path_factory.mktemp("text") / "tokenizer.json"
    byte_tokenizer().save(str(path))
    return Text(path)


def tallied(text: Text, *steps: Step, stops: tuple[str, ...] = ()) -> tuple[list[tuple[str, int]], Reason | None]:
    pieces: list[Piece] = []
    tally = Tally(text, stops)
    reason = None
    for step in steps:
        assert reason is None
        found, reason = tally.take(step)
        pieces += found
    return [(piece.data.decode(), piece.units) for piece in pieces], reason


def said(what: str, end: str = "", **more: object) -> Step:
    return Step("streaming", what, tuple(what.encode()), end=end, **more)  # type: ignore[arg-type]


def test_one_token_a_piece_and_the_end_token_is_none(text: Text) -> None:
    steps = (said("a"), said("b"), Step("streaming", end="stop_token", held=(END,)))
    assert tallied(text, *steps) == ([("a", 1), ("b", 1)], Reason.STOP)


def test_what_was_held_back_goes_out_when_the_end_token_comes(text: Text) -> None:
    steps = (said("a"), Step("streaming"), Step("streaming", end="stop_token", held=(ord("b"), END)))
    assert tallied(text, *steps, stops=("bc",)) == ([("a", 1), ("b", 1)], Reason.STOP)


def test_a_character_of_four_tokens_is_four_units(text: Text) -> None:
    assert tallied(text, Step("streaming"), said("🎉"), said("a", "max_new_tokens")) == (
        [("🎉", 4), ("a", 1)],
        Reason.LENGTH,
    )


@pytest.mark.parametrize("shown", ["a\ufffd\ufffd\ufffd", "a\ufffd"])
def test_the_beginning_of_a_character_is_dropped_at_the_limit(text: Text, shown: str) -> None:
    """exllamav2 gives a replacement for each token there, exllamav3 one for all."""
    step = Step("streaming", shown, (ord("a"), *PARTY[:3]), end="max_new_tokens")
    assert tallied(text, step) == ([("a", 1)], Reason.LENGTH)


def test_a_character_that_is_whole_at_the_limit_is_repaired(text: Text) -> None:
    step = Step("streaming", "\ufffd" * 4, PARTY, end="max_new_tokens")
    assert tallied(text, step) == ([("🎉", 4)], Reason.LENGTH)


def test_a_stop_string_is_neither_handed_out_nor_counted(text: Text) -> None:
    step = Step("streaming", "a", tuple(b"abc"), end="stop_string")
    assert tallied(text, step, stops=("bc",)) == ([("a", 1)], Reason.STOP)


def test_a_stop_string_that_the_limit_meets(text: Text) -> None:
    assert tallied(text, said("abc", "max_new_tokens"), stops=("bc",)) == ([("a", 1)], Reason.STOP)


def test_special_tokens_have_no_text_and_are_no_units(text: Text) -> None:
    assert tallied(text, Step("streaming", "a", (256, ord("a")))) == ([("a", 1)], None)


def test_text_of_a_filter_and_of_a_loop_is_text(text: Text) -> None:
    for end in ("end_filter", "loop_detected"):
        assert tallied(text, said("}", end)) == ([("}", 1)], Reason.STOP)


def test_bytes_that_are_no_text_stay_so(text: Text) -> None:
    """Five tokens that never become a character are given up on, and shown as what they are."""
    pieces, _ = tallied(text, Step("streaming", "\ufffd" * 5, (0x80,) * 5))
    assert pieces == [("\ufffd" * 5, 5)]


def test_scores_come_with_the_tokens_that_are_counted(text: Text) -> None:
    tally = Tally(text, ("b",), scored=True)
    scores = (Likelihood(-0.5, ((97, -0.5), (99, -1.0))), Likelihood(-0.1, ()))
    (piece,), _ = tally.take(Step("streaming", "a", (97, 98), scores, end="stop_string"))
    assert (piece.kind, piece.units) == (chat.Kind.SCORED, 1)
    (scored,) = chat.FrameReader(chat.Scored).feed(piece.data)
    (token,) = scored.tokens
    assert (scored.text, token.chosen) == ("a", chat.Score(97, b"a", -0.5))
    assert [other.data for other in token.top] == [b"a", b"c"]


def test_whole_leaves_the_middle_alone() -> None:
    assert whole(b"a\xffb" + "🎉".encode()[:2]) == "a\ufffdb"
