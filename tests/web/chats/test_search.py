"""Search: every word counts, case and accents do not, and what is cut out is the text itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tallystick_web.chats.model import Attached, Chat, Turn, TurnState
from tallystick_web.chats.search import Index, fold


def index(*texts: str, name: str = "Name", files: tuple[Attached, ...] = ()) -> Index:
    made = Index()
    turns = tuple(Turn(place + 1, "user", text, TurnState.SENT, files=files) for place, text in enumerate(texts))
    made.put(Chat("c", name, turns=turns))
    return made


def test_every_word_has_to_be_there_in_any_order() -> None:
    found = index("the quick brown fox", "a brown dog").find("Fox brown")
    assert [(hit.turn, hit.chat) for hit in found] == [(1, "c")]
    assert index("x").find("  ") == ()


def test_accents_and_case_do_not_count_and_the_text_is_shown_as_it_is() -> None:
    (hit,) = index("Über die Straße nach Łódź, déjà vu").find("strasse")
    assert hit.match == "Straße" and hit.before.endswith("die ") and hit.after.startswith(" nach")
    (hit,) = index("Über die Straße nach Łódź, déjà vu").find("DEJA")
    assert hit.match == "déjà"


def test_a_phrase_is_marked_whole() -> None:
    (hit,) = index("one brown, a quick brown fox").find("quick brown")
    assert hit.match == "quick brown"


def test_a_chats_name_and_its_files_are_found() -> None:
    assert [hit.turn for hit in index("text", name="Taxes of 2026").find("taxes")] == [1]
    assert [hit.turn for hit in index("see", files=(Attached("a.txt", "needle"),)).find("needle")] == [1]


def test_what_changed_is_found_and_what_was_dropped_is_not() -> None:
    made = index("old")
    made.put(Chat("c", turns=(Turn(1, "user", "new text", TurnState.SENT),)))
    assert made.find("old") == () and len(made.find("new")) == 1
    made.drop("c")
    assert made.find("new") == ()


@given(st.text(max_size=60), st.text(max_size=60), st.text(min_size=1, max_size=8))
def test_whatever_is_searched_the_match_folds_to_it(before: str, after: str, word: str) -> None:
    """The place that is cut out is the right one, whatever folding did to the letters before it."""
    words = fold(word).split()
    for hit in index(f"{before} {word} {after}").find(word):
        folded = fold(hit.match)
        assert not words or words[0].strip() in folded or folded in words[0] or hit.match == ""
