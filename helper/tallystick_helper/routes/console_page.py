"""The console's document on the admin listener, out of the built page: its own policy and no other document."""

from __future__ import annotations

import json
from pathlib import Path

from starlette.routing import BaseRoute, Route

from .page import CONSOLE, Page, PageFile


class ConsolePage(Page):
    """`/` is the console; of the page's files there are those that both are made of, and no document besides."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        headers = json.loads((folder / "headers.json").read_text())
        self._document = {**self._document, **headers["console"]}
        shared = {name: file for name, file in self._files.items() if name.startswith(self.prefix)}
        self._files = {**shared, "/": self._file(folder / CONSOLE.removeprefix("/"))}

    def headers_of(self, name: str, file: PageFile) -> dict[str, str]:
        """The console is asked for anew each time, and kept nowhere."""
        found = super().headers_of(name, file)
        return {**found, "Cache-Control": "no-store"} if name == "/" else found


def console_page_routes(folder: Path | None) -> list[BaseRoute]:
    """The document and its files, and nothing of the listener's other paths: those answer for themselves, also where a
    method is wrong. None where the page is not built, or without a console.
    """
    if folder is None or not (folder / CONSOLE.removeprefix("/")).is_file():
        return []
    page = ConsolePage(folder)
    paths = ("/", page.prefix + "{path:path}")
    return [Route(path, page.answer, methods=["GET"]) for path in paths]
