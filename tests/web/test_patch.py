"""Patching: the document always looks like the tree, with as few calls as the change needs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tallystick_web.patch import Region
from tallystick_web.tree import Element, Node, Prose, h

from .document import Document, Place


class Page:
    """A region of a test document."""

    def __init__(self) -> None:
        self.document, self.root = Document(), Place("main")
        self.region = Region(self.document, self.root)

    def show(self, *nodes: Node) -> list[str]:
        """The calls that it took."""
        self.document.calls.clear()
        self.region.show(*nodes)
        return list(self.document.calls)


def html(node: Node) -> str:
    """What a tree should look like."""
    if isinstance(node, str):
        return node
    if isinstance(node, Prose):
        return f'<div class="block">{node.markdown}</div>'
    attributes = "".join(f' {name}="{value}"' for name, value in node.attrs)
    return f"<{node.tag}{attributes}>{''.join(map(html, node.children))}</{node.tag}>"


def test_it_shows_a_tree() -> None:
    page = Page()
    page.show(h("p", "one", h("b", "two"), class_="x"), "three")
    assert page.root.inner() == '<p class="x">one<b>two</b></p>three'


def test_the_same_tree_again_costs_nothing() -> None:
    page = Page()
    page.show(h("p", "one", h("b", "two")))
    assert page.show(h("p", "one", h("b", "two"))) == []


def test_text_that_grows_is_appended_to() -> None:
    page = Page()
    page.show(h("pre", "one"))
    assert page.show(h("pre", "one two")) == ["append_text"]
    assert page.show(h("pre", "three")) == ["set_text"]
    assert page.root.inner() == "<pre>three</pre>"


def test_only_the_last_block_of_an_answer_is_rendered_again() -> None:
    page = Page()
    page.show(h("div", Prose("first", "0"), Prose("sec", "1")))
    assert page.show(h("div", Prose("first", "0"), Prose("second", "1"))) == ["set_prose"]
    assert page.show(h("div", Prose("first", "0"), Prose("second", "1"), Prose("third", "2")))[-1] == "insert"


def test_attributes_come_change_and_go() -> None:
    page = Page()
    page.show(h("p", class_="a", lang="en"))
    assert sorted(page.show(h("p", class_="b"))) == ["remove_attribute", "set_attribute"]
    assert page.root.inner() == '<p class="b"></p>'


def test_a_keyed_element_stays_itself_when_one_comes_before_it() -> None:
    page = Page()
    page.show(h("ul", h("li", "b", key="b")))
    kept = page.root.children[0].children[0]
    page.show(h("ul", h("li", "a", key="a"), h("li", "b", key="b")))
    assert page.root.children[0].children[1] is kept
    assert page.root.inner() == "<ul><li>a</li><li>b</li></ul>"


def test_another_tag_under_the_same_key_is_made_anew() -> None:
    page = Page()
    page.show(h("p", "x", key="k"))
    page.show(h("pre", "x", key="k"))
    assert page.root.inner() == "<pre>x</pre>"


def trees(depth: int = 2) -> st.SearchStrategy[Node]:
    leaf: st.SearchStrategy[Node] = st.one_of(
        st.text("ab", min_size=1, max_size=2), st.builds(Prose, st.text("xy", max_size=2))
    )
    if depth == 0:
        return leaf
    children = st.lists(st.tuples(st.sampled_from([None, "1", "2", "3"]), trees(depth - 1)), max_size=4)

    def build(tag: str, kids: list[tuple[str | None, Node]]) -> Node:
        seen: set[str] = set()
        made: list[Node] = []
        for key, kid in kids:
            if isinstance(kid, Element) and key is not None and key not in seen:
                seen.add(key)
                kid = Element(kid.tag, kid.attrs, kid.children, key)
            made.append(kid)
        return h(tag, made)

    return st.one_of(leaf, st.builds(build, st.sampled_from(["p", "b"]), children))


@given(st.lists(st.lists(trees(), max_size=3), min_size=1, max_size=5))
def test_after_any_changes_the_document_looks_like_the_last_tree(stages: list[list[Node]]) -> None:
    page = Page()
    for stage in stages:
        page.show(*stage)
        assert page.root.inner() == "".join(map(html, stage))
