// Drives web/boot/keep.mjs over caches and a host in memory. Standard input: {steps: [[name, ...arguments], ...]}; output: what each gave.
//   host {path: text}      what the host has; {path: 503} an answer with a status; null: no host at all
//   version build files    a worker of this build: files {path: text}, later {path: text}
//   plant build path text  somebody else wrote this into a cache of that build
//   install | activate     the worker's life; "done", or the fault
//   get path [mode]        what it answers: [status, text, kept?], null where it keeps out, or the fault
//   caches                 {name of a cache: its paths}
//   asked                  the paths that the host was asked for since the last time
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { KEPT, keeper } from "../../web/boot/keep.mjs";

const BASE = "https://host.example/some/where/";
const sha = (text) => createHash("sha256").update(text).digest("base64");
const hashes = (files) => Object.fromEntries(Object.entries(files).map(([path, text]) => [path, sha(text)]));

class MemoryCache {
  held = new Map();
  match = async (url) => this.held.get(String(url))?.clone();
  put = async (url, answer) => void this.held.set(String(url), answer);
  delete = async (url) => this.held.delete(String(url));
  keys = async () => [...this.held.keys()].map((url) => ({ url }));
}
const store = new Map();
const caches = {
  open: async (name) => store.get(name) ?? (store.set(name, new MemoryCache()), store.get(name)),
  keys: async () => [...store.keys()],
  delete: async (name) => store.delete(name),
};

let host = {};
let asked = [];
const fetch = async (request, { integrity } = {}) => {
  const path = String(request.url ?? request).slice(BASE.length) || "./";
  asked.push(path);
  if (host === null) throw new TypeError("no network");
  if (host[path] === "never") return new Promise(() => {});
  if (typeof host[path] === "number") return new Response("", { status: host[path] });
  if (!(path in host)) return new Response("", { status: 404 });
  if (integrity && integrity !== `sha256-${sha(host[path])}`) throw new TypeError("another file");
  return new Response(host[path]);
};
let worker;
const said = async (work) => {
  try {
    return (await work) ?? "done";
  } catch (fault) {
    return `fault: ${fault.message}`;
  }
};
const does = {
  host: (has) => void (host = has),
  version: (build, files, later = {}) => {
    const wait = () => new Promise((done) => setImmediate(done));
    const digest = async (bytes) => sha(Buffer.from(bytes));
    worker = keeper({ caches, fetch, wait, digest, base: BASE, build, files: hashes(files), later: hashes(later) });
  },
  plant: async (build, path, text) =>
    (await caches.open(`tallystick ${BASE} ${build}`)).put(new URL(path, BASE).href, new Response(text)),
  install: () => said(worker.install()),
  activate: () => said(worker.activate()),
  get: (path, mode = "cors", method = "GET") => {
    const answer = worker.answer({ url: new URL(path, BASE).href, mode, method });
    if (answer === null) return null;
    return said(
      answer.then(async (got) => [got.status, got.headers.get("location") ?? (await got.text()), got.headers.has(KEPT)]),
    );
  },
  caches: () =>
    Object.fromEntries(
      [...store].map(([name, cache]) => [name.slice(`tallystick ${BASE} `.length), [...cache.held.keys()].map((url) => url.slice(BASE.length))]),
    ),
  asked: () => asked.splice(0),
};
const gave = [];
for (const [name, ...values] of JSON.parse(readFileSync(0, "utf8")).steps) gave.push((await does[name](...values)) ?? null);
console.log(JSON.stringify(gave));
