"""What a hostile page tries against the admin listener: each attack a row, the JavaScript that it runs, and from where.

A script returns what it got hold of; null where that is nothing. What it reached without seeing an answer is counted on
the other side: `/witness` notes every request that passes the listener's guard. `t` has `admin` (the listener's
origin), `port`, `bearer` (of a paired console, as if it had leaked), `key` (the control key, likewise), and
`attacker` (a server of the attacker's own that redirects where it is told).
"""

# ruff: noqa: E501 (a row is a line of JavaScript)

from __future__ import annotations

from dataclasses import dataclass

PRELUDE = """
const t = __T__, W = t.admin + '/witness', hand = { Authorization: `Bearer ${t.bearer}` };
const within = (ms, work) => Promise.race([work, new Promise(end => setTimeout(() => end(null), ms))]);
const read = async (url, options) => {
  try { const r = await fetch(url, options); return r.ok && r.type !== 'opaque' ? await r.text() : null; }
  catch { return null; }
};
const put = (tag, values, on = 'load') => within(1500, new Promise(end => {
  const e = document.createElement(tag);
  e.addEventListener(on, () => end(e)); e.addEventListener('error', () => end(null));
  Object.assign(e, values); document.body.append(e);
}));
const sent = async (enctype, values, action) => {
  const frame = document.createElement('iframe'); frame.name = 'f' + Math.random(); document.body.append(frame);
  const form = document.createElement('form');
  Object.assign(form, { method: 'POST', action, enctype, target: frame.name });
  for (const [name, value] of Object.entries(values)) form.append(Object.assign(document.createElement('input'), { name, value }));
  document.body.append(form);
  const loaded = new Promise(end => frame.addEventListener('load', end)); form.submit();
  await within(1500, loaded);
  try { return frame.contentDocument.body.innerText || null; } catch { return null; }
};
const socket = url => within(1500, new Promise(end => {
  try { const s = new WebSocket(url); s.onopen = () => end('open'); s.onclose = () => end(null); } catch { end(null); }
}));
const inside = async (frame, body) => within(1500, new Promise(end => {
  addEventListener('message', e => end(e.data));
  const code = `<script>(async () => { let r = null; try { ${body} } catch {} parent.postMessage(r, '*'); })()<\\/script>`;
  document.body.append(Object.assign(document.createElement('iframe'), frame(code)));
}));
"""
EVIL, LOOPBACK, NAMED, REBOUND = "evil", "loopback", "named", "rebound"
EVERY = (EVIL, LOOPBACK, NAMED)
"""A site of the internet; another port of 127.0.0.1, where the chat page lives; the same by the name `localhost`."""


@dataclass(frozen=True)
class Attack:
    """`script` is the body of an async function."""

    name: str
    script: str
    origins: tuple[str, ...] = (EVIL,)


def _post(options: str) -> str:
    return f"return read(W, {{ method: 'POST', {options} }});"


CROSS = (
    Attack("read by fetch", "return read(W);", EVERY),
    Attack("read with credentials", "return read(W, { credentials: 'include' });", EVERY),
    Attack("read with a bearer that leaked", "return read(t.admin + '/api/session', { headers: hand });", EVERY),
    Attack("read the node with a key that leaked",
           "return read(t.admin + '/node', { headers: { Authorization: `Bearer ${t.key}` } });", EVERY),
    Attack("read without CORS", "return read(W, { mode: 'no-cors' });", EVERY),
    Attack("read as if of the same origin", "return read(W, { mode: 'same-origin' });"),
    Attack("read the figures", "return read(t.admin + '/metrics');"),
    Attack("read the console's document", "return read(t.admin + '/');", EVERY),
    Attack("post JSON", _post("headers: { 'Content-Type': 'application/json' }, body: '{}'"), EVERY),
    Attack("post text that is JSON", _post("mode: 'no-cors', headers: { 'Content-Type': 'text/plain' }, body: '{}'"), EVERY),
    Attack("post nothing", _post("mode: 'no-cors'"), EVERY),
    Attack("post a form by fetch", _post("mode: 'no-cors', body: new URLSearchParams({ a: 1 })")),
    Attack("post with a referrer left out", _post("mode: 'no-cors', referrerPolicy: 'no-referrer', body: 'x'")),
    Attack("post that outlives the page", _post("mode: 'no-cors', keepalive: true, body: 'x'")),
    Attack("post a stream of bytes", _post("mode: 'no-cors', body: new Blob(['x'])")),
    Attack("post with a bearer that leaked", _post("headers: hand, body: '{}'"), EVERY),
    Attack("post with an Origin of its own making", _post("headers: { Origin: t.admin, Host: 'x' }, mode: 'no-cors'")),
    Attack("another method", "for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS']) { const r = await read(W, { method });"
           " if (r) return r; } return null;"),
    Attack("a method named in a header", _post("headers: { 'X-HTTP-Method-Override': 'POST' }")),
    Attack("XMLHttpRequest", "return within(1500, new Promise(end => { const x = new XMLHttpRequest(); x.open('POST', W);"
           " x.withCredentials = true; x.onload = () => end(x.responseText); x.onerror = () => end(null); x.send('{}'); }));"),
    Attack("a beacon", "navigator.sendBeacon(W, 'x'); await read(t.attacker + '/after'); return null;", EVERY),
    Attack("a beacon of a form", "navigator.sendBeacon(W, new FormData()); return null;"),
    Attack("a form", "return sent('application/x-www-form-urlencoded', { a: '1' }, W);", EVERY),
    Attack("a form of text that is JSON", "return sent('text/plain', { '{\"a\":\"': '\"}' }, W);", EVERY),
    Attack("a form of several parts", "return sent('multipart/form-data', { a: '1' }, W);"),
    Attack("a form to pairing", "return sent('text/plain', { '{\"secret\":\"': '\"}' }, t.admin + '/api/pair');"),
    Attack("a link that pings", "const a = Object.assign(document.createElement('a'), { href: '#', ping: W });"
           " document.body.append(a); a.click(); await read(t.attacker + '/after'); return null;"),
    Attack("an image", "return await put('img', { src: W + '?i' }) ? 'shown' : null;"),
    Attack("a script", "return await put('script', { src: W + '?s' }) ? 'run' : null;"),
    Attack("a module", "try { return Object.keys(await import(W)); } catch { return null; }"),
    Attack("a stylesheet", "return await put('link', { rel: 'stylesheet', href: W + '?c' }) ? 'read' : null;"),
    Attack("a font", "try { await new FontFace('x', `url(${W})`).load(); return 'read'; } catch { return null; }"),
    Attack("a film", "return await put('video', { src: W }, 'loadeddata') ? 'shown' : null;"),
    Attack("fetched beforehand", "await put('link', { rel: 'prefetch', href: W + '?p' }); return null;"),
    Attack("loaded beforehand", "await put('link', { rel: 'preload', as: 'fetch', href: W + '?q' }); return null;"),
    Attack("the console in a frame", "const e = await put('iframe', { src: t.admin + '/' }); try { return"
           " e.contentDocument.body.innerHTML || null; } catch { return null; }", EVERY),
    Attack("the console in an object", "const e = await put('object', { data: t.admin + '/' }); return"
           " e && e.contentDocument ? e.contentDocument.body.innerHTML || null : null;"),
    Attack("the console in a window", "const w = open(t.admin + '/'); await read(t.attacker + '/after'); try { return"
           " w.document.body.innerHTML || w.location.hash || null; } catch { return null; } finally { w?.close(); }", EVERY),
    Attack("words to a window", "const w = open(t.admin + '/'); const heard = within(400, new Promise(end =>"
           " addEventListener('message', e => end(e.data)))); w?.postMessage({ give: 'bearer' }, '*'); const r = await heard;"
           " w?.close(); return r;"),
    Attack("a WebSocket", "return socket(`ws://127.0.0.1:${t.port}/witness`);", EVERY),
    Attack("a WebSocket with a protocol", "try { return await within(800, new Promise(end => { const s = new"
           " WebSocket(`ws://127.0.0.1:${t.port}/node`, ['bearer', 'x']); s.onopen = () => end('open'); s.onclose = () =>"
           " end(null); })); } catch { return null; }"),
    Attack("a stream of events", "return within(1500, new Promise(end => { const s = new EventSource(W); s.onmessage = e =>"
           " end(e.data); s.onopen = () => end('open'); s.onerror = () => { s.close(); end(null); }; }));", EVERY),
    Attack("a redirect that keeps the method", "return read(t.attacker + '/307?' + W, { method: 'POST', body: 'x' });", EVERY),
    Attack("a redirect without CORS", "return read(t.attacker + '/307?' + W, { method: 'POST', mode: 'no-cors' });", EVERY),
    Attack("a form that is redirected", "return sent('text/plain', { a: '1' }, t.attacker + '/307?' + W);", EVERY),
    Attack("an image that is redirected", "return await put('img', { src: t.attacker + '/302?' + W }) ? 'shown' : null;"),
    Attack("a frame without an origin", "return inside(code => ({ sandbox: 'allow-scripts', srcdoc: code }), `r = await (await"
           " fetch('${W}', { method: 'POST', mode: 'no-cors', body: 'x' })).text() || null;`);", EVERY),
    Attack("a frame without an origin, with a bearer", "return inside(code => ({ sandbox: 'allow-scripts', srcdoc: code }), `r ="
           " await (await fetch('${t.admin}/api/session', { headers: { Authorization: 'Bearer ${t.bearer}' } })).text();`);"),
    Attack("a document out of data", "return inside(code => ({ src: 'data:text/html,' + encodeURIComponent(code) }), `r = await"
           " (await fetch('${W}', { method: 'POST', body: 'x' })).text();`);"),
    Attack("a worker of its own", "const code = `fetch('${W}', { method: 'POST', mode: 'no-cors', body: 'x' }).then(r =>"
           " r.text()).then(x => postMessage(x || null), () => postMessage(null))`; const w = new"
           " Worker(URL.createObjectURL(new Blob([code]))); return within(1500, new Promise(end => { w.onmessage = e =>"
           " end(e.data); w.onerror = () => end(null); }));"),
    Attack("a worker of the console's", "try { new Worker(W); return 'begun'; } catch { return null; }"),
    Attack("a service worker for the console", "try { await navigator.serviceWorker.register(t.admin + '/sw.js', { scope:"
           " t.admin + '/' }); return 'begun'; } catch { return null; }", EVERY),
    Attack("cookies", "document.cookie = 'bearer=x'; return read(W, { credentials: 'include' });", (NAMED, LOOPBACK)),
)  # fmt: skip
REBINDING = (
    Attack("read", "return read('/api/session', { headers: hand });"),
    Attack("the witness", "return read('/witness');"),
    Attack("post", "return read('/witness', { method: 'POST', body: '{}' });"),
    Attack("the node with its key", "return read('/node', { headers: { Authorization: `Bearer ${t.key}` } });"),
    Attack("pairing", "return read('/api/pair', { method: 'POST', body: JSON.stringify({ secret: t.secret }) });"),
    Attack("a WebSocket", "return socket(`ws://${location.host}/witness`);"),
    Attack("a service worker", "try { await navigator.serviceWorker.register('/witness'); return 'begun'; } catch { return null; }"),
)  # fmt: skip
"""From a page whose name leads to this machine since, so that the browser takes it for the same origin."""
HOSTS = ("rebound.example", "127.0.0.1.rebound.example", "localhost.rebound.example")
