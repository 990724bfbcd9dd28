"""A static server for the built page, with the page's own headers: what any static host would be. Loopback only."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar


class _Page(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections stay open, as with every real server
    extensions_map: ClassVar = SimpleHTTPRequestHandler.extensions_map | {
        ".mjs": "text/javascript",
        ".js": "text/javascript",
        ".wasm": "application/wasm",
        ".whl": "application/zip",
    }

    def __init__(self, *args: Any, policy: dict[str, Any], missing: set[str], **more: Any) -> None:
        self.policy, self.missing = policy, missing
        super().__init__(*args, **more)

    def do_GET(self) -> None:
        if any(part in self.path for part in self.missing):
            self.send_error(404)
        elif self.path == "/tallystick.json":  # a host without a node of its own names no chain
            self._answer(b"{}")
        else:
            super().do_GET()

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def end_headers(self) -> None:
        if self.path.startswith(self.policy["immutable_prefix"]) and "?" not in self.path:
            self.send_header("Cache-Control", self.policy["immutable"])
        else:
            self.send_header("Cache-Control", "no-cache")
        if self.path.split("?")[0].endswith(("/", ".html")):
            for name, value in self.policy["document"].items():
                self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def served(folder: Path, *, missing: set[str] | None = None) -> Iterator[str]:
    """The page in `folder`, while the context lasts; its address. Paths with one of `missing` in them get a 404."""
    policy = json.loads((folder / "headers.json").read_text(encoding="utf-8"))
    handler = partial(_Page, directory=str(folder), policy=policy, missing=missing or set())
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
