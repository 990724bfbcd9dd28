"""The page's listener: files of the built page, and one file made from the settings. It has no authority at all.

Headers come from the build's `headers.json`; names below its immutable prefix carry a hash and never change, all
else is asked for anew. Only files that were there at the start are served: a request is looked up in a table and
never becomes a path.
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from tallystick_shared.errors import Code, LocalError, TallystickError

PACKAGED = Path(__file__).parent.parent / "page"
CHECKOUT = Path(__file__).parents[3] / "web" / "dist"
ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
DEMO_PREFIX = "/demo/"
CONSOLE = "/console.html"
"""The provider's console: the admin listener's alone."""
TYPES = {
    ".mjs": "text/javascript",
    ".js": "text/javascript",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".whl": "application/zip",
}
STRICT = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
Configuration = Callable[[], Awaitable[dict[str, Any]]]


@dataclass(frozen=True)
class PageFile:
    """A file, its type, its tag, and the encodings it also lies in."""

    path: Path
    media_type: str
    tag: str
    encodings: dict[str, Path] = field(default_factory=dict)


def page_folder(given: Path | None) -> Path:
    """Where the built page lies. Raises LocalError BAD_SETTINGS where there is none."""
    for folder in [given] if given else [PACKAGED, CHECKOUT]:
        if (folder / "index.html").is_file():
            return folder
    raise LocalError(Code.BAD_SETTINGS, setting="page.files", reason="the page is not built: run ./run build-page")


def _media_type(path: Path) -> str:
    known = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return known + "; charset=utf-8" if known.startswith("text/") else known


class Page:
    """All files of the built page, by URL path."""

    def __init__(self, folder: Path, *, demo: bool = False) -> None:
        """`demo`: also serve what lies below /demo/."""
        headers = folder / "headers.json"
        found = json.loads(headers.read_text()) if headers.exists() else {}
        self._document: dict[str, str] = {**STRICT, **found.get("document", {})}
        self._immutable: str = found.get("immutable", "no-cache")
        self.prefix: str = found.get("immutable_prefix", "/\0")
        self._files: dict[str, PageFile] = {}
        for path in sorted(folder.rglob("*")):
            name = "/" + path.relative_to(folder).as_posix()
            if name == CONSOLE or (not demo and name.startswith(DEMO_PREFIX)):
                continue
            if path.is_file() and path.suffix not in (".br", ".gz"):
                self._files[name] = self._file(path)
        self._files["/"] = self._files["/index.html"]

    @staticmethod
    def _file(path: Path) -> PageFile:
        info = path.stat()
        encodings = {
            name: path.with_name(path.name + end) for name, end in ENCODINGS if path.with_name(path.name + end).exists()
        }
        return PageFile(path, _media_type(path), f'"{info.st_mtime_ns:x}-{info.st_size:x}"', encodings)

    def headers_of(self, name: str, file: PageFile) -> dict[str, str]:
        """The headers of a file: a document's policy for HTML, the strict ones for the rest."""
        base = self._document if file.media_type.startswith("text/html") else {**STRICT, **self._quiet()}
        caching = self._immutable if name.startswith(self.prefix) else "no-cache"
        return {**base, "Cache-Control": caching, "ETag": file.tag, "Vary": "Accept-Encoding"}

    def _quiet(self) -> dict[str, str]:
        """Scripts of workers take their policy from their own answer, so they get the document's."""
        policy = self._document.get("Content-Security-Policy")
        return {"Content-Security-Policy": policy} if policy else {}

    async def answer(self, request: Request) -> Response:
        name = request.scope["path"]
        file = self._files.get(name)
        if file is None:
            return PlainTextResponse("Not found.\n", status_code=404, headers=STRICT)
        headers = self.headers_of(name, file)
        if request.headers.get("if-none-match") == file.tag:
            return Response(status_code=304, headers=headers)
        path = file.path
        accepted = {part.split(";")[0].strip() for part in request.headers.get("accept-encoding", "").split(",")}
        for encoding, packed in file.encodings.items():
            if encoding in accepted:
                headers["Content-Encoding"], path = encoding, packed
                break
        body = await asyncio.to_thread(path.read_bytes)
        return Response(body, media_type=file.media_type, headers=headers)


def page_routes(page: Page, configuration: Configuration) -> list[BaseRoute]:
    """The files, and `/tallystick.json`: which chain, where the contracts are, whether this is the demo. 404 where no
    chain is set or the contracts are not on it, 503 while the chain does not answer.
    """

    async def configured(request: Request) -> Response:
        try:
            found = await configuration()
        except TallystickError as error:
            # Without an answer from the chain nobody knows: a page that was here before goes on with what it was told.
            status = 503 if error.code is Code.RPC_UNREACHABLE else 404
            return PlainTextResponse(f"{error.says}\n", status_code=status, headers=STRICT)
        return JSONResponse(found, headers={**STRICT, "Cache-Control": "no-store"})

    return [
        Route("/tallystick.json", configured, methods=["GET"]),
        Route("/{path:path}", page.answer, methods=["GET"]),
    ]
