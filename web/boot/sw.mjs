// The service worker: the page opens without a network, each version of it whole (keep.mjs). The build fills in its id and its files.
import { keeper } from "./keep.mjs";

const { build, files, later } = __KEPT__;
const base = self.registration.scope;
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const digest = async (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))));
const kept = keeper({ caches, fetch: (...asked) => fetch(...asked), wait, digest, base, build, files, later });

self.addEventListener("install", (event) => event.waitUntil(kept.install()));
// The first version takes the page that brought it; a later one waits until it is asked for, or until all tabs are closed.
self.addEventListener("activate", (event) => event.waitUntil(kept.activate().then(() => self.clients.claim())));
self.addEventListener("message", ({ data }) => data === "take over" && self.skipWaiting());
self.addEventListener("fetch", (event) => {
  const answer = kept.answer(event.request);
  if (answer) event.respondWith(answer);
});
