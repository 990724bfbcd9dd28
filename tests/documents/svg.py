"""A small drawing of a state machine: states in a column, what leads on to the right of it, what leads back to the
left.

Edges with one target share a lane, so that many ways to one end are one line. Plain SVG, readable in light and dark.
"""

from __future__ import annotations

import html
from dataclasses import dataclass

WIDTH, HEIGHT, GAP, LANE, CHAR, ROW, TOP = 132, 44, 44, 16, 6.7, 16, 24
STYLE = """
    svg { font-family: "Source Sans 3", "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif; font-size: 12px }
    .paper { fill: #fbfaf7; stroke: #e5e0d7 } .box { fill: #fff; stroke: #86551f; stroke-width: 1.5 }
    .line { fill: none; stroke: #86551f; stroke-width: 1.5 } .own { stroke-dasharray: 5 4 }
    .tip { fill: #86551f } .name { fill: #211f1b; font-weight: 600; font-size: 13px } .word { fill: #5a554c }
    @media (prefers-color-scheme: dark) {
      .paper { fill: #191816; stroke: #35322d } .box { fill: #211f1d; stroke: #dba866 } .line { stroke: #dba866 }
      .tip { fill: #dba866 } .name { fill: #ece7de } .word { fill: #b7b0a4 }
    }
  """


@dataclass(frozen=True)
class Box:
    """Where a state is drawn: as high as the ways that leave it need."""

    top: int
    height: int

    @property
    def middle(self) -> float:
        return self.top + self.height / 2


@dataclass(frozen=True)
class Edge:
    """From one state to another, `words` beside it; `own` is one's own move, drawn dashed."""

    source: str
    target: str
    words: str
    own: bool


def draw(title: str, states: list[str], edges: list[Edge]) -> str:
    """The picture. States without any edge are left out."""
    used = {name for edge in edges for name in (edge.source, edge.target)}
    states = [name for name in states if name in used]
    place = {name: number for number, name in enumerate(states)}
    near = [edge for edge in edges if place[edge.target] == place[edge.source] + 1]
    right = [edge for edge in edges if place[edge.target] > place[edge.source] + 1]
    left = [edge for edge in edges if place[edge.target] < place[edge.source]]
    margins = [_margin(left, left), _margin(right, right + near)]
    middle = margins[0] + WIDTH / 2
    boxes = _boxes(states, left, right)
    size = margins[0] + WIDTH + margins[1], max(box.top + box.height for box in boxes.values()) + TOP
    parts = [_head(title, *size)]
    for name, box in boxes.items():
        shape = f'y="{box.top}" width="{WIDTH}" height="{box.height}" rx="8"'
        parts.append(f'  <rect class="box" x="{middle - WIDTH / 2:g}" {shape}/>')
        parts.append(f'  <text class="name" x="{middle:g}" y="{box.middle + 5:g}" text-anchor="middle">{name}</text>')
    for source in states:
        parts += _down(middle, boxes, [edge for edge in near if edge.source == source])
    parts += _lanes(middle, boxes, right, 1, _words(right + near)) + _lanes(middle, boxes, left, -1, _words(left))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _boxes(states: list[str], left: list[Edge], right: list[Edge]) -> dict[str, Box]:
    """One below the other."""
    boxes, top = {}, TOP
    for name in states:
        rows = max(sum(edge.source == name for edge in side) for side in (left, right))
        boxes[name] = Box(top, max(HEIGHT, ROW * rows))
        top += boxes[name].height + GAP
    return boxes


def _head(title: str, width: float, height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" aria-label="{html.escape(title)}">\n  <style>{STYLE}</style>\n'
        f'  <rect class="paper" x="0.5" y="0.5" width="{width - 1:g}" height="{height - 1:g}" rx="14"/>'
    )


def _words(edges: list[Edge]) -> float:
    """The width of the longest words."""
    return max((CHAR * len(edge.words) for edge in edges), default=0.0)


def _margin(edges: list[Edge], beside: list[Edge]) -> float:
    """Room for the longest words and for each lane."""
    return 24 + _words(beside) + LANE * len({(edge.target, edge.own) for edge in edges})


def _class(edge: Edge) -> str:
    return "line own" if edge.own else "line"


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'  <text class="word" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{html.escape(words)}</text>'


def _tip(x: float, y: float, dx: int, dy: int) -> str:
    """An arrow head that points along (dx, dy)."""
    if dy:
        return f'  <path class="tip" d="M{x:g} {y:g}l-4 -8h8z"/>'
    return f'  <path class="tip" d="M{x:g} {y:g}l{-8 * dx} -4v8z"/>'


def _down(middle: float, boxes: dict[str, Box], edges: list[Edge]) -> list[str]:
    """To the next state: straight, records first and one's own moves beside them."""
    parts = []
    for number, edge in enumerate(sorted(edges, key=lambda edge: edge.own)):
        x = middle + (number - (len(edges) - 1) / 2) * 20
        y = boxes[edge.source].top + boxes[edge.source].height
        parts.append(f'  <path class="{_class(edge)}" d="M{x:g} {y}v{GAP - 7}"/>')
        parts.append(_tip(x, y + GAP, 0, 1))
        parts.append(_text(middle + 20, y + GAP / 2 + 4 + (number - (len(edges) - 1) / 2) * 14, edge.words))
    return parts


def _lanes(middle: float, boxes: dict[str, Box], edges: list[Edge], side: int, longest: float) -> list[str]:
    """Around: out of the box, along the lane of the target, and in again. The lanes lie beyond the longest words."""
    parts: list[str] = []
    targets = sorted({(edge.target, edge.own) for edge in edges}, key=lambda held: (boxes[held[0]].top, held[1]))
    leaving: dict[str, int] = {}
    for lane, (target, own) in enumerate(targets):
        x = middle + side * (WIDTH / 2 + 10 + longest + LANE * (lane + 0.5))
        edge_x = middle + side * WIDTH / 2
        into = boxes[target].middle + (8 if own else -8)
        for edge in (edge for edge in edges if (edge.target, edge.own) == (target, own)):
            row = leaving[edge.source] = leaving.get(edge.source, -1) + 1
            out = boxes[edge.source].top + 8 + ROW * row
            parts.append(
                f'  <path class="{_class(edge)}" d="M{edge_x:g} {out:g}H{x:g}V{into:g}H{edge_x + 7 * side:g}"/>'
            )
            parts.append(_text(edge_x + 8 * side, out - 3, edge.words, "start" if side > 0 else "end"))
        parts.append(_tip(edge_x, into, -side, 0))
    return parts
