"""Trees as data."""

from __future__ import annotations

from tallystick_web.tree import Prose, find, h, svg, text_of


def test_attributes_are_spelled_as_in_html_and_sorted() -> None:
    element = h("button", class_="button", data_do="stop", aria_label="Stop", disabled=True)
    assert element.attrs == (("aria-label", "Stop"), ("class", "button"), ("data-do", "stop"), ("disabled", ""))


def test_none_and_false_leave_an_attribute_out() -> None:
    assert h("input", disabled=False, value=None).attrs == ()


def test_children_are_flattened_and_nothing_is_left_out_of_them() -> None:
    element = h("p", "a", ["b", None, False, ("c", [h("i", "d")])])
    assert element.children == ("a", "b", "c", h("i", "d"))


def test_viewbox_keeps_its_case_and_svg_its_namespace() -> None:
    element = svg("svg", viewBox="0 0 1 1")
    assert element.attrs == (("viewBox", "0 0 1 1"),)
    assert element.namespace == "http://www.w3.org/2000/svg"


def test_text_is_everything_that_can_be_read() -> None:
    assert text_of(h("div", "one", h("p", "two"), Prose("three"))) == "one two three"


def test_find_looks_everywhere() -> None:
    tree = h("div", h("a", data_do="x"), h("p", h("b", data_do="x"), h("b", data_do="y")))
    assert [element.tag for element in find(tree, data_do="x")] == ["a", "b"]
    assert find("text", data_do="x") == []


def test_attr_reads_one() -> None:
    assert h("a", href="#x").attr("href") == "#x"
    assert h("a").attr("href") is None
