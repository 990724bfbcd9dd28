// Before the first paint: the theme that was chosen here, else the one of the device; whether the list of chats is open.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("theme");
  } catch {
    // Storage may be switched off; the device's own theme is then used.
  }
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  try {
    document.documentElement.dataset.side = localStorage.getItem("side") ?? "open";
  } catch {
    document.documentElement.dataset.side = "open";
  }
})();

// A question that is sent before the shell's script is here would be lost, or reload the page: the shell sends it then.
(() => {
  const root = document.documentElement;
  const wait = (event) => {
    if (root.dataset.shell) return;
    event.preventDefault();
    root.dataset.early = "sent";
  };
  document.addEventListener("submit", wait);
  document.addEventListener("keydown", (event) => {
    const finger = matchMedia("(pointer: coarse)").matches; // then Enter is a new line
    if (event.target.id !== "draft" || event.key !== "Enter" || event.shiftKey || event.isComposing || finger) return;
    wait(event);
  });
})();
