// First script of the page. Under `require-trusted-types-for 'script'` this policy is asked before any text becomes code. PyScript
// makes one function from text, at its start (main-thread hooks; docs/decisions); it is let through by comparing the whole text.
// Everything else, markup included, is refused. web/build fills in the text and fails when a new PyScript brings another.
// The one script that is named by its address is the page's own service worker.
if (globalThis.trustedTypes) {
  const CODE = __CODE__;
  const WORKER = new URL("sw.js", document.baseURI).href;
  trustedTypes.createPolicy("default", {
    // Firefox leaves out the outer parentheses.
    createScript: (text) => (text === CODE || `(${text})` === CODE ? text : null),
    createScriptURL: (url) => (url === WORKER ? url : null),
  });
}
