"""Small pictures in SVG: a line over time, bars by day, a share of a whole. Words stand beside them."""

from __future__ import annotations

from collections.abc import Sequence

from ...tree import Element, h, svg

WIDTH, HEIGHT = 288, 56


def trace(values: Sequence[float | None], top: float, label: str) -> Element:
    """A line of so many values, 0 to `top`; where one is missing the line is broken."""
    step = WIDTH / max(1, len(values) - 1)
    runs: list[list[str]] = [[]]
    for at, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            high = HEIGHT * (1 - min(1.0, max(0.0, value / top))) if top else HEIGHT
            runs[-1].append(f"{at * step:.1f},{high:.1f}")
    drawn = [run if len(run) > 1 else [run[0], f"{float(run[0].split(',')[0]) + 1:.1f},{run[0].split(',')[1]}"]
             for run in runs if run]  # fmt: skip
    areas = [svg("path", class_="area", d=_area(run)) for run in drawn]
    lines = [svg("path", class_="trace", d="M" + "L".join(run)) for run in drawn]
    rule = svg("path", class_="rule", d=f"M0,{HEIGHT}H{WIDTH}")
    return svg("svg", rule, areas, lines, class_="chart", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img",
               aria_label=label, preserveAspectRatio="none", height=str(HEIGHT))  # fmt: skip


def _area(run: Sequence[str]) -> str:
    first, last = run[0].split(",")[0], run[-1].split(",")[0]
    return f"M{first},{HEIGHT}L{'L'.join(run)}L{last},{HEIGHT}Z"


def bars(values: Sequence[tuple[str, int]], label: str) -> Element:
    """One for each (what it says, amount), the highest as high as the picture."""
    top, wide = max([amount for _, amount in values] + [1]), WIDTH / max(1, len(values))
    drawn = []
    for at, (says, amount) in enumerate(values):
        high = max(1.0, 96 * amount / top) if amount else 1.0
        kind = "bar" if amount else "bar none"
        drawn.append(svg("rect", svg("title", says), class_=kind, x=f"{at * wide + wide * 0.12:.1f}",
                         y=f"{96 - high:.1f}", width=f"{wide * 0.76:.1f}", height=f"{high:.1f}"))  # fmt: skip
    return svg("svg", drawn, class_="chart", viewBox=f"0 0 {WIDTH} 96", role="img", aria_label=label,
               preserveAspectRatio="none", height="96")  # fmt: skip


def meter(share: float, label: str) -> Element:
    """A share of a whole, 0 to 1."""
    share = min(1.0, max(0.0, share))
    full = "1" if share > 0.92 else None
    return svg("svg", svg("rect", width=f"{100 * share:.1f}", height="6"), class_="meter", viewBox="0 0 100 6",
               role="img", aria_label=label, preserveAspectRatio="none", data_full=full)  # fmt: skip


def captioned(name: str, now: str, picture: Element, start: str, end: str) -> Element:
    """A picture over time with its name, the value now, and where time begins and ends."""
    caption = h("div", h("span", name), h("span", now, class_="now"), class_="caption")
    axis = h("div", h("span", start), h("span", end), class_="axis")
    return h("div", caption, picture, axis, class_="figure-of", key=name)
