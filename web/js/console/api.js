// The console's way to its node. The bearer stays in this module: no storage, no cookie, no other script and no Python has it, and a
// reload forgets it.

let bearer = "";

const headers = () => (bearer ? { Authorization: `Bearer ${bearer}` } : {});
const OPTIONS = { cache: "no-store", credentials: "omit", redirect: "error", referrerPolicy: "no-referrer" };

const ask = (method, path, body) =>
  fetch(path, {
    ...OPTIONS,
    method,
    headers: body === null ? headers() : { ...headers(), "Content-Type": "application/json" },
    body: body === null ? undefined : body,
  });

/** JSON text {"status": …, "body": …}; status 0 where the node does not answer. `body` is JSON text, or null for a GET. */
export const call = async (method, path, body) => {
  try {
    const answer = await ask(method, path, body);
    return JSON.stringify({ status: answer.status, body: await answer.json() });
  } catch {
    return JSON.stringify({ status: 0, body: {} });
  }
};

/** Hands a file of the node to the person; false where there is none. */
export const download = async (path, name) => {
  try {
    const answer = await ask("GET", path, null);
    if (!answer.ok) return false;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    return true;
  } catch {
    return false;
  }
};

/** Where the address leads besides; empty where it says nothing. */
export const go = new URLSearchParams(location.hash.slice(1)).get("go") ?? "";

// The secret is taken out of the address before anything else is done, and exchanged at once: it is good for a minute.
const pair = async () => {
  const secret = new URLSearchParams(location.hash.slice(1)).get("pair");
  if (!secret) return JSON.stringify({ status: 401, body: { error: "NOT_PAIRED" } });
  history.replaceState(null, "", location.pathname);
  const said = JSON.parse(await call("POST", "api/pair", JSON.stringify({ secret })));
  bearer = said.body.bearer ?? "";
  delete said.body.bearer;
  return JSON.stringify(said);
};

/** Resolves once it is known whether this console is paired, as `call` does. */
export const paired = pair();
