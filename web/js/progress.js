// How far the start is, once it takes longer than a second: the first visit has some megabytes to fetch.

const SHOWN_AFTER = 1000; // ms since the page was asked for
const MEGABYTE = 1_000_000;

/** Follows boot/interpreter.mjs until `root` is ready. */
export const progress = (root, status) => {
  const bar = document.getElementById("progress");
  let words = "";
  let have = 0;
  let all = 0;
  const paint = () => {
    if (root.dataset.ready || !all) return;
    words ||= status.textContent;
    bar.hidden = have >= all;
    bar.value = have / all;
    const [done, total] = [have, all].map((bytes) => (bytes / MEGABYTE).toFixed(0));
    status.textContent = have < all ? `${words} ${done} / ${total} MB` : words;
  };
  document.addEventListener("tallystick:progress", ({ detail }) => {
    ({ have, all } = detail);
    if (performance.now() > SHOWN_AFTER) paint();
  });
  setTimeout(paint, SHOWN_AFTER - performance.now());
  new MutationObserver((_, watch) => {
    if (!root.dataset.ready) return;
    watch.disconnect();
    bar.hidden = true;
  }).observe(root, { attributeFilter: ["data-ready"] });
};
