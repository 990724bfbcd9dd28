"""The console's document: its own policy, on the admin listener alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from tallystick_helper.routes.console_page import console_page_routes
from tallystick_helper.routes.page import Page, page_routes

CSP = "Content-Security-Policy"
POLICY = {"document": {CSP: "default-src 'none'; connect-src ws:"}, "console": {CSP: "default-src 'none'"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A built page."""
    for name, text in (("index.html", "page"), ("console.html", "console"), ("a/x-1.js", "1"), ("demo/w.js", "2")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    headers = {**POLICY, "immutable": "public, immutable", "immutable_prefix": "/a/"}
    (tmp_path / "headers.json").write_text(json.dumps(headers))
    return tmp_path


def test_it_has_the_console_and_what_both_are_made_of(folder: Path) -> None:
    client = TestClient(Starlette(routes=console_page_routes(folder)))
    document = client.get("/")
    assert document.text == "console"
    assert document.headers[CSP] == "default-src 'none'" and document.headers["cache-control"] == "no-store"
    script = client.get("/a/x-1.js")
    assert script.text == "1" and "immutable" in script.headers["cache-control"]
    assert script.headers[CSP] == "default-src 'none'"
    for path in ("/index.html", "/console.html", "/demo/w.js", "/headers.json", "/../index.html", "/api/nothing"):
        assert client.get(path).status_code == 404, path


def test_the_pages_listener_has_no_console(folder: Path) -> None:
    async def nothing() -> dict[str, object]:
        return {}

    client = TestClient(Starlette(routes=page_routes(Page(folder), nothing)))
    assert client.get("/").text == "page"
    assert client.get("/console.html").status_code == 404


def test_the_other_paths_answer_for_themselves(folder: Path) -> None:
    async def told(request: Request) -> PlainTextResponse:
        return PlainTextResponse("told")

    api = [Route("/api/claim", told, methods=["POST"]), Route("/api/state", told, methods=["GET"])]
    client = TestClient(Starlette(routes=[*api, *console_page_routes(folder)]))
    assert client.get("/api/claim").status_code == client.post("/api/state").status_code == 405
    assert client.post("/").status_code == client.put("/a/x-1.js").status_code == 405
    assert client.get("/api/nothing").status_code == 404 and client.get("/").text == "console"


def test_without_a_built_page_there_is_none(tmp_path: Path) -> None:
    assert console_page_routes(None) == [] and console_page_routes(tmp_path) == []
