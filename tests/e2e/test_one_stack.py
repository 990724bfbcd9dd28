"""A browser that notes who allocates memory does not lose the page: Python runs on the thread's own stack."""

from __future__ import annotations

from playwright.sync_api import Browser

from tests import browsers
from tests.e2e.driver import Driver
from tests.e2e.stack import Demo

SAMPLED = (
    "--enable-features=HeapProfilerReporting:stable-probability/1.0/nonstable-probability/1.0"
    "/renderer-prob-pct/100/renderer-sampling-rate-bytes/1000"
)
"""Chromium does this in a share of its processes, about each megabyte; here in all, a thousand times as often."""


def test_a_browser_that_samples_allocations_keeps_its_tab(chrome: Browser, chromium: str, running: Demo) -> None:
    sampling = chrome.browser_type.launch(executable_path=chromium, args=[*browsers.FLAGS, SAMPLED])
    try:
        page = Driver(sampling.new_page(), running).open().page
        assert page.evaluate("['Suspending', 'promising'].filter((name) => name in WebAssembly)") == []
    finally:
        sampling.close()
