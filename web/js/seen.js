// A long table grows while it is scrolled: an element that bears data-seen asks for it when its place comes near.

const AHEAD = 600; // px below what is in sight

/** Calls say(name) as the `data-seen` element of `frame` comes near; not again before the table has grown. */
export const watch = (frame, say) => {
  let rows = 0;
  frame.addEventListener(
    "scroll",
    () => {
      const end = frame.querySelector("[data-seen]");
      if (!end) return;
      const count = frame.querySelectorAll("[role=row]").length;
      if (count === rows || end.getBoundingClientRect().top > frame.getBoundingClientRect().bottom + AHEAD) return;
      rows = count;
      say(end.dataset.seen);
    },
    { capture: true, passive: true },
  );
};
