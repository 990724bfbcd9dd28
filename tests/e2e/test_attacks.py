"""Attacks on the admin listener from real pages in one browser: other sites, other ports of this machine, and rebound
names; then secrets, bearers and sign-ins that are not good. None succeeds; beside each kind stands what does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Coroutine, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Route
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route as Served

from tallystick_helper.gateway.key import ApiKey
from tallystick_helper.running import KEY
from tallystick_helper.server import Listener
from tests import browsers
from tests.e2e.attacks import CROSS, EVIL, HOSTS, LOOPBACK, NAMED, PRELUDE, REBINDING
from tests.helper.test_console_sign_in import signed
from tests.helper.world import Serving, new_world, serving

T = TypeVar("T")
MAPPED = "--host-resolver-rules=MAP *.example 127.0.0.1"


class Site:
    """A node at work in a loop of its own thread, and a route without any lock behind the listener's guard."""

    def __init__(self, folder: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._held = contextlib.AsyncExitStack()
        self.reached: list[str] = []
        self.open = ""
        self.provider: Serving = self.do(self._begin(folder))
        assert self.provider.up.admin is not None
        self.admin = self.provider.up.admin
        self.key = ApiKey(self.provider.settings.data_dir, KEY).text()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _begin(self, folder: Path) -> Serving:
        provider = await self._held.enter_async_context(
            serving(await self._held.enter_async_context(new_world(folder)))
        )
        assert provider.up.admin is not None and provider.up.admin.app is not None
        every = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
        witness = Served("/witness", self._witness, methods=every)
        provider.up.admin.app.router.routes.insert(0, witness)  # the console takes whatever is left
        unguarded = Listener(Starlette(routes=[witness]), "127.0.0.1", 0, websocket=False)
        unguarded.start()
        self._held.push_async_callback(unguarded.stop)
        self.open = f"http://127.0.0.1:{unguarded.port}"
        return provider

    async def _witness(self, request: Request) -> Response:
        self.reached.append(f"{request.method} {request.headers.get('sec-fetch-mode')}")
        return PlainTextResponse("a secret")

    def state(self) -> object:
        """What an attack could have changed."""

        async def look() -> object:
            renting = self.provider.up.control.renting
            owners = [session.owners for session in self.admin.pairing._sessions]
            return (renting.paused, renting.denied, self.provider.up.control.state()["engine"], owners)

        return self.do(look())

    def pair(self) -> str:
        """A bearer."""

        async def make() -> str:
            return self.admin.pairing.redeem(self.admin.pairing.offer())

        return self.do(make())

    def end(self) -> None:
        self.do(self._held.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Hostile(BaseHTTPRequestHandler):
    """The attacker's server: an empty page, and redirects to where it is told."""

    def do_GET(self) -> None:
        kind, _, target = self.path[1:].partition("?")
        self.send_response(int(kind) if kind in ("302", "307") else 200)
        self.send_header("Access-Control-Allow-Origin", "*")
        if kind in ("302", "307"):
            self.send_header("Location", target)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """It says nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("attacked"))
    yield made
    made.end()


@pytest.fixture(scope="module")
def hostile() -> Iterator[int]:
    """The port of the attacker's server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser(theatre: Playwright, chromium: str) -> Iterator[Browser]:
    """One in which every name below `.example` leads to this machine: the attacker owns them."""
    made = theatre.chromium.launch(executable_path=chromium, args=[*browsers.FLAGS, MAPPED])
    yield made
    made.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    held = browser.new_context()
    yield held
    held.close()


class Attacker:
    """A page, and what it knows."""

    def __init__(self, page: Page, site: Site, port: int) -> None:
        self.page, self.site = page, site
        values = {"admin": site.admin.origin, "port": site.admin.origin.rpartition(":")[2], "bearer": site.pair()}
        self.values = {**values, "key": site.key, "attacker": f"http://evil.example:{port}", "secret": "x" * 22}

    def run(self, script: str, **more: str) -> object:
        prelude = PRELUDE.replace("__T__", json.dumps({**self.values, **more}))
        return self.page.evaluate(f"async () => {{ {prelude} {script} }}")


@pytest.fixture
def attacker(context: BrowserContext, site: Site, hostile: int) -> Attacker:
    site.reached.clear()
    return Attacker(context.new_page(), site, hostile)


def own(page: Page, origin: str) -> None:
    """An empty page of that origin, wherever it leads now."""

    def give(route: Route) -> None:
        route.fulfill(body="<!doctype html><body></body>", content_type="text/html")

    page.route(f"{origin}/empty", give)
    page.goto(f"{origin}/empty")


@pytest.mark.parametrize("origin", [EVIL, LOOPBACK, NAMED])
def test_no_other_page_reads_or_changes_anything(attacker: Attacker, hostile: int, origin: str) -> None:
    hosts = {EVIL: "evil.example", LOOPBACK: "127.0.0.1", NAMED: "localhost"}
    attacker.page.goto(f"http://{hosts[origin]}:{hostile}/")
    site, before = attacker.site, attacker.site.state()
    rows = [attack for attack in CROSS if origin in attack.origins]
    assert len(CROSS) >= 40 and len(rows) >= 20
    for attack in rows:
        site.reached.clear()
        assert attacker.run(attack.script) is None, attack.name
        assert site.reached == [], attack.name
        assert site.state() == before, attack.name


def test_the_same_attacks_reach_a_listener_without_the_guard(attacker: Attacker, hostile: int) -> None:
    """Else they would prove nothing."""
    attacker.page.goto(f"http://evil.example:{hostile}/")
    through = []
    for attack in CROSS:
        attacker.site.reached.clear()
        attacker.run(attack.script, admin=attacker.site.open)
        if attacker.site.reached:
            through.append(attack.name)
    assert len(through) >= 25, through


@pytest.mark.parametrize("host", HOSTS)
def test_a_name_that_was_rebound_is_refused(attacker: Attacker, host: str) -> None:
    site, before = attacker.site, attacker.site.state()
    own(attacker.page, f"http://{host}:{attacker.values['port']}")
    for attack in REBINDING:
        assert attacker.run(attack.script) is None, attack.name
        assert site.reached == [] and site.state() == before, attack.name


@pytest.fixture
def console(attacker: Attacker) -> Attacker:
    """A page of the listener's own origin, which the guard lets through: tried are the locks behind it."""
    own(attacker.page, attacker.site.admin.origin)
    attacker.site.reached.clear()
    return attacker


def call(console: Attacker, path: str, body: object = None, bearer: str = "") -> tuple[int, dict[str, Any]]:
    """A request of the page."""
    script = """const reads = t.body === 'null', headers = t.given ? { Authorization: `Bearer ${t.given}` } : {};
        const r = await fetch(t.path, { method: reads ? 'GET' : 'POST', body: reads ? undefined : t.body, headers });
        return [r.status, await r.text()];"""
    found: Any = console.run(script, path=path, body=json.dumps(body), given=bearer)
    return found[0], json.loads(found[1])


def test_the_same_requests_succeed_where_they_are_the_consoles_own(console: Attacker) -> None:
    assert console.run("return read(W);") == "a secret"
    assert console.run("return read(W, { method: 'POST', body: '{}' });") == "a secret"
    assert call(console, "/api/session", bearer=console.values["bearer"])[0] == 200
    assert call(console, "/node", bearer=console.site.key)[0] == 200
    for wish, paused in (("pause", "paused"), ("resume", None)):
        assert call(console, f"/node/{wish}", {}, console.site.key)[1]["resting"] == paused
    console.site.reached.clear()


def test_pairing_takes_a_good_secret_once_and_in_time(console: Attacker) -> None:
    pairing = console.site.admin.pairing
    secret, late = pairing.offer(), pairing.offer()
    for wrong in ("", "x", secret[:-1], secret + "x", secret.swapcase(), "x" * 22, "x" * 10_000, late.lower() + "="):
        assert call(console, "/api/pair", {"secret": wrong})[0] == 401, wrong
    for malformed in ({"secret": 7}, {"secret": None}, {}, [], {"secret": secret, "more": 1}):
        assert call(console, "/api/pair", malformed)[0] == 400, malformed
    status, answer = call(console, "/api/pair", {"secret": secret})
    assert status == 200 and call(console, "/api/session", bearer=answer["bearer"])[0] == 200
    assert call(console, "/api/pair", {"secret": secret})[1]["error"] == "PAIRING_OVER", "a replay"
    clock = pairing.clock
    pairing.clock = lambda: clock() + 61
    try:
        assert call(console, "/api/pair", {"secret": late})[1]["error"] == "PAIRING_OVER", "expired"
    finally:
        pairing.clock = clock


def test_bearers_that_are_guessed_left_or_of_another_kind_open_nothing(console: Attacker) -> None:
    left = console.site.pair()
    assert call(console, "/api/leave", {}, left)[0] == 200
    key = console.site.admin.key.text()
    for wrong in ("", "x", "x" * 43, left, console.site.key, key, console.values["bearer"][:-1]):
        assert call(console, "/api/session", bearer=wrong)[0] == 401, wrong
        assert call(console, "/api/owner/message", {"account": "0x" + "11" * 20}, wrong)[0] == 401, wrong
    for wrong in ("", console.values["bearer"], key):
        assert call(console, "/node/pause", {}, wrong)[0] == 401, wrong
    assert not console.site.provider.up.control.renting.paused


def test_only_the_owner_signs_in_and_only_with_what_was_asked(console: Attacker) -> None:
    world, owner = console.site.provider.world, "0x" + console.site.provider.provider.hex()
    bearer, other = console.values["bearer"], console.site.pair()

    def asked(account: str = owner) -> str:
        return str(call(console, "/api/owner/message", {"account": account}, bearer)[1].get("message", ""))

    def sign_in(text: str, key: bytes = world.owner_key, by: str = bearer, signature: str = "") -> int:
        given = {"message": text, "signature": signature or signed(text, key)}
        return call(console, "/api/owner/sign-in", given, by)[0]

    host = console.site.admin.origin.removeprefix("http://")
    stranger = "0x" + world.crypto.secp256k1_address(world.user_key).hex()
    assert asked(stranger) == "", "another wallet"
    changes = {
        "domain": (host, "evil.example"),
        "uri": (f"URI: http://{host}/", "URI: http://evil.example/"),
        "chain": ("Chain ID: 31337", "Chain ID: 1"),
        "version": ("Version: 1", "Version: 2"),
        "statement": ("costs nothing", "costs all"),
        "later": ("Expiration Time: 20", "Expiration Time: 30"),
    }
    for name, (old, new) in changes.items():
        text = asked()
        assert old in text and sign_in(text.replace(old, new, 1)) == 403, name
        assert sign_in(text) == 403, f"{name}: it was tried once"
    assert sign_in(asked().replace("Expiration", "Resources: x\nExpiration")) == 403, "malformed"
    assert sign_in(asked().replace("Nonce: ", "Nonce: f")) == 403, "nonce"
    assert sign_in(asked(), world.user_key) == 403, "another's signature"
    assert sign_in(asked(), by=other) == 403, "another console's message"
    for wrong in ("0x", "0x" + "00" * 65, "zz", signed("something else", world.owner_key)):
        assert sign_in(asked(), signature=wrong) == 403, wrong
    assert call(console, "/api/session", bearer=bearer)[1]["owners"] == {}
    good = asked()
    assert sign_in(good) == 200 and sign_in(good) == 403, "the right one, and its replay"
    assert call(console, "/api/session", bearer=bearer)[1]["owners"] == {"": owner}
    assert call(console, "/api/session", bearer=other)[1]["owners"] == {}
