// What the service worker keeps, and what it answers from it. No global is used here but `Request`, `Response` and `URL`, so that it also
// runs in node.
//
// One cache for each version of the page, named by its build. It is filled whole before the version serves anybody: every file is
// checked against the hash that the build wrote into the worker, and one that is missing or different fails the installation; the version
// before goes on. What lies in a cache already is checked like what the host sends, for other pages of the same origin can write there; a
// file under a/ is taken from an earlier version's cache where it is there.
// What the page's host makes from settings (tallystick.json, the demo's wallet) is asked for anew every time; what it answered last counts
// while it does not answer.

const WHOLE = "whole"; // a mark in a cache that has everything
const AT_ONCE = 6; // requests
const PATIENCE = 3000; // ms for an answer from the host, while there is an earlier one
export const KEPT = "tallystick-kept"; // header of an answer that is an earlier one

/** `base`: where the page lies, a URL that ends with "/". `files`: {path: base64 SHA-256} of what a version consists of; `later`: the same
 *  for what is kept once it was asked for. `wait(ms)` resolves to undefined, `digest(bytes)` to their base64 SHA-256. */
export const keeper = ({ caches, fetch, wait, digest, base, build, files, later = {} }) => {
  const prefix = `tallystick ${base} `; // one origin may have several copies of the page
  const own = prefix + build;
  const answers = `${prefix}site`;
  const at = (path) => new URL(path, base).href;
  const hashed = (path) => path.startsWith("a/");

  const names = async () => (await caches.keys()).filter((name) => name.startsWith(prefix) && name !== answers);
  const isWhole = async (name) => Boolean(await (await caches.open(name)).match(at(WHOLE)));
  const find = async (url) => {
    for (const name of await names()) {
      const kept = await (await caches.open(name)).match(url, { ignoreVary: true });
      if (kept) return kept;
    }
    return undefined;
  };

  /** A file from the host, as the build made it. Throws where it cannot be had or is another. */
  const fetched = async (path, hash) => {
    const ask = (cache) => fetch(at(path), { cache, integrity: `sha256-${hash}`, credentials: "same-origin" });
    const answer = await ask(hashed(path) ? "force-cache" : "no-cache").catch(() => ask("reload"));
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    // An answer that came by a redirect is refused for navigations.
    return answer.redirected ? new Response(answer.body, { headers: answer.headers }) : answer;
  };

  const isRight = async (kept, hash) => Boolean(kept) && (await digest(await kept.clone().arrayBuffer())) === hash;

  /** Everything of this version and nothing else, or an exception. What an installation that was cut off had is not fetched again. */
  const install = async () => {
    const cache = await caches.open(own);
    const known = new Set(Object.keys(files).map(at));
    for (const { url } of await cache.keys()) if (!known.has(url)) await cache.delete(url);
    const wanted = Object.entries(files);
    const take = async () => {
      for (let next = wanted.shift(); next; next = wanted.shift()) {
        const [path, hash] = next;
        if (await isRight(await cache.match(at(path)), hash)) continue;
        const kept = hashed(path) ? await find(at(path)) : undefined;
        await cache.put(at(path), (await isRight(kept, hash)) ? kept : await fetched(path, hash));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, take));
    await cache.put(at(WHOLE), new Response(build));
  };

  /** This version serves from now on. Of those before, the last whole one stays: a tab that still shows it may need a file. */
  const activate = async () => {
    const all = await names();
    const before = all.slice(0, all.indexOf(own)).reverse();
    let spared = "";
    for (const name of before) {
      if (!spared && (await isWhole(name))) spared = name;
      else await caches.delete(name);
    }
  };

  const file = async (path, hash) => {
    const cache = await caches.open(own);
    const kept = await cache.match(at(path), { ignoreVary: true });
    if (kept) return kept;
    if (!(path in later)) return fetch(at(path));
    const fresh = await fetched(path, hash);
    await cache.put(at(path), fresh.clone());
    return fresh;
  };

  const older = async (url) => (await find(url)) ?? fetch(url);

  const marked = (kept) => {
    const headers = new Headers(kept.headers);
    headers.set(KEPT, "1");
    return new Response(kept.body, { status: kept.status, headers });
  };

  /** What the host answers now; its last answer where it gives none. A host that says that there is nothing is believed. */
  const site = async (url) => {
    const cache = await caches.open(answers);
    const kept = await cache.match(url, { ignoreVary: true });
    const fresh = fetch(url, { cache: "no-store", credentials: "same-origin" }).then(async (answer) => {
      if (answer.ok) await cache.put(url, answer.clone());
      else if (answer.status < 500) await cache.delete(url);
      else if (kept) throw new Error(`${url}: ${answer.status}`);
      return answer;
    });
    if (!kept) return fresh;
    const inTime = await Promise.race([fresh, wait(PATIENCE)]).catch(() => undefined);
    fresh.catch(() => {});
    return inTime ?? marked(kept);
  };

  const away = async (request) => {
    try {
      return await fetch(request);
    } catch {
      return Response.redirect(base, 302); // The page's own links are relative: it works at its own address only.
    }
  };

  /** The answer to a request, as a promise; null where the browser should go on by itself. */
  const answer = (request) => {
    const url = new URL(request.url);
    url.hash = url.search = "";
    if (request.method !== "GET" || !url.href.startsWith(base)) return null;
    const path = url.href.slice(base.length);
    if (path === "tallystick.json" || path.startsWith("demo/")) return site(url.href);
    if (request.mode === "navigate") return path === "" || path === "index.html" ? file("./", files["./"]) : away(request);
    if (path in files || path in later) return file(path, files[path] ?? later[path]);
    return hashed(path) ? older(url.href) : null;
  };

  return { install, activate, answer };
};
