// What is being typed outlives its page: sealed in the vault, a record for each tab. A tab that was closed leaves its record to the next
// one that is opened.

import * as vault from "./vault.js";

const PREFIX = "draft/";
const PAUSE = 250; // ms between two writings while somebody types
const HELD = "tallystick-draft-"; // a lock, as long as the tab lives
const LEFT = "left"; // in the session: what could not be sealed any more as the page was left

const session = {
  get: (name) => {
    try {
      return sessionStorage.getItem(name);
    } catch {
      return null;
    }
  },
  set: (name, value) => {
    try {
      if (value === null) sessionStorage.removeItem(name);
      else sessionStorage.setItem(name, value);
    } catch {
      // The draft then lives as long as the page.
    }
  },
};

const hold = (id) =>
  new Promise((answer) => {
    navigator.locks.request(HELD + id, { ifAvailable: true }, (lock) => {
      answer(Boolean(lock));
      return lock ? new Promise(() => {}) : undefined;
    });
  });

/** This tab's name. A tab that was doubled brings the other's along, and takes one of its own. */
const own = async () => {
  const had = session.get("tab");
  if (had && (await hold(had))) return had;
  const made = crypto.randomUUID();
  await hold(made);
  session.set("tab", made);
  return made;
};

const read = (bytes) => JSON.parse(new TextDecoder().decode(bytes));

/** The newest record whose tab is gone: [its name, what it says]. */
const orphan = async () => {
  const { held } = await navigator.locks.query();
  const alive = new Set(held.map(({ name }) => PREFIX + name.slice(HELD.length)));
  const { names, values_ } = await vault.scan(PREFIX);
  const found = names.map((name, place) => [name, read(values_[place])]).filter(([name]) => !alive.has(name));
  return found.sort(([, one], [, other]) => other.at - one.at)[0];
};

let id = null;
let now = { text: "", unsent: [] };
let written = JSON.stringify(now);
let writing = Promise.resolve();
let timer = 0;

const write = async () => {
  const said = JSON.stringify(now);
  if (id === null || said === written) return;
  if (now.text || now.unsent.length) {
    await vault.put(PREFIX + id, new TextEncoder().encode(JSON.stringify({ ...now, at: Date.now() })));
  } else await vault.remove(PREFIX + id);
  written = said;
};

/** Resolves once everything is on disk that was said until now. */
export const settled = () => {
  clearTimeout(timer);
  timer = 0;
  writing = writing.then(write).catch(() => {}); // A browser without storage has none of this.
  return writing;
};

const soon = () => {
  timer ||= setTimeout(settled, PAUSE);
};

/** The text in the question box. */
export const keep = (text) => {
  now.text = text;
  soon();
};

/** A question that was sent: kept until `kept` tells that it is in its chat. */
export const sent = (text) => {
  now.unsent.push(text);
  soon();
};

export const kept = () => {
  if (!now.unsent.length) return;
  now.unsent = [];
  soon();
};

/** What the page before this one left in its question box. Questions that it could not send any more are put there too: sending them costs
 *  money, so that is for the person to say. */
export const open = async () => {
  const left = session.get(LEFT);
  session.set(LEFT, null);
  let found = left ? JSON.parse(left) : null;
  try {
    id = await own();
    const record = await vault.get(PREFIX + id);
    found ??= record ? read(record) : null;
    if (!found) {
      const [name, said] = (await orphan()) ?? [];
      if (name) {
        found = said;
        await vault.remove(name);
      }
    }
  } catch {
    // No storage, or a key that is gone: then there is no draft.
  }
  return found ? [...found.unsent, found.text].filter(Boolean).join("\n\n") : "";
};

addEventListener("pagehide", () => {
  const said = JSON.stringify(now);
  if (said !== written) session.set(LEFT, said); // Taken out of the session again as soon as the next page is here.
  settled();
});
document.addEventListener("visibilitychange", () => document.hidden && settled());
