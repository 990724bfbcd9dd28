"""The filling of the crypto seat that this interpreter has: the node's on CPython, the page's in Pyodide."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tallystick_shared.crypto import Crypto
from tests.shared.crypto_conformance import CHECKS


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conforms(crypto: Crypto, check: Callable[[Crypto], None]) -> None:
    check(crypto)
