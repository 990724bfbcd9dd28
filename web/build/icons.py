"""Draws the installed page's icons from mark.svg, in Chromium: `python -m web.build --icons`. They are committed."""

from __future__ import annotations

import base64

from web.build.inputs import WEB
from web.build.record import FLAGS

FOLDER = WEB / "icons"
PAPER = "#fbfaf7"
# File, edge in pixels, share of it that the mark takes: a maskable icon may be cut to a circle of four fifths.
DRAWN = (("icon-192", 192, 0.8), ("icon-512", 512, 0.8), ("maskable-512", 512, 0.58), ("apple-180", 180, 0.74))
PAGE = """<!doctype html><style>
html, body {{ margin: 0; block-size: 100%; background: {paper}; }}
body {{ display: grid; place-items: center; }}
img {{ inline-size: {share}vw; }}
</style><img src="data:image/svg+xml;base64,{mark}">"""


def draw(chromium: str = "/usr/bin/chromium") -> None:
    """Writes web/icons/*.png anew."""
    from playwright.sync_api import sync_playwright

    mark = base64.b64encode((WEB / "mark.svg").read_bytes()).decode()
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for name, edge, share in DRAWN:
            tab = browser.new_page(viewport={"width": edge, "height": edge})
            tab.set_content(PAGE.format(paper=PAPER, share=share * 100, mark=mark))
            tab.locator("img").wait_for()
            tab.screenshot(path=FOLDER / f"{name}.png")
            tab.close()
        browser.close()
