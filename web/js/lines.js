// The quiet lines under the header: what is true of the whole page. They stand in index.html, hidden; they need no Python.

const line = (name) => document.getElementById(`line-${name}`);

export const show = (name) => {
  line(name).hidden = false;
};

export const hide = (name) => {
  line(name).hidden = true;
};

/** `does`: {name: what a button with data-line="name" does}. "hide" closes the button's line. */
export const listen = (does) => {
  document.getElementById("lines").addEventListener("click", ({ target }) => {
    const button = target.closest("[data-line]");
    if (!button) return;
    if (button.dataset.line === "hide") button.closest("[id^=line-]").hidden = true;
    else does[button.dataset.line]?.(button);
  });
};
