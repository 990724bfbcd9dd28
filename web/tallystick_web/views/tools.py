"""Small buttons with a picture, and the small menus that some of them open."""

from __future__ import annotations

from collections.abc import Sequence

from ..tree import Children, Element, h, svg

ICONS = {
    "attach": ["M20 11.5 12.3 19a4.6 4.6 0 0 1-6.5-6.5l8-7.7a3 3 0 0 1 4.3 4.3l-8 7.7a1.5 1.5 0 0 1-2.1-2.1l7.2-7"],
    "branch": ["M6 4v16", "M6 14c0-4 12-2 12-8", "M18 6V4"],
    "close": ["M7 7l10 10M17 7 7 17"],
    "copy": ["M9 9h10v11H9z", "M15 9V4H5v11h4"],
    "dots": ["M6 12v.1", "M12 12v.1", "M18 12v.1"],
    "down": ["M6 9l6 6 6-6"],
    "edit": ["M4 20l1-4L16.5 4.5l3 3L8 19z", "M14 7l3 3"],
    "file": ["M7 3h7l4 4v14H7z", "M14 3v4h4"],
    "left": ["M14.5 6 9 12l5.5 6"],
    "menu": ["M4 7h16", "M4 12h16", "M4 17h10"],
    "more": ["M6 12h12", "M12 6v12"],
    "pin": ["M9 4h6l-1 6 3 3H7l3-3z", "M12 13v7"],
    "play": ["M8 5.5v13l10-6.5z"],
    "redo": ["M19 12a7 7 0 1 1-2.2-5.1", "M19 4v4h-4"],
    "right": ["M9.5 6 15 12l-5.5 6"],
    "search": ["M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13z", "M15.5 15.5 20 20"],
    "trash": ["M5 7h14", "M9.5 7V4.5h5V7", "M7 7l1 13h8l1-13"],
    "tune": ["M4 8h9", "M17 8h3", "M4 16h3", "M11 16h9", "M15 6v4", "M9 14v4"],
}


def picture(name: str) -> Element:
    """A line icon, 24 by 24, for decoration: the words stand beside it or in a label."""
    paths = [svg("path", d=path) for path in ICONS[name]]
    return svg("svg", *paths, class_="icon", viewBox="0 0 24 24", aria_hidden="true")


def tool(
    name: str,
    label: str,
    do: str,
    arg: str = "",
    *,
    menu: bool | None = None,
    disabled: bool = False,
    pressed: bool | None = None,
) -> Element:
    """A button with a picture only. `menu` is whether the menu that it opens is open, None where it has none."""
    return h(
        "button",
        picture(name),
        class_="tool",
        type="button",
        data_do=do,
        data_arg=arg or None,
        aria_label=label,
        title=label,
        aria_haspopup=None if menu is None else "menu",
        aria_expanded=None if menu is None else str(menu).lower(),
        aria_pressed=None if pressed is None else str(pressed).lower(),
        disabled=disabled,
    )


def item(label: str, do: str, arg: str = "", *, why: str = "", name: str = "") -> Element:
    """A line of a small menu; greyed where `why` says why."""
    return h(
        "button",
        picture(name) if name else None,
        h("span", h("span", label), h("span", why, class_="why") if why else None, class_="what"),
        class_="item",
        type="button",
        role="menuitem",
        data_do=None if why else do,
        data_arg=arg or None,
        aria_disabled="true" if why else None,
    )


def menu(label: str, items: Sequence[Children], where: str = "") -> Element:
    """A small menu; a click outside or Esc closes it (js/desk.js)."""
    return h("div", items, class_=f"menu {where}".strip(), role="menu", aria_label=label, key="menu")
