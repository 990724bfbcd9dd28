// Wallet discovery by EIP-6963, before Python is there. Values cross to Python as JSON text, so no proxy has to be freed.

const LEGACY = "window.ethereum";
const found = new Map(); // id (rdns, else uuid) -> { info, provider }
const watchers = new Set();

const tell = () => watchers.forEach((watcher) => watcher());

const safeIcon = (icon) => (typeof icon === "string" && icon.startsWith("data:image/") ? icon : "");

addEventListener("eip6963:announceProvider", (event) => {
  const { info, provider } = event.detail ?? {};
  if (!info || typeof provider?.request !== "function") return;
  const id = String(info.rdns || info.uuid);
  if (found.has(id)) return;
  found.delete(LEGACY);
  found.set(id, { info: { id, name: String(info.name || id), icon: safeIcon(info.icon) }, provider });
  tell();
});

export const search = () => dispatchEvent(new Event("eip6963:requestProvider"));

/** Every wallet found so far, as JSON: [{id, name, icon}]. An old wallet that announces nothing is found by window.ethereum. */
export const list = () => {
  if (!found.size && typeof globalThis.ethereum?.request === "function") {
    found.set(LEGACY, { info: { id: LEGACY, name: "Browser wallet", icon: "" }, provider: globalThis.ethereum });
  }
  return JSON.stringify([...found.values()].map(({ info }) => info));
};

/** Calls `watcher()` whenever the list grows. */
export const watch = (watcher) => watchers.add(watcher);

/** EIP-1193 request. Always resolves to JSON: {"result": …} or {"error": {code, message, data}}. */
export const request = async (id, method, params) => {
  const wallet = found.get(id);
  if (!wallet) return JSON.stringify({ error: { code: 4900, message: "wallet not found" } });
  try {
    const result = await wallet.provider.request({ method, params: JSON.parse(params) });
    return JSON.stringify({ result: result ?? null });
  } catch (fault) {
    const error = { code: Number(fault?.code ?? fault?.data?.originalError?.code ?? -32603), message: String(fault?.message ?? fault) };
    if (fault?.data !== undefined) error.data = String(fault.data?.data ?? fault.data?.message ?? fault.data);
    return JSON.stringify({ error });
  }
};

/** EIP-1193 events of one wallet: heard(name, JSON of the value) for accountsChanged, chainChanged and disconnect. */
export const listen = (id, heard) => {
  const provider = found.get(id)?.provider;
  for (const name of ["accountsChanged", "chainChanged", "disconnect"]) {
    provider?.on?.(name, (value) => heard(name, JSON.stringify(value ?? null)));
  }
};

search();
