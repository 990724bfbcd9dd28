"""What the page should look like, as data: a tree of elements that views return and `patch` turns into DOM calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Element:
    """An element. `attrs` is sorted (name, value) pairs; `key` keeps it itself when its siblings move."""

    tag: str
    attrs: tuple[tuple[str, str], ...] = ()
    children: tuple[Node, ...] = ()
    key: str | None = None
    namespace: str | None = field(default=None, compare=False)

    def attr(self, name: str) -> str | None:
        """An attribute's value, None where it is not there."""
        return dict(self.attrs).get(name)


@dataclass(frozen=True)
class Prose:
    """A block of markdown that the door renders and sanitises into one element of class `block`."""

    markdown: str
    key: str | None = None


Node = Element | Prose | str
SVG = "http://www.w3.org/2000/svg"
Children = Node | None | bool | Sequence["Children"]
Value = str | int | float | bool | None


def h(tag: str, *children: Children, key: str | None = None, **attrs: Value) -> Element:
    """An element: `class_`, `for_` and `data_do` become `class`, `for` and `data-do`; None and False leave an
    attribute out.
    """
    return Element(tag, _attributes(attrs), tuple(_flat(children)), key)


def svg(tag: str, *children: Children, key: str | None = None, **attrs: Value) -> Element:
    """The same in SVG."""
    return Element(tag, _attributes(attrs), tuple(_flat(children)), key, SVG)


def _attributes(attrs: dict[str, Value]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for name, value in attrs.items():
        if value is None or value is False:
            continue
        spelled = name.rstrip("_") if name.endswith("_") else name
        spelled = spelled if spelled == "viewBox" else spelled.replace("_", "-")
        pairs.append((spelled, "" if value is True else str(value)))
    return tuple(sorted(pairs))


def _flat(children: Children) -> list[Node]:
    if children is None or isinstance(children, bool):
        return []
    if isinstance(children, Element | Prose | str):
        return [children]
    return [node for child in children for node in _flat(child)]


def text_of(node: Node) -> str:
    """Everything that can be read in a tree, for tests and for the live region."""
    if isinstance(node, str):
        return node
    if isinstance(node, Prose):
        return node.markdown
    return " ".join(part for part in (text_of(child) for child in node.children) if part)


def find(node: Node, **attrs: str) -> list[Element]:
    """All elements with these attributes (spelled as for `h`)."""
    if not isinstance(node, Element):
        return []
    wanted = _attributes(dict(attrs))
    here = [node] if all(pair in node.attrs for pair in wanted) else []
    return here + [match for child in node.children for match in find(child, **attrs)]
