"""The shared tests run twice: on CPython with the node's cryptography, and inside Pyodide with the page's."""

from __future__ import annotations

import sys

import pytest

from tallystick_shared.crypto import Crypto


@pytest.fixture(scope="session")
def crypto() -> Crypto:
    if sys.platform == "emscripten":
        from tallystick_web.browser_boot import crypto as browser_crypto

        return browser_crypto()
    from tallystick_helper.crypto import NativeCrypto

    return NativeCrypto()
