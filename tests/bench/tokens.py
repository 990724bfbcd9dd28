"""The tokens that both sides of a figure send: a synthetic engine's."""

from __future__ import annotations

TEXT = (
    "The| lighthouse| keeper| wound| the| great| clock| before| dawn|,| as| his| father| had| done|,| and| listened|."
    "| Each| tooth| of| each| wheel| passed| under| his| thumb|;| none| was| worn|.| Out| at| sea| a| ship| answered"
    "| with| three| long| notes|.| He| wrote| the| hour| in| the| book|,| turned| the| lamp|'s| wick| down|,| and"
    "| waited| for| the| gulls| to| begin| their| un|reason|able| quarrel| over| nothing| at| all|.\n"
)
TOKENS = TEXT.split("|")
RATE = 50
"""Tokens a second of one stream."""
BATCH, EVERY = 5, 0.1
"""An engine hands its tokens over in fives, ten times a second: one wake-up for each stream, not five."""


def words(count: int) -> list[bytes]:
    """So many tokens."""
    return [TOKENS[number % len(TOKENS)].encode() for number in range(count)]
