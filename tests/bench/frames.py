"""The longest time between two frames while an answer streams into a chat of 400 messages and 200 kB.

In Chromium, in the built page, by its own code from the arrival of a token to the frame; network and engine are left
out: tokens come from a list, a hundred a second. The longest gap of each run is the figure; its floor is one frame.
"""

from __future__ import annotations

import json
from typing import Any

from tests import browsers
from tests.bench.row import Row, median, missing, spread
from tests.pyodide.site import served
from web.build.build import build
from web.build.inputs import DIST, BuildError

RUNS = 5
GOAL_MS = 50
MESSAGES = 400
LETTERS = 500
NAME = "longest_frame"
AGAINST = "a frame, 16.7 ms"
ANSWER = """Tallies were **split** so that neither side could cheat, see `stock` and `foil`.

- a notch for one
- a wider one for ten, $10^n$ in all

| cut | stands for |
|---|---:|
| thin | 1 |
| palm | 1,000 |

```python
def owed(cuts: list[int]) -> int:
    return sum(10**size for size in cuts)
```

That is how the Exchequer kept its accounts for seven hundred years, and why the word *stock* is still used.

"""
FRAMES = """() => {
  globalThis.gaps = [];
  let last = performance.now();
  const next = (now) => { gaps.push(now - last); last = now; requestAnimationFrame(next); };
  requestAnimationFrame(next);
}"""
STREAM = """
import asyncio, gc
from js import document
from tallystick_web.chats.actions import AnswerGrew, AnswerStarted, Asked, TurnMoved
from tallystick_web.chats.model import TurnState

async def stream(app, words):
    app.dispatch(Asked("Go on", now=1))
    app.dispatch(AnswerStarted(app.state.turns[-1].id, "a model"))
    answer = app.state.turns[-1].id
    for word in words:
        app.dispatch(AnswerGrew(answer, word))
        await asyncio.sleep(0.01)
    app.dispatch(TurnMoved(answer, TurnState.DONE))
    document.documentElement.setAttribute("data-streamed", "1")

app = next(one for one in gc.get_objects() if type(one).__name__ == "App")
running = asyncio.ensure_future(stream(app, WORDS))
"""
RUN = """async (script) => {
  document.documentElement.removeAttribute("data-streamed");
  const { interpreter } = JSON.parse(document.querySelector('script[type="py"]').getAttribute("config"));
  const { loadPyodide } = await import(new URL(interpreter, document.baseURI).href);
  gaps.length = 0;
  (await loadPyodide()).runPython(script);
}"""


def chat() -> str:
    """400 messages of 500 letters, as a file to import."""
    filler = ANSWER * 2
    turns: list[dict[str, Any]] = []
    for at in range(1, MESSAGES + 1):
        role = "user" if at % 2 else "assistant"
        text = f"Question {at}. " + "What then? " * 44 if at % 2 else filler[:LETTERS]
        turns.append({"id": at, "parent": at - 1, "role": role, "text": text[:LETTERS]})
    return json.dumps({"format": "tallystick-chats/1", "chats": [{"id": "long", "title": "Long", "messages": turns}]})


def gaps(chromium: str) -> list[list[float]]:
    """Milliseconds between frames, of each run."""
    from playwright.sync_api import sync_playwright

    words = [part + " " for part in (ANSWER * 4).split(" ")]
    found = []
    with served(DIST) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(browsers.FLAGS))
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        tab.goto(address)
        tab.wait_for_selector("html[data-ready]", state="attached", timeout=120_000)
        tab.click("[data-do=open-transfer]")
        with tab.expect_file_chooser() as chooser:
            tab.click("[data-do=pick-import]")
        file = {"name": "chats.json", "mimeType": "application/json", "buffer": chat().encode()}
        chooser.value.set_files(file)  # type: ignore[arg-type]
        tab.click("[data-do=open-chat] >> text=Long")
        tab.wait_for_selector(f"#turn-{MESSAGES}", state="attached")
        tab.wait_for_timeout(2000)  # colours and formulas are loaded with the first of their kind
        tab.evaluate(FRAMES)
        for _ in range(RUNS):
            tab.evaluate(RUN, STREAM.replace("WORDS", repr(words)))
            tab.wait_for_selector("html[data-streamed]", state="attached", timeout=120_000)
            found.append([float(gap) for gap in tab.evaluate("gaps")][2:])
        browser.close()
    return found


def longest_frame() -> list[Row]:
    """The row, or one that says why there is none."""
    chromium = browsers.find_chromium()
    if chromium is None:
        return [missing(NAME, "ms", AGAINST, f"≤ {GOAL_MS} ms", "there is no Chromium on this machine")]
    try:
        build()
    except BuildError as fault:
        return [missing(NAME, "ms", AGAINST, f"≤ {GOAL_MS} ms", str(fault))]
    runs = gaps(chromium)
    longest = [max(run) for run in runs]
    value = median(longest)
    every = sorted(gap for run in runs for gap in run)
    most = every[len(every) * 99 // 100]
    note = f"{MESSAGES} messages, {MESSAGES * LETTERS // 1000} kB; 99 of 100 frames within {most:.0f} ms"
    ratio, goal = value / (1000 / 60), f"≤ {GOAL_MS} ms"
    return [Row(NAME, value, "ms", AGAINST, ratio, goal, value <= GOAL_MS, spread(longest), note)]
