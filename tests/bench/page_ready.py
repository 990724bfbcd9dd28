"""How soon the page can send on a second visit, beside how soon plain PyScript runs its first line.

Both are served alike, with the page's headers and policy, by the same small server on loopback: no download is timed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import browsers
from tests.bench.row import Row, median, missing, pairwise, spread
from tests.pyodide.site import served
from web.build.build import build
from web.build.inputs import DIST, BuildError, npm

RUNS = 6
GOAL = 0.5
AGAINST = "plain PyScript runs its first line"
# A person stays a while; Chromium keeps what it compiled only after a second or so.
STAY_MS = 2000

PLAIN = """<!doctype html><meta charset="utf-8"><title>Plain</title>
<script src="a/{policy}"></script>
<script type="module" src="a/{pyscript}/core.js"></script>
<script type="py" config='{{"interpreter": "./a/{pyodide}/pyodide.mjs"}}'>
from js import document, performance
performance.mark("able")
document.documentElement.setAttribute("data-able", "1")
</script>
"""

# Able to send: a message packed, a key agreed on, a record sealed, a voucher's digest made and signed, all in Python.
SEND = """
import msgspec
from tallystick_web.browser_boot import crypto
seat = crypto()
private, public = seat.x25519_keypair()
secret = seat.x25519(private, seat.x25519_keypair()[1])
record = seat.seal(secret, bytes(12), b"", msgspec.msgpack.encode([1, "a question", public]))
signature = seat.secp256k1_sign(secret, seat.keccak256(record))
from js import document, performance
performance.mark("able")
document.documentElement.setAttribute("data-able", "1")
"""
WHEN_READY = """
document.addEventListener("DOMContentLoaded", () => {
  const root = document.documentElement;
  const send = async () => {
    const { interpreter } = JSON.parse(document.querySelector('script[type="py"]').getAttribute("config"));
    const { loadPyodide } = await import(new URL(interpreter, document.baseURI).href);
    (await loadPyodide()).runPython(SEND);
  };
  const ready = new MutationObserver(() => {
    if (!root.hasAttribute("data-ready")) return;
    ready.disconnect();
    send();
  });
  ready.observe(root, { attributes: true });
});
"""
ABLE = "performance.getEntriesByName('able').map((mark) => mark.startTime)[0]"


@contextmanager
def plain_site() -> Iterator[Path]:
    """A page with nothing but PyScript, from the same files as ours."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        pieces = folder / "a"
        pieces.mkdir()
        names = {}
        for piece in ("pyscript", "pyodide"):
            [found] = (DIST / "a").glob(f"{piece}-*")
            shutil.copytree(found, pieces / found.name)
            names[piece] = found.name
        [policy] = (DIST / "a").glob("tt-*.js")
        shutil.copyfile(policy, pieces / policy.name)
        shutil.copyfile(npm("pyodide") / "pyodide-lock.json", pieces / names["pyodide"] / "pyodide-lock.json")
        shutil.copyfile(DIST / "headers.json", folder / "headers.json")
        (folder / "index.html").write_text(PLAIN.format(policy=policy.name, **names), encoding="utf-8")
        yield folder


def second_visit(folder: Path, chromium: str, script: str) -> float:
    """Milliseconds from navigation to the mark "able", on the second visit of a new profile."""
    from playwright.sync_api import sync_playwright

    with served(folder) as address, TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=chromium, args=list(browsers.FLAGS)
        )
        taken = 0.0
        for _ in range(2):
            tab = context.new_page()
            if script:
                tab.add_init_script(script)
            tab.goto(address, wait_until="commit")
            tab.wait_for_selector("html[data-able]", state="attached", timeout=120_000)
            taken = float(tab.evaluate(ABLE))
            tab.wait_for_timeout(STAY_MS)
            tab.close()
        context.close()
    return taken


def page_ready() -> list[Row]:
    """The row, or one that says why there is none."""
    chromium = browsers.find_chromium()
    if chromium is None:
        return [missing("page_ready", "ms", AGAINST, f"≤ {GOAL}", "there is no Chromium on this machine")]
    try:
        build()
    except BuildError as fault:
        return [missing("page_ready", "ms", AGAINST, f"≤ {GOAL}", str(fault))]
    script = WHEN_READY.replace("SEND", json.dumps(SEND))
    with plain_site() as plain:
        ours: list[float] = []
        theirs: list[float] = []
        measures: list[Callable[[], None]] = [
            lambda: ours.append(second_visit(DIST, chromium, script)),
            lambda: theirs.append(second_visit(plain, chromium, "")),
        ]
        for number in range(RUNS):
            for measure in measures if number % 2 else reversed(measures):
                measure()
    ratio = pairwise(ours, theirs, lambda one, other: one / other)
    note = f"{AGAINST}: {median(theirs):.0f} ms"
    return [Row("page_ready", median(ours), "ms", note, ratio, f"≤ {GOAL}", ratio <= GOAL, spread(ours))]
