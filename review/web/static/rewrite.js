// Below the first wrong step: the editor, what the guards say, and the continuations.
import { el, legible, rendered } from "/static/dom.js";
import { diffView } from "/static/diff.js";
import { typeset } from "/static/math.js";
import { learn, look, shown } from "/static/trace.js";

const PREVIEW_MS = 250;
const VERDICTS = { correct: "Right", incorrect: "Wrong answer", unverifiable: "Cannot be checked", error: "Check broke" };

/** How an answer was graded, as a badge. */
export function badge(status) {
  return el("span", { class: `badge ${status}` }, VERDICTS[status] ?? status);
}

/** The panel; `on` has changed(text), regenerate(), choose(trace), retry(), leave(). It is moved from step to step. */
export class Panel {
  #timer = null;

  constructor(on) {
    this.on = on;
    this.field = el("textarea", { rows: "3", spellcheck: "false", id: "rewrite", oninput: () => this.#typed() });
    this.preview = el("div", { class: "preview", role: "region", "aria-label": "Preview" });
    this.label = el("label", { for: "rewrite" });
    this.notes = el("div", { class: "notes" });
    this.changes = el("div", { class: "changes", hidden: true });
    this.go = el("button", { type: "button", class: "button primary", onclick: on.regenerate }, "Go on from here ", el("kbd", {}, "Ctrl+Enter"));
    const differ = el("button", { type: "button", class: "button", onclick: () => this.differ() }, "Changes ", el("kbd", {}, "d"));
    this.job = el("div", { class: "job" });
    this.list = el("ol", { class: "continuations" });
    this.editor = el("div", { class: "editor" }, el("div", { class: "pair" }, el("div", {}, this.label, this.field), this.preview), this.notes, this.changes, el("div", { class: "row" }, this.go, differ));
    this.root = el("section", { class: "rewrite", "aria-label": "The rewritten step" }, this.editor, this.job, this.list);
  }

  /** Show a round's rewrite below a step; `before` is the step as it was. */
  place(step, number, before, after, round, mayChange) {
    if (this.root.parentElement !== step) step.append(this.root);
    this.before = before;
    this.label.textContent = `Step ${number}, rewritten`;
    if (document.activeElement !== this.field && this.field.value !== (after ?? before)) {
      this.field.value = after ?? before;
      this.#look();
    }
    this.field.readOnly = this.go.disabled = !mayChange;
    this.#doubts(round.doubts);
    this.#progress(round.job);
    this.#continuations(round, mayChange);
  }

  remove() {
    this.root.remove();
  }

  focus() {
    this.field.focus();
    this.field.scrollIntoView({ block: "nearest" });
  }

  /** Show or hide what the rewrite changes. */
  differ() {
    this.changes.hidden = !this.changes.hidden;
    if (!this.changes.hidden) this.changes.replaceChildren(diffView(this.before, this.field.value));
  }

  /** The continuation that has the focus, else null. */
  get chosen() {
    return this.list.contains(document.activeElement) ? document.activeElement.closest("li.continuation")?.trace ?? null : null;
  }

  /** Move the focus to the next continuation; false where there is none. */
  next() {
    const cards = [...this.list.children];
    if (!cards.length) return false;
    const at = cards.indexOf(document.activeElement.closest("li.continuation"));
    const first = Math.max(0, cards.findIndex((card) => card.trace.status === "correct"));
    cards[at < 0 ? first : (at + 1) % cards.length].focus();
    return true;
  }

  #typed() {
    this.on.changed(this.field.value);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), PREVIEW_MS);
  }

  async #look() {
    const text = this.field.value;
    await look([text]);
    if (text !== this.field.value) return;
    this.preview.replaceChildren(shown(text));
    typeset(this.preview);
    if (!this.changes.hidden) this.changes.replaceChildren(diffView(this.before, text));
  }

  #doubts(doubts) {
    const lines = doubts.map((doubt) => el("li", {}, doubt));
    this.notes.replaceChildren(...(lines.length ? [el("p", {}, "Look again:"), el("ul", {}, lines)] : []));
  }

  #progress(job) {
    if (!job || job.state === "done") return this.job.replaceChildren();
    if (job.state === "failed") {
      const retry = el("button", { type: "button", class: "button", onclick: this.on.retry }, "Try again");
      return this.job.replaceChildren(el("p", { class: "fault" }, `The model did not go on: ${job.error ?? "no reason is known"}`), retry);
    }
    const bar = el("progress", { max: job.total || 1, "aria-label": "Continuations" });
    if (job.done) bar.value = job.done;
    const told = job.state === "queued" ? "Waiting for the model…" : `The model goes on: ${job.done} of ${job.total}`;
    this.job.replaceChildren(el("span", {}, told), bar);
  }

  #continuations(round, mayChange) {
    const there = new Map([...this.list.children].map((card) => [card.trace.trace_id, card]));
    const cards = [...round.continuations].sort((a, b) => a.number - b.number).map((trace) => there.get(trace.trace_id) ?? this.#card(trace));
    if (cards.length !== this.list.children.length || cards.some((card, at) => card !== this.list.children[at])) {
      const focused = this.list.contains(document.activeElement) ? document.activeElement : null;
      this.list.replaceChildren(...cards);
      focused?.focus();
    }
    for (const card of cards) {
      card.classList.toggle("chosen", card.trace.trace_id === round.chosen);
      card.querySelector("button.choose").disabled = !mayChange;
    }
  }

  #card(trace) {
    learn(trace.steps);
    const name = `Continuation ${trace.number + 1}`;
    const choose = el("button", { type: "button", class: "button choose", "aria-label": `Choose continuation ${trace.number + 1}`, onclick: () => this.on.choose(trace) }, "Choose");
    const head = el("div", { class: "continuation-head" }, el("strong", {}, name), badge(trace.status), trace.answer === null ? null : el("span", { class: "answer" }, `answer ${legible(trace.answer)}`), choose);
    const rest = trace.steps.slice((trace.fork_step ?? -1) + 1).map((step, at) => rendered(step.html, "li", { value: (trace.fork_step ?? -1) + 2 + at }));
    const card = el("li", { class: "continuation", tabindex: "-1", "aria-label": `${name}: ${VERDICTS[trace.status] ?? trace.status}` }, head, el("ol", { class: "rest" }, rest));
    card.trace = trace;
    typeset(card);
    return card;
  }
}
