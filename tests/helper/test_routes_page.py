"""The page's listener: files with their headers, nothing else, and no authority."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tallystick_helper.app import page_app
from tallystick_helper.routes.page import Page, page_folder
from tallystick_shared.errors import Code, LocalError

POLICY = "default-src 'none'; script-src 'self'"
HEADERS = {
    "document": {"Content-Security-Policy": POLICY, "X-Frame-Options": "DENY"},
    "immutable": "public, max-age=31536000, immutable",
    "immutable_prefix": "/a/",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    built = tmp_path / "dist"
    (built / "a").mkdir(parents=True)
    (built / "demo").mkdir()
    (built / "headers.json").write_text(json.dumps(HEADERS))
    (built / "index.html").write_text("<!doctype html>ä")
    (built / "a" / "x-1234.mjs").write_text("export {}")
    (built / "a" / "x-1234.mjs.br").write_bytes(b"packed")
    (built / "a" / "y.wasm").write_bytes(b"\0asm")
    (built / "demo" / "wallet.js").write_text("1")
    (tmp_path / "secret").write_text("secret")
    return built


async def configuration() -> dict[str, Any]:
    return {"chain_id": 1}


async def unknown() -> dict[str, Any]:
    raise LocalError(Code.NO_CONTRACTS)


def client(folder: Path, *, demo: bool = False, configure: Any = configuration, host: str = "127.0.0.1") -> Any:
    app = page_app(Page(folder, demo=demo), configure, host)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1:1234")


async def test_documents_carry_the_policy_of_the_build(folder: Path) -> None:
    async with client(folder) as page:
        for path in ("/", "/index.html"):
            answer = await page.get(path)
            assert answer.status_code == 200
            assert answer.headers["content-security-policy"] == POLICY
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cache-control"] == "no-cache"
            assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_hashed_files_never_change(folder: Path) -> None:
    async with client(folder) as page:
        answer = await page.get("/a/y.wasm")
        assert answer.headers["cache-control"] == HEADERS["immutable"]
        assert answer.headers["content-type"] == "application/wasm"


async def test_packed_files_go_to_those_who_can_read_them(folder: Path) -> None:
    async with client(folder) as page:
        plain = await page.get("/a/x-1234.mjs", headers={"accept-encoding": "gzip"})
        assert (plain.content, plain.headers["content-type"]) == (b"export {}", "text/javascript; charset=utf-8")
        request = page.build_request("GET", "/a/x-1234.mjs", headers={"accept-encoding": "gzip, br;q=0.9"})
        packed = await page.send(request, stream=True)
        assert packed.headers["content-encoding"] == "br"
        assert b"".join([part async for part in packed.aiter_raw()]) == b"packed"
        assert (await page.get("/a/x-1234.mjs.br")).status_code == 404


async def test_what_the_browser_has_is_not_sent_again(folder: Path) -> None:
    async with client(folder) as page:
        tag = (await page.get("/")).headers["etag"]
        again = await page.get("/", headers={"if-none-match": tag})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/nothing", "/a", "/a/", "/..%2fsecret", "/%2e%2e/secret", "/demo/wallet.js"])
async def test_anything_else_is_not_found(folder: Path, path: str) -> None:
    async with client(folder) as page:
        assert (await page.get(path)).status_code == 404


async def test_only_reading_is_allowed(folder: Path) -> None:
    async with client(folder) as page:
        assert (await page.post("/")).status_code == 405
        assert (await page.head("/")).status_code == 200


async def test_the_demo_wallet_is_there_in_the_demo_only(folder: Path) -> None:
    async with client(folder, demo=True) as page:
        assert (await page.get("/demo/wallet.js")).status_code == 200


async def test_the_configuration_is_fresh_or_absent(folder: Path) -> None:
    async with client(folder) as page:
        answer = await page.get("/tallystick.json")
        assert answer.json() == {"chain_id": 1}
        assert answer.headers["cache-control"] == "no-store"
    async with client(folder, configure=unknown) as page:
        assert (await page.get("/tallystick.json")).status_code == 404


async def test_a_chain_that_does_not_answer_is_no_word_on_where_the_contracts_are(folder: Path) -> None:
    """Else a page that was here before would forget what it was told."""

    async def silent() -> dict[str, Any]:
        raise LocalError(Code.RPC_UNREACHABLE)

    async with client(folder, configure=silent) as page:
        assert (await page.get("/tallystick.json")).status_code == 503


async def test_the_app_manifest_has_its_type(folder: Path) -> None:
    (folder / "app.webmanifest").write_text("{}")
    async with client(folder) as page:
        assert (await page.get("/app.webmanifest")).headers["content-type"] == "application/manifest+json"


async def test_a_foreign_name_for_this_machine_gets_nothing(folder: Path) -> None:
    async with client(folder) as page:
        for host in ("evil.example", "evil.example:1234", "127.0.0.1.evil.example"):
            assert (await page.get("/", headers={"host": host})).status_code == 421
        for host in ("127.0.0.1:9", "localhost", "[::1]:9"):
            assert (await page.get("/", headers={"host": host})).status_code == 200
    async with client(folder, host="0.0.0.0") as page:
        assert (await page.get("/", headers={"host": "node.lan"})).status_code == 200


def test_a_page_that_is_not_built_is_told(tmp_path: Path) -> None:
    with pytest.raises(LocalError) as caught:
        page_folder(tmp_path)
    assert caught.value.code is Code.BAD_SETTINGS
