// Around the conversation: small menus, forms that views made, files, the clipboard, keys. Says what happened; Python does the rest.

/** `say(name, argument)` tells Python; `ready()` is true once Python listens. */
export const desk = ({ settings, say, ready, running, ask, thread, draft }) => {
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;

  // Forms that views made: one field called "value"
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.dataset.submit || form.closest("#sheet")) return;
    event.preventDefault();
    say(form.dataset.submit, form.elements.value.value);
  });
  document.addEventListener("focusout", (event) => {
    const form = event.target.closest?.(".renamer");
    if (form) say(form.dataset.submit, form.elements.value.value);
  });

  // Small menus close by a click elsewhere
  document.addEventListener("pointerdown", ({ target }) => {
    if (document.querySelector(".menu") && !target.closest(".holds-menu")) say("close-menu");
  });

  // The list of chats: beside the conversation where there is room, above it where there is none
  const remember = (open) => {
    root.dataset.side = open ? "open" : "closed";
    try {
      localStorage.setItem("side", root.dataset.side);
    } catch {
      // Not kept, then.
    }
  };
  const wide = matchMedia("(min-width: 64rem)");
  const toggleSide = () => {
    if (wide.matches) remember(root.dataset.side === "closed");
    else root.toggleAttribute("data-drawer");
    tellSide();
  };
  const closeDrawer = () => {
    if (!root.hasAttribute("data-drawer")) return false;
    root.removeAttribute("data-drawer");
    tellSide();
    $("side-toggle").focus();
    return true;
  };
  const tellSide = () => {
    const open = wide.matches ? root.dataset.side !== "closed" : root.hasAttribute("data-drawer");
    $("side-toggle").setAttribute("aria-expanded", String(open));
    $("side").inert = !open;
  };
  $("side-toggle").addEventListener("click", toggleSide);
  $("side-shade").addEventListener("click", closeDrawer);
  $("side").addEventListener("click", ({ target }) => {
    if (target.closest("[data-do=open-chat], [data-do=open-hit], [data-do=new-chat]")) closeDrawer();
  });
  wide.addEventListener("change", tellSide);
  tellSide();

  // Keys
  const typing = (element) => element.matches?.("input, textarea, select, [contenteditable]");
  const inMenu = (event) => {
    const items = [...document.querySelectorAll(".menu [role=menuitem]:not([aria-disabled=true])")];
    const at = items.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!items.length || !step) return false;
    items[(at + step + items.length) % items.length].focus();
    return true;
  };
  const escape = () => {
    if ($("sheet").open) return false; // The dialog has its own.
    if (document.querySelector(".menu")) return say("close-menu"), true;
    if (document.querySelector(".editor, .renamer")) return say("cancel-edit"), true;
    if (closeDrawer()) return true;
    if (running()) return say("stop"), true;
    return false;
  };
  const CHORDS = {
    k: "open-palette",
    "/": "open-keys",
  };
  const SHIFTED = { o: "new-chat", c: "copy-last", s: "side-toggle", f: "search" };
  const chord = (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return false;
    const key = event.key.toLowerCase();
    const name = event.shiftKey ? SHIFTED[key] : CHORDS[key];
    if (!name) return false;
    if (name === "side-toggle") toggleSide();
    else if (name === "search") search();
    else say(name);
    return true;
  };
  const search = () => {
    if ($("side").inert) toggleSide();
    $("query")?.focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (chord(event) || inMenu(event) || (event.key === "Escape" && escape())) event.preventDefault();
    else if (event.key === "ArrowUp" && event.target === draft && !draft.value) {
      event.preventDefault();
      say("edit-last");
    } else if (event.key === "Enter" && event.target.id === "edit" && !event.shiftKey && !matchMedia("(pointer: coarse)").matches) {
      event.preventDefault();
      event.target.form.requestSubmit();
    } else if (event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey && !typing(event.target) && event.key !== " " && !$("sheet").open) {
      draft.focus(); // Typing anywhere types a question.
    }
  });

  // The palette's list is walked without leaving its field
  $("sheet").addEventListener("keydown", (event) => {
    if (event.target.id !== "palette") return;
    const step = { ArrowDown: "1", ArrowUp: "-1" }[event.key];
    if (step) {
      event.preventDefault();
      say("palette-step", step);
    }
  });

  // Files: picked, dropped or pasted; text only
  const MOST = 512 * 1024;
  const read = async (files, name, most = MOST) => {
    for (const file of files) {
      if (file.type.startsWith("image/")) say("refused-file", `picture ${file.name}`);
      else if (file.size > most) say("refused-file", `large ${file.name}`);
      else {
        const text = new TextDecoder("utf-8", { fatal: true });
        try {
          const content = text.decode(await file.arrayBuffer());
          if (content.includes("\0")) throw new TypeError("binary");
          say(name, JSON.stringify({ name: file.name, text: content }));
        } catch {
          say("refused-file", `binary ${file.name}`);
        }
      }
    }
  };
  const pick = (name, accept, most) => {
    const input = document.createElement("input");
    input.type = "file";
    input.multiple = true;
    input.accept = accept;
    input.id = "picker";
    input.hidden = true;
    input.addEventListener("change", () => {
      read(input.files, name, most);
      input.remove();
    });
    $("picker")?.remove();
    document.body.append(input);
    input.click();
  };
  document.addEventListener("click", ({ target }) => {
    const wanted = target.closest("[data-do]")?.dataset.do;
    if (wanted === "pick-files") {
      say("close-menu");
      pick("attach", "");
    } else if (wanted === "pick-import") pick("import", ".json,.md,application/json,text/markdown", 256 * 1024 * 1024);
  });
  draft.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    read(files, "attach");
  });
  for (const name of ["dragover", "drop"]) {
    document.addEventListener(name, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      root.toggleAttribute("data-dropping", name === "dragover");
      if (name === "drop") read([...event.dataTransfer.files], "attach");
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) root.removeAttribute("data-dropping");
  });

  const save = (name, kind, text) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: kind }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  };

  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy"); // Where the clipboard is not allowed: plain http on another machine.
      area.remove();
    }
  };

  const reveal = (id) => {
    const message = $(id);
    if (!message) return;
    message.scrollIntoView({ block: "center" });
    requestAnimationFrame(() => message.scrollIntoView({ block: "center" }));
    message.classList.add("found");
    message.addEventListener("animationend", () => message.classList.remove("found"), { once: true });
  };

  draft.addEventListener("input", () => ready() && say("input:draft", draft.value));
  const act = (wanted) => {
    const [name, value] = wanted.split(":");
    ({ ...settings, search, theme: () => $("theme").click() })[name]?.(value);
  };
  return { act, save, copy, reveal, closeDrawer, toDraft: () => draft.focus() };
};
