"""The longest that the page's main thread is busy at a stretch, while an answer streams into a chat of 400 messages.

In Chromium, in the built page of 200 kB of messages, by its own code from the arrival of a token to the frame; network
and engine are left out: tokens come from a list, a hundred a second. Measured from Chromium's trace as processor time
of one task of the main thread, so that what else the machine does is not counted.
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
FRAME_MS = 1000 / 60
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
CATEGORIES = ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"]
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


def busiest(trace: bytes) -> list[float]:
    """Milliseconds of processor time of each task of the page's main thread, the longest first."""
    events = json.loads(trace)["traceEvents"]
    threads = [one for one in events if one.get("name") == "thread_name" and one["args"]["name"] == "CrRendererMain"]
    main = {(one["pid"], one["tid"]) for one in threads}
    tasks = [one for one in events if one.get("name") == "RunTask" and (one["pid"], one["tid"]) in main]
    return sorted((float(task.get("tdur", 0)) / 1000 for task in tasks), reverse=True)


def runs(chromium: str) -> list[list[float]]:
    """The tasks of each run."""
    from playwright.sync_api import sync_playwright

    words = [part + " " for part in (ANSWER * 4).split(" ")]
    script = STREAM.replace("WORDS", repr(words))
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
        for late in (".katex", "[class*=hljs-]"):  # loaded with the first of their kind
            tab.wait_for_selector(late, state="attached")
        for _ in range(RUNS):
            browser.start_tracing(page=tab, categories=CATEGORIES)
            tab.evaluate(RUN, script)
            tab.wait_for_selector("html[data-streamed]", state="attached", timeout=120_000)
            found.append(busiest(browser.stop_tracing()))
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
    measured = runs(chromium)
    longest = [run[0] for run in measured]
    value = median(longest)
    every = sorted(task for run in measured for task in run if task > 1)
    most = every[len(every) * 99 // 100]
    note = f"{MESSAGES} messages, {MESSAGES * LETTERS // 1000} kB; 99 of 100 tasks above 1 ms within {most:.0f} ms"
    goal = f"≤ {GOAL_MS} ms"
    return [Row(NAME, value, "ms", AGAINST, value / FRAME_MS, goal, value <= GOAL_MS, spread(longest), note)]
