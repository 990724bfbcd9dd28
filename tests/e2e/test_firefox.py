"""Three core stories in Firefox, told as in Chromium: a wallet to an answer and back, a question typed before Python
runs, the demo's own wallet. And the page's languages, since Firefox paints at other moments.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright

from tests import browsers
from tests.e2e.firefox import wrapper
from tests.e2e.test_story import (  # the stories themselves: collected here with this file's browser
    test_a_question_typed_before_python_is_there_waits_and_goes_out as test_typed_early,
)
from tests.e2e.test_story import (
    test_from_a_wallet_to_a_streamed_answer_and_back as test_from_a_wallet_to_an_answer_and_back,
)
from tests.e2e.test_story import (
    test_the_demos_own_wallet_signs_for_real as test_the_demos_own_wallet,
)
from tests.e2e.wire import Wire

__all__ = ["test_from_a_wallet_to_an_answer_and_back", "test_the_demos_own_wallet", "test_typed_early"]
pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def firefox(theatre: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The machine's Firefox."""
    program = browsers.ensure_firefox()
    if program is None:
        pytest.skip("there is no Firefox, and none could be installed: install one, or name it by TALLYSTICK_FIREFOX")
    launched = wrapper(program, tmp_path_factory.mktemp("firefox"))
    browser = theatre.firefox.launch(channel="moz-firefox", executable_path=launched)
    yield browser
    browser.close()


@pytest.fixture
def context(firefox: Browser, line: Wire) -> Iterator[BrowserContext]:
    """As Chromium's: a profile without history."""
    line.flip_at = None
    held = firefox.new_context(viewport={"width": 1280, "height": 800})
    yield held
    held.close()
