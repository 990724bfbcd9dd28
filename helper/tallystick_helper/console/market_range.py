"""The market's range beside a price, for each model that runs here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tallystick_shared.profile import Profile

from ..doctor.price import range_of
from ..engines import Capabilities
from ..registering import offer_of
from ..settings import Settings


def ranges(settings: Settings, models: Sequence[Capabilities], others: Sequence[Profile]) -> list[dict[str, Any]]:
    """Amounts are decimal text, per 1,000,000 output units; `count` 0 where nobody else offers the like."""
    rows: list[dict[str, Any]] = []
    for able in models:
        found = range_of(offer_of(settings, able), others)
        row: dict[str, Any] = {"model": able.model, "unit": able.unit, "count": found.count if found else 0}
        if found is not None:
            row |= {name: str(getattr(found, name)) for name in ("lowest", "middle", "highest")}
            row["same_model"] = found.same_model
        rows.append(row)
    return rows
