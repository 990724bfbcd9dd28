"""The console's small pieces speak the language that is set."""

from __future__ import annotations

import pytest

from tallystick_web.console.views.pieces import ZERO, sum_of
from tallystick_web.tree import text_of
from tallystick_web.words import words_of


@pytest.mark.parametrize(("language", "said"), [("en", "0.00097 ETH"), ("de", "0,00097 ETH")])
def test_a_sum_has_the_commas_of_its_language(language: str, said: str) -> None:
    found = text_of(sum_of("970000000000000", ZERO, "ETH", words_of(language)))
    assert " ".join(found.split()) == said
