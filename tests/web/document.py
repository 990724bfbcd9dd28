"""A document for tests: the `Host` of `patch`, readable as HTML, counting what was done to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class Place:
    """An element, or a text where `tag` is empty."""

    tag: str = ""
    text: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Place] = field(default_factory=list)
    parent: Place | None = None

    def html(self) -> str:
        if not self.tag:
            return self.text
        attributes = "".join(f' {name}="{value}"' for name, value in sorted(self.attributes.items()))
        return f"<{self.tag}{attributes}>{self.inner()}</{self.tag}>"

    def inner(self) -> str:
        return self.text + "".join(child.html() for child in self.children)


class Document:
    """Fills the `Host` seat."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def element(self, tag: str, namespace: str | None) -> Place:
        self.calls.append("element")
        return Place(tag)

    def text(self, value: str) -> Place:
        self.calls.append("text")
        return Place("", value)

    def set_text(self, node: Any, value: str) -> None:
        self.calls.append("set_text")
        node.text = value

    def append_text(self, node: Any, value: str) -> None:
        self.calls.append("append_text")
        node.text += value

    def set_attribute(self, node: Any, name: str, value: str) -> None:
        self.calls.append("set_attribute")
        node.attributes[name] = value

    def remove_attribute(self, node: Any, name: str) -> None:
        self.calls.append("remove_attribute")
        del node.attributes[name]

    def set_prose(self, node: Any, markdown: str, parent: Any) -> None:
        self.calls.append("set_prose")
        node.text = markdown

    def insert(self, parent: Any, node: Any, before: Any | None) -> None:
        self.calls.append("insert")
        if node.parent is not None:
            node.parent.children.remove(node)
        at = len(parent.children) if before is None else parent.children.index(before)
        parent.children.insert(at, node)
        node.parent = parent

    def remove(self, node: Any) -> None:
        self.calls.append("remove")
        node.parent.children.remove(node)
        node.parent = None
