"""The tally stick: one cut for every payment that the provider has safely kept, through both halves.

As on the sticks of the Exchequer, a deeper cut stands for ten thin ones, a wider for a hundred and so on, so that
any count fits.
"""

from __future__ import annotations

from ..figures import money
from ..state import State
from ..tree import Element, svg
from ..words import Words

HEIGHT = 22
HALF = 10.3
HANDLE = 7.0
UNCUT = 82.0
WIDTHS = (4.2, 7, 10, 14, 18)
DEPTHS = (5.2, 6.6, 7.8, 8.8, 9.4)


def cuts(count: int) -> list[int]:
    """The size of each cut from the handle on: 0 for one, 1 for ten, 2 for a hundred, and so on up to the widest."""
    result: list[int] = []
    for size in range(len(WIDTHS) - 1, -1, -1):
        number, count = divmod(count, 10**size)
        result += [size] * min(number, 9)
    return result


def positions(sizes: list[int]) -> list[float]:
    """Where each cut stands, in per cent of the stick; they move together only when there are many."""
    room = UNCUT - HANDLE - 3
    steps = [1.7 + 0.6 * size for size in sizes]
    scale = min(1.0, room / sum(steps)) if steps else 1.0
    at, places = HANDLE + 3, []
    for step in steps:
        places.append(round(at, 2))
        at += step * scale
    return places


def tally(state: State, t: Words) -> Element:
    """The stick, as a picture with a sentence for those who do not see it."""
    deposit = state.deposit
    window = state.chosen.window if state.chosen else 0
    pending = max(0, deposit.owed - deposit.durable)
    share = min(1.0, pending / window) if window else (1.0 if pending else 0.0)
    sizes = cuts(deposit.notches)
    label = t.plural(
        "money.tally", deposit.notches, durable=money(deposit.durable, state.coin), open=money(pending, state.coin)
    )
    return svg(
        "svg",
        svg("rect", class_="stock", x="0", y="0", width="100%", height=HALF, rx="2"),
        svg("rect", class_="foil", x=f"{HANDLE}%", y=HEIGHT - HALF, width=f"{100 - HANDLE}%", height=HALF, rx="2"),
        _uncut(share),
        [_cut(size, place) for size, place in zip(sizes, positions(sizes), strict=True)],
        role="img",
        aria_label=label,
        height=str(HEIGHT),
        width="100%",
    )


def _uncut(share: float) -> list[Element]:
    """The end that is still uncut: fresh wood, darker as far as something is owed and not signed for."""
    rest = 100 - UNCUT
    return [
        svg("rect", class_="fresh", x=f"{UNCUT}%", y=y, width=f"{rest}%", height=HALF, rx="2")
        for y in (0, HEIGHT - HALF)
    ] + [
        svg("rect", class_="open", x=f"{UNCUT}%", y=y, width=f"{round(rest * share, 2)}%", height=HALF, rx="2")
        for y in (0, HEIGHT - HALF)
    ]


def _cut(size: int, place: float) -> Element:
    half, depth = WIDTHS[size] / 2, DEPTHS[size]
    upper = f"M{-half} -0.5H{half}L0 {depth}Z"
    lower = f"M{-half} {HEIGHT + 0.5}H{half}L0 {HEIGHT - depth}Z"
    return svg(
        "svg", svg("path", d=f"{upper}{lower}", class_="cut"), x=f"{place}%", overflow="visible", key=f"cut-{place}"
    )
