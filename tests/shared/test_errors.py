"""Every error has a stable code and words for people."""

from __future__ import annotations

import re

import pytest

from tallystick_shared.errors import WORDS, Code, LocalError, PeerError, TallystickError, code_of

LONGEST = 90


@pytest.mark.parametrize("code", list(Code), ids=lambda code: code.name)
def test_words_of(code):
    for sentence in WORDS[code]:
        assert sentence[0].isupper() and sentence.endswith(".")
        assert len(sentence) <= LONGEST
        assert not re.search(r"\s\s|[.?!]\s", sentence), "one sentence"


def test_no_words_without_a_code():
    assert set(WORDS) == set(Code)


def test_codes_stand_in_their_sections():
    assert {code.value // 100 for code in Code} == {1, 2, 3, 4, 5, 6}


def test_an_error_carries_data_and_words():
    error = PeerError(Code.ABOVE_CAP, amount=7)
    assert isinstance(error, TallystickError) and not isinstance(error, LocalError)
    assert (error.code, error.values) == (Code.ABOVE_CAP, {"amount": 7})
    assert str(error) == "above_cap (301): amount=7"
    assert (error.says, error.next_step) == WORDS[Code.ABOVE_CAP]


@pytest.mark.parametrize("code", [code for code in Code if code < 600], ids=lambda code: code.name)
def test_codes_cross_the_wire(code):
    assert code_of(int(code)) is code


@pytest.mark.parametrize("number", [0, 1, 99, 199, 999, 65535, int(Code.NO_WALLET), int(Code.REFUSED)])
def test_unknown_and_local_codes_from_the_wire_read_as_protocol(number):
    assert code_of(number) is Code.PROTOCOL
