// One holder for each name among all tabs, by Web Locks. A lock ends with its tab.

const held = new Map();

/** True where this tab holds the lock now. */
export const take = (name) =>
  new Promise((answer) => {
    if (held.has(name)) return answer(true);
    navigator.locks.request(name, { ifAvailable: true }, (lock) => {
      answer(Boolean(lock));
      return lock ? new Promise((release) => held.set(name, release)) : undefined;
    });
  });

export const release = (name) => {
  held.get(name)?.();
  held.delete(name);
};
