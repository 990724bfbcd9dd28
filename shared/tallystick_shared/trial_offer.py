"""What a provider gives away, as its advert says: a promise of what to expect, like the rest of it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from .messages import U32, U63


class TrialOffer(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Tokens, read and written together: what one guest (an IPv4 address, or an IPv6 /64) gets in a day, what is left
    of the day for all of them, and the most that one answer may be. `renews` is when the next day begins (Unix
    seconds).
    """

    guest: U32
    left: U32
    most: Annotated[int, Meta(ge=1, le=0xFFFFFFFF)]
    renews: U63
