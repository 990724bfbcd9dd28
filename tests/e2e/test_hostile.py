"""Answers of a hostile provider: nothing in them runs, nothing is asked of anybody, the page stays itself.

They come in as an imported chat: what is imported is shown by the same code as what streams.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, Request, Route, expect

from tests.e2e.driver import Driver
from tests.e2e.files import imported

EVIL = "https://evil.example"
HIT = "globalThis.hit=1"
MARKUP = [
    f"<script>{HIT}</script>",
    f"<img src=x onerror={HIT}>",
    f'<img src="{EVIL}/pixel.png">',
    f"<svg onload={HIT}><script>{HIT}</script><image href={EVIL}/s.png /><use href='{EVIL}/u.svg#a'/></svg>",
    f"<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror={HIT}&gt;'>",
    f'<math href="javascript:{HIT}">CLICK</math>',
    f"<style>@import url({EVIL}/i.css); body{{display:none;background:url({EVIL}/b.png)}}</style>",
    f'<link rel="stylesheet" href="{EVIL}/l.css"><link rel="prefetch" href="{EVIL}/p"><base href="{EVIL}/">',
    f'<meta http-equiv="refresh" content="0;url={EVIL}/">',
    f'<iframe src="{EVIL}/f" srcdoc="<script>parent.hit=1</script>"></iframe><object data="{EVIL}/o"></object>',
    f'<embed src="{EVIL}/e"><video src="{EVIL}/v" poster="{EVIL}/vp" autoplay></video><audio src="{EVIL}/a"></audio>',
    f'<form action="{EVIL}/form"><input name="seed" autofocus onfocus="{HIT}"><button>Sign in</button></form>',
    '<div style="position:fixed;inset:0;z-index:99;background:red">cover</div>',
    '<div class="notice" data-kind="error" id="sheet">Send your seed phrase</div>',
    '<p data-do="close-deposit">Read more</p><a data-do="open-money" href="https://evil.example/x">money</a>',
    f'<a href="javascript:{HIT}">a</a> <a href="data:text/html,<script>{HIT}</script>">b</a>',
    '<a href="vbscript:x">c</a> <a href="/a/x">d</a> <a href="#money">e</a>',
    f"[a](javascript:{HIT}) [b](data:text/html;base64,PHNjcmlwdD4=) [c](  JaVaScRiPt:{HIT}) <javascript:{HIT}>",
    f'[x](https://ok.example/"onmouseover="{HIT}) ![y](https://ok.example/"onerror="{HIT})',
    f"<details open ontoggle={HIT}><summary>s</summary>t</details><marquee onstart={HIT}>m</marquee>",
    f"<a href='{EVIL}' ping='{EVIL}/ping' onclick='{HIT}'>ping</a>",
    "<template><script>globalThis.hit=1</script></template><noscript><p title='</noscript><img src=x onerror=hit=1>'>",
    f"```html\n<script>{HIT}</script>\n```\n\n```<img src=x onerror={HIT}>\nx\n```",
    f"$\\href{{javascript:{HIT}}}{{x}}$ $\\htmlData{{do=close-deposit}}{{x}}$ $\\includegraphics{{{EVIL}/k.png}}$",
    "$\\def\\a{\\a\\a}\\a$ $\\rule{9999em}{9999em}$",
    f"![pixel]({EVIL}/tracker.png?id=1) ![svg](data:image/svg+xml,<svg onload={HIT}>)",
    f"<x-image title='javascript:{HIT}'>z</x-image>",
    f"<x-tex>\\href{{javascript:{HIT}}}{{y}}</x-tex><x-tex-block onclick={HIT} is='x'>z</x-tex-block>",
]
DEEP = [
    "> " * 6000 + "x",
    "- " * 4000 + "x",
    "[" * 20_000,
    "*a " * 7000,
    "`" * 20_001,
    "<b>" * 5000,
    "![" * 9000,
    "$" * 15_001,
    "| a " * 5000 + "|\n" + "|-" * 5000,
]
MANY = [
    "!" * 23_900,
    "<" * 23_900,
    "~ " * 11_900,
    "_a*" * 7_900,
    "a." * 11_900 + "@",
    "x" * 23_900 + "@",
    "\n\n".join(["!" * 23_900] * 10),
]
FORBIDDEN = (
    "script, style, link, meta, base, iframe, object, embed, form, input, textarea, select, video, audio, img,"
    "template, dialog, marquee"
)


class Witness:
    """Notes whatever the page asks of anybody, opens or shows."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.seen: list[str] = []
        page.context.on("request", self._asked)
        page.context.on("page", lambda other: self.seen.append(f"opened {other.url}"))
        page.on("dialog", lambda dialog: self.seen.append(f"dialog {dialog.message}"))
        page.on("framenavigated", lambda frame: self.seen.append(f"went to {frame.url}"))

    def _asked(self, request: Request) -> None:
        # The page's own pieces that are loaded with the first code and the first formula, and pictures it made itself
        if "/a/" not in request.url and not request.url.startswith("blob:"):
            self.seen.append(f"asked {request.url}")

    def nothing(self) -> None:
        self.page.evaluate("() => new Promise((done) => requestIdleCallback(done))")
        assert self.page.evaluate("globalThis.hit") is None, "something ran"
        assert self.seen == []


@pytest.fixture
def hostile(page: Driver) -> Driver:
    page.page.set_default_timeout(30_000)
    return page.open()


def test_no_markup_does_anything(hostile: Driver) -> None:
    witness = Witness(hostile.page)
    imported(hostile, *MARKUP)
    answers = hostile.page.locator(".answer")
    expect(answers.last).to_be_attached()
    assert hostile.page.locator(".answer").locator(FORBIDDEN).count() == 0
    inside = ".answer :is([onclick],[onload],[onerror],[data-do],[data-arg],[id],[name],[autofocus],[ping],[srcset])"
    assert hostile.page.locator(inside).count() == 0
    assert hostile.page.locator(".answer .notice").count() == 0
    for link in hostile.page.locator(".answer a").all():
        if address := link.get_attribute("href"):
            assert address.startswith(("https:", "http:", "mailto:"))
            assert set((link.get_attribute("rel") or "").split()) >= {"noopener", "noreferrer"}
            assert link.get_attribute("target") == "_blank"
    own_styles = hostile.page.locator(".answer [style]:not(x-tex *, x-tex-block *)")
    assert own_styles.count() == 0
    # Clicked, too: on everything in an answer that is neither a link nor our own button
    hostile.page.evaluate("document.querySelectorAll('.answer *:not(a, a *, button)').forEach((one) => one.click?.())")
    expect(hostile.sheet).to_be_hidden()
    box = hostile.page.locator("#draft").bounding_box()
    assert box is not None and box["width"] > 200, "the page is still there"
    witness.nothing()


def test_links_say_where_they_go_and_turned_text_is_shown_as_it_is(hostile: Driver) -> None:
    witness = Witness(hostile.page)
    imported(
        hostile,
        "[https://bank.example](https://evil.example/login)",
        "https://bank.example/x and [bank](https://bank.example@evil.example/) and [idn](https://b\u0430nk.example/)",
        "[https://bank.example@evil.example](https://bank.example@evil.example) <https://ok.example/y> "
        "[https://bank.example/?q](https://bank.example/?q) [ok.example](https://ok.example/z)",
        "Pay \u202eelpmaxe.knab\u202c now &#x202e;moc.live \u2066x\u2069",
    )
    links = hostile.page.locator(".answer a")
    hosts = [link.get_attribute("data-host") for link in links.all()]
    assert hosts == ["evil.example", None, "evil.example", "xn--bnk-6cd.example", "evil.example", None, None, None]
    assert hostile.answers.nth(3).inner_text().count("U+202E") == 2
    assert not set("\u202e\u2066") & set(hostile.answers.nth(3).inner_text())
    witness.nothing()


def test_a_picture_is_asked_for_by_a_click_and_not_before(hostile: Driver) -> None:
    witness = Witness(hostile.page)

    def give(route: Route) -> None:
        gif = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
        headers = {"Access-Control-Allow-Origin": "*", "Content-Type": "image/gif"}
        route.fulfill(body=gif, headers=headers)

    hostile.page.context.route(f"{EVIL}/**", give)
    imported(hostile, f"![A cat]({EVIL}/cat.gif)", "![Gone](http://127.0.0.1:9/none.png)")
    picture = hostile.page.locator("x-image").first
    expect(picture).to_contain_text("A cat")
    expect(picture).to_contain_text("evil.example")
    witness.nothing()
    picture.get_by_role("button").click()
    expect(picture.locator("img")).to_have_attribute("alt", "A cat")
    assert witness.seen == [f"asked {EVIL}/cat.gif"]
    gone = hostile.page.locator("x-image").nth(1)
    gone.get_by_role("button").click()
    expect(gone).to_contain_text("cannot be shown")


def responsive(page: Page, answer: Locator) -> None:
    """Typing is shown, and the answer is there."""
    expect(answer).to_be_attached()
    page.locator("#draft").fill("still here")
    expect(page.locator("#draft")).to_have_value("still here")
    page.locator("#draft").fill("")


def test_texts_made_to_keep_a_renderer_busy_do_not(hostile: Driver) -> None:
    witness = Witness(hostile.page)
    imported(hostile, *DEEP)
    responsive(hostile.page, hostile.answers.last)
    witness.nothing()


def test_blocks_of_thousands_of_marks_are_shown_as_they_are(hostile: Driver) -> None:
    """They are never parsed: one would take a second, and the chat is there again after each reload."""
    imported(hostile, *MANY)
    expect(hostile.page.locator(".answer > .block.plain")).to_have_count(len(MANY) - 1 + 10)
    expect(hostile.page.locator(".answer > .block:not(.plain)")).to_have_count(0)
    responsive(hostile.page, hostile.answers.last)
    hostile.page.reload()
    expect(hostile.page.locator(".answer > .block.plain")).to_have_count(len(MANY) - 1 + 10)
    responsive(hostile.page, hostile.answers.last)


def test_a_line_of_five_megabytes_is_shown_and_the_page_answers(hostile: Driver) -> None:
    witness = Witness(hostile.page)
    imported(hostile, "x" * 5_000_000)
    responsive(hostile.page, hostile.answers.first)
    assert hostile.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    witness.nothing()
