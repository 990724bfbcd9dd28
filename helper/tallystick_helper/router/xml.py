"""XML from a router: a tree without anything that XML can be made to do beyond that.

No DTD is read, so no entity is ever defined or fetched; size and depth are bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

MOST_BYTES = 256 * 1024
MOST_DEPTH = 32
MOST_NODES = 8192


class BadXml(ValueError):
    """It is none, or more than a router has to say."""


@dataclass
class Node:
    """An element, by its name without its prefix: routers are careless with namespaces."""

    name: str
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def every(self, name: str) -> Iterator[Node]:
        """Itself and all below it of that name, in the document's order."""
        if self.name == name:
            yield self
        for child in self.children:
            yield from child.every(name)

    def value(self, name: str) -> str:
        """The text of the first one of that name; empty where there is none."""
        return next((node.text.strip() for node in self.every(name)), "")


class _Builder:
    def __init__(self) -> None:
        self.root = Node("")
        self._open, self._count = [self.root], 0

    def begin(self, name: str, _: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) > MOST_DEPTH or self._count > MOST_NODES:
            raise BadXml("too deep or too large")
        node = Node(name.rpartition(":")[2])
        self._open[-1].children.append(node)
        self._open.append(node)

    def end(self, _: str) -> None:
        self._open.pop()

    def text(self, data: str) -> None:
        self._open[-1].text += data


def _no_dtd(*_: object) -> None:
    raise BadXml("a document type is not read")


def parse(data: bytes) -> Node:
    """The document's root, unnamed, above its one element. Raises BadXml."""
    if len(data) > MOST_BYTES:
        raise BadXml("too large")
    parser, builder = expat.ParserCreate(), _Builder()
    parser.StartDoctypeDeclHandler = _no_dtd
    parser.StartElementHandler, parser.EndElementHandler = builder.begin, builder.end
    parser.CharacterDataHandler = builder.text
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise BadXml(str(error)) from None
    return builder.root
