"""Filters and order in the page's address: `#market?text=llama&sort=written`. What is as it always is stays out."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, quote, urlencode

from .state import Filters, Sort

PLACE = "market"
FLAGS = ("ready", "free", "tried", "turned")
LONGEST = 200


def written(filters: Filters) -> str:
    """The fragment, without its #."""
    pairs = [(name, str(getattr(filters, name))) for name in ("text", "model") if getattr(filters, name)]
    pairs += [(name, "1") for name in FLAGS if getattr(filters, name)]
    if filters.sort is not Sort.BEST:
        pairs.append(("sort", filters.sort.value))
    return f"{PLACE}?{urlencode(pairs, quote_via=quote)}" if pairs else PLACE


def read(fragment: str) -> Filters | None:
    """None where the fragment is not the market's. What cannot be read is as it always is."""
    place, _, query = fragment.lstrip("#").partition("?")
    if place != PLACE:
        return None
    given = {name: values[-1][:LONGEST] for name, values in parse_qs(query, max_num_fields=20).items()}
    filters = Filters(given.get("text", ""), given.get("model", ""), **{name: given.get(name) == "1" for name in FLAGS})
    try:
        return replace(filters, sort=Sort(given.get("sort", Sort.BEST.value)))
    except ValueError:
        return filters
