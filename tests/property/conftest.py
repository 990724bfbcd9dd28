"""The node's cryptography, for all property tests."""

from __future__ import annotations

import pytest

from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.crypto import Crypto


@pytest.fixture(scope="session")
def crypto() -> Crypto:
    return NativeCrypto()
