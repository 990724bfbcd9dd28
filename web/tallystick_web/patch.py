"""Turns one tree into the next with as few DOM calls as needed.

A `Mounted` remembers which DOM node shows which part of a tree. Equal parts are not looked into, so a long
conversation costs nothing while
its last block streams; text that only grows is appended to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from .tree import Element, Node, Prose


class Host(Protocol):
    """The DOM, or a stand-in that tests can read. Nodes are opaque."""

    def element(self, tag: str, namespace: str | None) -> Any: ...
    def text(self, value: str) -> Any: ...
    def set_text(self, node: Any, value: str) -> None: ...
    def append_text(self, node: Any, value: str) -> None: ...
    def set_attribute(self, node: Any, name: str, value: str) -> None: ...
    def remove_attribute(self, node: Any, name: str) -> None: ...
    def set_prose(self, node: Any, markdown: str, parent: Any) -> None: ...
    def insert(self, parent: Any, node: Any, before: Any | None) -> None: ...
    def remove(self, node: Any) -> None: ...


@dataclass
class Mounted:
    """A node of the tree and the DOM node that shows it."""

    shown: Node
    node: Any
    children: list[Mounted] = field(default_factory=list)


class Region:
    """One place of the page that a view owns entirely."""

    def __init__(self, host: Host, parent: Any) -> None:
        self._host = host
        self._parent = parent
        self._mounted: list[Mounted] = []

    def show(self, *nodes: Node) -> None:
        """Makes the place look like `nodes`."""
        self._mounted = _children(self._host, self._parent, self._mounted, nodes)


def _children(host: Host, parent: Any, old: list[Mounted], new: tuple[Node, ...]) -> list[Mounted]:
    same = _same(old, new)
    if same == len(old) == len(new):
        return old
    result = _rest(host, parent, old[same:], new[same:], same)
    return old[:same] + result


def _same(old: list[Mounted], new: tuple[Node, ...]) -> int:
    """How many at the beginning are the very same: of a long conversation all but what streams."""
    for index, (place, node) in enumerate(zip(old, new, strict=False)):
        if place.shown is not node:
            return index
    return min(len(old), len(new))


def _rest(host: Host, parent: Any, old: list[Mounted], new: tuple[Node, ...], first: int) -> list[Mounted]:
    """The children from the index `first` on."""
    pool = {_name(place.shown, index): place for index, place in enumerate(old, first)}
    result = []
    for index, node in enumerate(new, first):
        place = pool.get(_name(node, index))
        if place is not None and _alike(place.shown, node):
            del pool[_name(node, index)]
            _update(host, parent, place, node)
        else:
            place = _mount(host, parent, node)
        result.append(place)
    for place in pool.values():
        host.remove(place.node)
    gone = {id(place) for place in pool.values()}
    _arrange(host, parent, [place for place in old if id(place) not in gone], result)
    return result


def _arrange(host: Host, parent: Any, order: list[Mounted], wanted: list[Mounted]) -> None:
    """Puts `wanted` in order; `order` are those that stand in the DOM already, as they stand there."""
    for position, place in enumerate(wanted):
        if position < len(order) and order[position] is place:
            continue
        order = [other for other in order if other is not place]
        before = order[position].node if position < len(order) else None
        host.insert(parent, place.node, before)
        order.insert(position, place)


def _name(node: Node, index: int) -> tuple[str, str | int]:
    key = None if isinstance(node, str) else node.key
    return ("key", key) if key is not None else ("index", index)


def _alike(old: Node, new: Node) -> bool:
    if isinstance(old, Element) and isinstance(new, Element):
        return old.tag == new.tag and old.namespace == new.namespace
    return type(old) is type(new)


def _mount(host: Host, parent: Any, node: Node) -> Mounted:
    if isinstance(node, str):
        return Mounted(node, host.text(node))
    if isinstance(node, Prose):
        block = host.element("div", None)
        host.set_attribute(block, "class", "block")
        host.set_prose(block, node.markdown, parent)
        return Mounted(node, block)
    made = host.element(node.tag, node.namespace)
    for name, value in node.attrs:
        host.set_attribute(made, name, value)
    return Mounted(node, made, _children(host, made, [], node.children))


def _update(host: Host, parent: Any, place: Mounted, node: Node) -> None:
    old = place.shown
    if old is node or old == node:
        return
    place.shown = node
    if isinstance(node, str) and isinstance(old, str):
        _update_text(host, place.node, old, node)
    elif isinstance(node, Prose):
        host.set_prose(place.node, node.markdown, parent)
    elif isinstance(node, Element) and isinstance(old, Element):
        _update_attributes(host, place.node, dict(old.attrs), dict(node.attrs))
        place.children = _children(host, place.node, place.children, node.children)


def _update_text(host: Host, shown: Any, old: str, new: str) -> None:
    if new.startswith(old):
        host.append_text(shown, new[len(old) :])
    else:
        host.set_text(shown, new)


def _update_attributes(host: Host, node: Any, old: dict[str, str], new: dict[str, str]) -> None:
    for name in old.keys() - new.keys():
        host.remove_attribute(node, name)
    for name, value in new.items():
        if old.get(name) != value:
            host.set_attribute(node, name, value)
