// Small secrets that outlive a reload: IndexedDB, each value sealed by a WebCrypto key that no script can read out.

const opened = new Promise((resolve, reject) => {
  const request = indexedDB.open("tallystick", 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore("keys");
    request.result.createObjectStore("values");
  };
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});
opened.catch(() => {}); // Said where it is used.

/** Runs `work(store)` in one transaction; resolves to its request's result once the transaction is on disk. */
const transact = async (name, mode, work) => {
  const database = await opened;
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(name, mode, { durability: "strict" });
    const request = work(transaction.objectStore(name));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
};

let sealing = null;
const key = () => (sealing ??= findKey());
const findKey = async () => {
  const kept = await transact("keys", "readonly", (store) => store.get("vault"));
  if (kept) return kept;
  const made = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  try {
    await transact("keys", "readwrite", (store) => store.add(made, "vault"));
    return made;
  } catch {
    return transact("keys", "readonly", (store) => store.get("vault")); // Another tab was first.
  }
};

const bound = (name, iv) => ({ name: "AES-GCM", iv, additionalData: new TextEncoder().encode(name) });

/** The value's bytes, or null. Throws where it cannot be decrypted. */
export const get = async (name) => {
  const sealed = await transact("values", "readonly", (store) => store.get(name));
  if (!sealed) return null;
  return new Uint8Array(await crypto.subtle.decrypt(bound(name, sealed.iv), await key(), sealed.data));
};

const seal = async (name, value) => {
  const iv = crypto.getRandomValues(new Uint8Array(12));
  return { iv, data: await crypto.subtle.encrypt(bound(name, iv), await key(), value) };
};

/** Resolves once the value is on disk. */
export const put = async (name, value) => {
  const sealed = await seal(name, value);
  await transact("values", "readwrite", (store) => store.put(sealed, name));
};

export const remove = (name) => transact("values", "readwrite", (store) => store.delete(name));

/** Every value whose name begins with `prefix`: {names, values_}. Those that cannot be decrypted are left out. */
export const scan = async (prefix) => {
  const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
  const names = [];
  const sealed = [];
  await transact("values", "readonly", (store) => {
    store.getAllKeys(range).onsuccess = ({ target }) => names.push(...target.result);
    const request = store.getAll(range);
    request.onsuccess = () => sealed.push(...request.result);
    return request;
  });
  const with_ = await key();
  const open = ({ iv, data }, place) =>
    crypto.subtle.decrypt(bound(names[place], iv), with_, data).then(
      (value) => new Uint8Array(value),
      () => null,
    );
  const values = await Promise.all(sealed.map(open));
  return { names: names.filter((_, place) => values[place]), values_: values.filter(Boolean) };
};

/** Puts and deletes in one transaction: after a crash all of it happened, or nothing. */
export const write = async (names, values, gone) => {
  const sealed = await Promise.all(names.map((name, place) => seal(name, values[place])));
  await transact("values", "readwrite", (store) => {
    for (const name of gone) store.delete(name);
    names.forEach((name, place) => store.put(sealed[place], name));
    return {};
  });
  written(names);
};

let written = () => {};
/** `told(names)` after each `write`, once it is on disk. */
export const watch = (told) => {
  written = told;
};
