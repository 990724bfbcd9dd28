"""Filters in the page's address come back as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick_web.shop.address import read, written
from tallystick_web.shop.state import Filters, Sort

TEXT = st.text(max_size=60).map(str.strip)


@given(
    st.builds(
        Filters,
        text=TEXT,
        model=TEXT,
        ready=st.booleans(),
        free=st.booleans(),
        tried=st.booleans(),
        sort=st.sampled_from(Sort),
        turned=st.booleans(),
    )
)
def test_what_is_written_is_read(filters: Filters) -> None:
    fragment = written(filters)
    assert read(fragment) == read("#" + fragment) == filters
    assert fragment.isascii() and " " not in fragment and "#" not in fragment


def test_what_is_as_always_stays_out() -> None:
    assert written(Filters()) == "market"
    assert written(Filters(text="llama 8b", sort=Sort.PRICE_OUT)) == "market?text=llama%208b&sort=written"


@pytest.mark.parametrize("fragment", ["", "#", "chat?text=x", "#marketing", "markets?text=a"])
def test_another_fragment_is_not_the_markets(fragment: str) -> None:
    assert read(fragment) is None


@pytest.mark.parametrize("fragment", ["market?sort=nonsense", "market?ready=perhaps", "market?what=1", "market?&&&="])
def test_what_cannot_be_read_is_as_always(fragment: str) -> None:
    assert read(fragment) == Filters()


def test_a_long_text_is_cut() -> None:
    found = read("market?text=" + "x" * 5000)
    assert found is not None and len(found.text) == 200
