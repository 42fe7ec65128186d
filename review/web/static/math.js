// Typesets the maths that `review/render.py` took out; what KaTeX cannot read stays as its source.

const OPTIONS = { trust: false, maxExpand: 1000, maxSize: 20, throwOnError: false, errorColor: "var(--bad)", strict: "ignore" };
const AT_ONCE_MS = 12;
const LONGEST = 10_000;

/** Typeset all of it below an element, some at a time, so that the page answers meanwhile. */
export async function typeset(root) {
  let begun = performance.now();
  for (const span of root.querySelectorAll("span.math:not([data-done])")) {
    if (performance.now() - begun > AT_ONCE_MS) {
      await new Promise((resume) => setTimeout(resume));
      begun = performance.now();
    }
    show(span);
  }
}

function show(span) {
  span.dataset.done = "";
  const made = document.createElement("span");
  try {
    if (span.dataset.tex.length > LONGEST) return;
    globalThis.katex.render(span.dataset.tex, made, { ...OPTIONS, displayMode: "display" in span.dataset });
  } catch {
    return; // The source is readable.
  }
  if (!made.querySelector(".katex-error")) span.replaceChildren(made);
  else span.classList.add("unread");
}
