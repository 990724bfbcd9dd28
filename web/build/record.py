"""Records what PyScript turns from text into code, for the Trusted Types policy of the page.

A bare page with PyScript is loaded in Chromium under a policy that writes down what it is asked. There must be one
text.
"""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from web.build.inputs import BOOT, BuildError, npm, npm_version, sha256

PAGE = """<!doctype html><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="require-trusted-types-for 'script'">
<script src="note.js"></script>
<script type="module" src="pyscript/core.js"></script>
<script type="py" config='{"interpreter": "./pyodide/pyodide.mjs"}'>
import js
js.document.documentElement.dataset.ready = "1"
</script>
"""
NOTE = """globalThis.asked = [];
trustedTypes.createPolicy("default", {createScript: (text) => { asked.push(text); return text; }});
"""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


class _Files(SimpleHTTPRequestHandler):
    extensions_map: ClassVar = SimpleHTTPRequestHandler.extensions_map | {
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: who records wants the result."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """`folder` on a free port of this machine, while the context lasts; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Files, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def asked(chromium: str = "/usr/bin/chromium") -> list[str]:
    """The texts that PyScript asks to have evaluated while it starts."""
    from playwright.sync_api import sync_playwright

    with TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        (folder / "pyscript").symlink_to(npm("@pyscript/core") / "dist")
        (folder / "pyodide").symlink_to(npm("pyodide"))
        (folder / "index.html").write_text(PAGE, encoding="utf-8")
        (folder / "note.js").write_text(NOTE, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        with served(folder) as address:
            tab = browser.new_page()
            tab.goto(address)
            tab.wait_for_selector("html[data-ready]", state="attached", timeout=60_000)
            texts: list[str] = tab.evaluate("asked")
        browser.close()
    return texts


def record() -> None:
    """Write web/boot/tt.json. Raises BuildError if PyScript wants more than one text."""
    [core] = (npm("@pyscript/core") / "dist").glob("core-*.js")
    texts = sorted(set(asked()))
    if len(texts) != 1:
        raise BuildError(f"PyScript turns {len(texts)} texts into code, and the page's policy allows one: {texts}")
    found = {"pyscript": npm_version("@pyscript/core"), "sha256": sha256(core), "code": texts[0]}
    (BOOT / "tt.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
