"""Start of the page's Python: gives the JavaScript libraries to the parts that need them, then runs the page.

Run by `web/boot/start.py`, in PyScript. One of the `browser` modules: only these import what the browser brings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import keccak
from .crypto import BrowserCrypto

if TYPE_CHECKING:
    from tallystick_shared.crypto import Crypto


def crypto() -> Crypto:
    """The crypto seat, filled with the libsodium and noble of the page."""
    from pyodide.ffi import JsException, to_js
    from tallystick_js import noble, sodium

    return BrowserCrypto(sodium, noble, to_js, JsException)


async def start() -> None:
    """Everything from a restored (or plainly started) interpreter to a page that can send, or a console that shows."""
    from js import document, performance

    performance.mark("boot:start")
    keccak.use(crypto().keccak256)
    if document.documentElement.getAttribute("data-entry") == "console":
        from .console.main import main
    else:
        from .main import main
    await main()
    performance.mark("boot:ready")
