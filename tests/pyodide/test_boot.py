"""The built page starts in a real Chromium, with and without the snapshot, under its policy and from its own host."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests import browsers
from tests.pyodide.site import served
from web.build.inputs import VENDOR

WATCH = """
globalThis.violations = [];
addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sample }) =>
  violations.push(`${violatedDirective} ${blockedURI} ${sample}`));
"""
# The interpreter module keeps one interpreter: whoever asks again gets the same.
PYTHON = """async (code) => {
  const { interpreter } = JSON.parse(document.querySelector('script[type="py"]').getAttribute("config"));
  const { loadPyodide } = await import(new URL(interpreter, document.baseURI).href);
  return (await loadPyodide()).runPythonAsync(code);
}"""


@dataclass
class Visit:
    """One loaded page, and what it did."""

    tab: Page
    address: str
    requests: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def python(self, code: str) -> Any:
        """Run Python in the page; its last value."""
        return self.tab.evaluate(PYTHON, code)

    def marks(self) -> set[str]:
        """The names of the marks that the start left."""
        return set(self.tab.evaluate("performance.getEntriesByType('mark').map((mark) => mark.name)"))

    def violations(self) -> list[str]:
        """What the page's policy refused."""
        return list(self.tab.evaluate("violations"))


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=list(browsers.FLAGS))
        yield found
        found.close()


@contextmanager
def visit(page: Path, browser: Browser, query: str = "", missing: set[str] | None = None) -> Iterator[Visit]:
    """The page, open and ready, for somebody who was never there before."""
    with served(page, missing=missing) as address, browser.new_context() as context:
        tab = context.new_page()
        seen = Visit(tab, address)
        tab.on("request", lambda request: seen.requests.append(request.url))
        tab.on("pageerror", lambda fault: seen.faults.append(str(fault)))
        tab.on("console", lambda said: seen.faults.append(said.text) if said.type == "error" else None)
        tab.add_init_script(WATCH)
        tab.goto(address + query)
        tab.wait_for_selector("html[data-ready]", state="attached", timeout=120_000)
        yield seen


@pytest.fixture(scope="module")
def seen(page: Path, browser: Browser) -> Iterator[Visit]:
    """One visit, for tests that leave the page as it is."""
    with visit(page, browser) as found:
        yield found


@pytest.mark.parametrize(("query", "how"), [("", "snapshot"), ("?boot=plain", "plain")])
def test_starts_under_its_policy_and_asks_nobody_else(page: Path, browser: Browser, query: str, how: str) -> None:
    with visit(page, browser, query) as seen:
        assert f"boot:{how}" in seen.marks()
        assert seen.violations() == []
        assert seen.faults == []
        assert [url for url in seen.requests if not url.startswith(seen.address)] == []


def test_starts_plainly_where_the_snapshot_is_missing(page: Path, browser: Browser) -> None:
    with visit(page, browser, missing={"/a/heap-"}) as seen:
        assert "boot:plain" in seen.marks()
        assert seen.violations() == []


def test_text_does_not_become_code_or_markup(seen: Visit) -> None:
    """What a hostile answer would need, were it ever to reach a sink. Tried from Python: what the driver evaluates is
    exempt from the policy, and so is what it calls at once.
    """
    attempts = """
import asyncio, js, json
await asyncio.sleep(0.01)
def outcome(attempt):
    try:
        attempt()
    except Exception as fault:
        return fault.name
    return "done"
json.dumps({
    "eval": outcome(lambda: js.eval("1 + 1")),
    "Function": outcome(lambda: js.Function.new("return 1")),
    "innerHTML": outcome(lambda: setattr(js.document.body, "innerHTML", "<b>x</b>")),
    "script": outcome(lambda: setattr(js.document.createElement("script"), "src", "/a/x.js")),
    "timer": outcome(lambda: js.setTimeout("1")),
})
"""
    results = seen.python(attempts)
    assert set(json.loads(results).values()) <= {"EvalError", "TypeError"}, results


def test_answers_are_sanitised(seen: Visit) -> None:
    markdown = (
        "**bold** <script>alert(1)</script><style>*{}</style> [x](javascript:alert(1)) [y](https://example.org) "
        "<form action='//e'><input></form> ![i](https://example.org/i.png) <a id='draft' class='button'>z</a>"
    )
    shown = seen.python(f"from tallystick_js import render; str(render({markdown!r}))")
    assert "<strong>bold</strong>" in shown
    for bad in ("<script", "<style", "javascript:", "<form", "<input", "<img", "id=", "class="):
        assert bad not in shown
    assert 'rel="noopener noreferrer nofollow"' in shown


def test_the_snapshot_holds_every_module_that_the_page_uses(page: Path, browser: Browser) -> None:
    """A module that is not in it would be looked for in files, and there are none."""
    held = set(json.loads((VENDOR / "work" / "snapshot.json").read_text(encoding="utf-8"))["modules"])
    with visit(page, browser) as seen:
        seen.tab.wait_for_selector("script-py", state="attached")  # PyScript's own Python comes after the page's
        loaded = set(json.loads(seen.python("import sys, json; json.dumps(sorted(sys.modules))")))
    made_by_the_page = {"tallystick_js", "_pyscript", "_polyscript_js_modules"}
    new = {name for name in loaded - held if name.split(".")[0] not in ("pyscript", "polyscript")}
    assert new <= made_by_the_page


def test_native_code_in_the_snapshot_works(seen: Visit) -> None:
    """msgspec's compiled part was restored, with all its function pointers."""
    shown = seen.python("""
import msgspec
class Point(msgspec.Struct, array_like=True, frozen=True):
    x: int
    name: str = ""
    more: tuple[bytes, ...] = ()
point = Point(-5, "ü", (b"1", b"2"))
packed = msgspec.msgpack.encode(point)
try:
    msgspec.msgpack.decode(packed[:-1], type=Point)
    short = "decoded"
except msgspec.DecodeError as fault:
    short = str(fault)
try:
    msgspec.json.decode(b'["1"]', type=Point)
    wrong = "decoded"
except msgspec.ValidationError as fault:
    wrong = str(fault)
repr([msgspec.msgpack.decode(packed, type=Point) == point, short, wrong])
""")
    assert shown == repr([True, "Input data was truncated", "Expected `int`, got `str` - at `$[0]`"])


def test_visits_differ_in_their_random_numbers(page: Path, browser: Browser) -> None:
    """The snapshot has one state of `random` for all; the page makes its own."""
    numbers = set()
    for _ in range(2):
        with visit(page, browser) as seen:
            numbers.add(seen.python("import random, os; str(random.random()) + os.urandom(16).hex()"))
    assert len({number[:18] for number in numbers}) == 2
    assert len({number[-32:] for number in numbers}) == 2


def test_files_come_when_asked_for(page: Path, browser: Browser) -> None:
    with visit(page, browser) as seen:
        found = seen.python(
            "import tallystick_js; await tallystick_js.library()\n"
            "import csv, importlib.metadata; importlib.metadata.version('eth-abi')"
        )
        assert found == "5.2.0"
