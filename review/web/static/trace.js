// The list of steps, with their ratings.
import { call } from "/static/api.js";
import { el, icon, rendered } from "/static/dom.js";
import { typeset } from "/static/math.js";
import { firstWrong, isBehind } from "/static/work.js";

export const RATINGS = [[-1, "Wrong", "face-wrong"], [0, "Okay", "face-okay"], [1, "Great", "face-great"]];
const known = new Map();

/** Remember what texts look like. */
export function learn(steps) {
  for (const step of steps) known.set(step.text, step.html);
}

/** Ask the server how texts look that are not known; without a network they are shown as they are. */
export async function look(texts) {
  const unknown = texts.filter((text) => !known.has(text));
  if (!unknown.length) return;
  const told = await call("POST", "/api/render", { texts: unknown }).catch(() => null);
  told?.html.forEach((html, at) => known.set(unknown[at], html));
}

/** A text as an element. */
export function shown(text, attributes = {}) {
  const html = known.get(text);
  return html === undefined ? el("div", attributes, el("pre", { class: "plain" }, text)) : rendered(html, "div", attributes);
}

/** Draw all steps anew; `on` has pick(at), rate(at, rating), merge(at), split(at); without it they are only read. */
export function draw(list, texts, on) {
  list.replaceChildren(...texts.map((text, at) => stepView(text, at, on)));
  typeset(list);
}

function stepView(text, at, on) {
  const body = shown(text, { class: "step-text" });
  const step = el("li", { class: "step", tabindex: "-1" }, el("span", { class: "step-number", "aria-hidden": "true" }, at + 1), body);
  step.append(el("span", { class: "sr-only step-name" }, `Step ${at + 1}`));
  if (!on) return step;
  const buttons = RATINGS.map(([rating, label, face]) =>
    el("button", { type: "button", class: "rating", "data-rating": rating, "aria-pressed": "false", "aria-label": `Step ${at + 1}: ${label}`, onclick: () => on.rate(at, rating) }, icon(face), el("span", {}, label)),
  );
  const tool = (label, act, hint) => el("button", { type: "button", class: "link", title: hint, "aria-label": `${label}: step ${at + 1}`, onclick: () => act(at) }, label);
  step.append(
    el("div", { class: "ratings", role: "group", "aria-label": `Rating of step ${at + 1}` }, buttons),
    el("div", { class: "step-tools" }, at > 0 ? tool("Merge up", on.merge, "m") : null, tool("Split", on.split, "x")),
  );
  step.addEventListener("click", (event) => event.target.closest("button, textarea, summary, a") || on.pick(at));
  return step;
}

/** Show ratings and the current step on the steps that are drawn. */
export function mark(list, work, cursor, mayChange) {
  for (const [at, step] of [...list.children].entries()) {
    const behind = isBehind(work, at);
    step.classList.toggle("behind", behind);
    step.classList.toggle("wrong", at === firstWrong(work));
    if (at === cursor) step.setAttribute("aria-current", "step");
    else step.removeAttribute("aria-current");
    for (const button of step.querySelectorAll(".rating")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.rating) === work.ratings[at]));
      button.disabled = behind || !mayChange;
    }
    for (const tool of step.querySelectorAll(".step-tools button")) tool.disabled = !mayChange;
  }
}

/** Let somebody choose where to cut a step: gives the caret, null for Esc. */
export function askCut(step, text) {
  const field = el("textarea", { readonly: true, rows: "6", "aria-label": "Put the caret where the new step starts, then press Enter" });
  const row = el("div", { class: "row" });
  const box = el("div", { class: "cut" }, el("p", { class: "muted" }, "Put the caret where the new step starts, then press Enter."), field, row);
  field.value = text;
  const body = step.querySelector(".step-text");
  body.hidden = true;
  body.after(box);
  field.focus();
  const middle = text.search(/[.!?\n]\s+\S/);
  const start = middle < 0 ? Math.floor(text.length / 2) : middle + text.slice(middle).search(/\s\S/) + 1;
  field.setSelectionRange(start, start);
  return new Promise((resolve) => {
    const end = (caret) => (box.remove(), (body.hidden = false), step.focus({ preventScroll: true }), resolve(caret));
    row.append(
      el("button", { type: "button", class: "button primary", onclick: () => end(field.selectionStart) }, "Split here"),
      el("button", { type: "button", class: "button", onclick: () => end(null) }, "Cancel"),
    );
    field.addEventListener("keydown", (event) => {
      if (event.isComposing || !["Enter", "Escape"].includes(event.key)) return;
      event.preventDefault();
      end(event.key === "Enter" ? field.selectionStart : null);
    });
  });
}
