// The service worker from the page's side: it is registered when the page is up, a new version is announced, and nobody is moved to it
// unasked.

import * as lines from "./lines.js";

const root = document.documentElement;
const SCRIPT = new URL("sw.js", document.baseURI).href;
const AT_LATEST = 20_000; // ms: a version that does not start must still be able to get its successor
const CHECK = 60 * 60 * 1000; // ms

const up = () =>
  new Promise((done) => {
    const idle = () => (globalThis.requestIdleCallback ?? setTimeout)(done, { timeout: 5000 });
    if (root.dataset.ready) return idle();
    const watch = new MutationObserver(() => root.dataset.ready && (watch.disconnect(), idle()));
    watch.observe(root, { attributeFilter: ["data-ready"] });
    setTimeout(done, AT_LATEST);
  });

/** A host that has no page any more: then the next visit is to see what it has instead. */
const gone = async (registration) => {
  const answer = await fetch(SCRIPT, { cache: "no-store" }).catch(() => null);
  if (answer && (answer.status === 404 || answer.status === 410)) await registration.unregister();
};

/** `leave()` keeps the draft and loads the page again. Returns what the line's button does. */
export const versions = (leave) => {
  const { serviceWorker } = navigator;
  let registration = null;
  let asked = false;
  let served = Boolean(serviceWorker?.controller);

  const announce = (worker) => {
    if (worker?.state === "installed" && served) lines.show("update");
  };
  const follow = (worker) => {
    announce(worker);
    worker?.addEventListener("statechange", () => announce(worker));
  };
  const start = async () => {
    await up();
    registration = await serviceWorker.register(SCRIPT, { scope: "./", updateViaCache: "none" });
    if (!registration) return;
    registration.addEventListener("updatefound", () => follow(registration.installing));
    // One may be on its way already: the browser looks for it when the page is opened.
    follow(registration.waiting);
    follow(registration.installing);
    let checked = Date.now();
    document.addEventListener("visibilitychange", () => {
      if (document.hidden || Date.now() - checked < CHECK) return;
      checked = Date.now();
      registration.update().catch(() => gone(registration));
    });
    registration.update().catch(() => gone(registration));
    if (matchMedia("(display-mode: standalone)").matches) navigator.storage?.persist?.();
  };

  if (serviceWorker && isSecureContext) {
    serviceWorker.addEventListener("controllerchange", () => {
      if (asked) leave();
      else if (served) lines.show("update"); // Another tab asked for it.
      served = true;
    });
    start().catch((fault) => console.warn("Without a network this page will not open:", fault));
  }

  return () => {
    asked = true;
    const waiting = registration?.waiting;
    if (waiting) waiting.postMessage("take over");
    else leave();
  };
};
