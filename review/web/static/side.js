// Beside the steps: where the work stands, how the answer was graded, what rollouts say.
import { el, legible } from "/static/dom.js";
import { badge } from "/static/rewrite.js";
import { AT_WORK } from "/static/session.js";
import { firstWrong, rated } from "/static/work.js";

const $ = (id) => document.getElementById(id);
const ENDS = {
  submitted: "Submitted.",
  skipped: "Skipped.",
  gave_up: "Given up.",
  bad_problem: "Marked as a bad problem.",
  max_rounds: "A step is wrong after the last rewrite: the round limit is reached.",
};
const SHARES = [["before", "before the step"], ["wrong", "after the wrong step"], ["after", "after your step"]];
const opened = Date.now();

/** Show all of it; `on` has look(number), mayChange, isNow. */
export function showSide(view, round, work, on) {
  showRounds(view, round, on);
  showGrade(round.trace);
  showSuggestion(round.number === 0 ? view.suggestion : null, work);
  showEffect(round.effect);
  const [done, of] = rated(work);
  $("rated").textContent = firstWrong(work) < 0 ? `${done} of ${of} steps rated` : `Step ${firstWrong(work) + 1} is the first wrong one`;
  $("reference-text").textContent = legible(view.reference ?? "");
  $("reference").hidden = view.reference === null;
  $("reveal").hidden = view.reference !== null;
  const ended = !AT_WORK.includes(view.state) && view.state !== "expired";
  $("ended").hidden = !ended;
  $("ended-text").textContent = ENDS[view.state] ?? "";
  $("lost").hidden = ended || view.lease !== null || "onlooker" in $("review").dataset;
  for (const button of document.querySelectorAll("#actions [data-act]")) {
    button.disabled = !["undo", "help"].includes(button.dataset.act) && (ended || view.lease === null);
  }
  tick(view);
}

/** Where the draft is. */
export function saved(state, message = "") {
  const texts = { saved: "Saved", unsaved: "Not saved yet", offline: "Kept in this browser" };
  $("saved").textContent = message && state === "unsaved" ? message : texts[state];
  $("saved").dataset.state = state;
  $("offline").hidden = state !== "offline";
}

/** Times: since opening, and until the lease ends. */
export function tick(view) {
  $("since").textContent = clock(Date.now() - opened);
  if (!view.lease) return ($("lease").textContent = "");
  const left = new Date(view.lease.until) - Date.now();
  $("lease").textContent = left > 0 ? `Yours for ${clock(left)}` : "The lease has run out";
  $("lease").dataset.state = left < 120_000 ? "soon" : "";
}

function clock(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function showRounds(view, shown, on) {
  const there = $("rounds").children.length === view.rounds.length;
  if (!there) {
    const tabs = view.rounds.map((one) =>
      el("button", { type: "button", role: "tab", id: `round-${one.number}`, "aria-controls": "steps", onclick: () => on.look(one.number) }, `Round ${one.number + 1}`),
    );
    $("rounds").replaceChildren(...tabs);
    $("rounds").hidden = tabs.length < 2;
  }
  for (const [at, tab] of [...$("rounds").children].entries()) {
    const current = view.rounds[at].number === shown.number;
    tab.setAttribute("aria-selected", String(current));
    tab.tabIndex = current ? 0 : -1;
  }
  $("round-note").textContent = on.isNow ? rewritesLeft(view, shown) : "An earlier round: to be read only. ] leads to the next.";
}

/** Said where few are left: in the last round, and before it. */
function rewritesLeft(view, round) {
  if (!AT_WORK.includes(view.state) || "labelsOnly" in $("review").dataset || view.rounds_left > 1) return "";
  if (round.after !== null) return view.rounds_left === 0 ? "The last rewrite: the continuation that you choose is only rated." : "";
  return view.rounds_left === 0 ? "The last round: rate it; no further rewrite." : "One rewrite is left.";
}

function showGrade(trace) {
  const answer = trace.answer === null ? el("span", { class: "muted" }, "No answer was found.") : el("code", { class: "answer" }, legible(trace.answer));
  $("grade").replaceChildren(el("p", {}, badge(trace.status), " ", answer), el("p", { class: "muted" }, legible(trace.reason)));
}

function showSuggestion(suggestion, work) {
  $("suggestion").hidden = suggestion === null;
  if (suggestion === null) return;
  const at = suggestion.first_wrong;
  const text = at === null ? "They do not tell." : at < 0 ? "No step is wrong." : `Step ${at + 1} is the first wrong one.`;
  const agrees = at !== null && firstWrong(work) === at ? " So do you." : "";
  $("suggestion-text").replaceChildren(el("p", {}, text + agrees), el("p", { class: "muted" }, suggestion.by));
}

function showEffect(effect) {
  $("effect").hidden = effect === null;
  if (effect === null) return;
  const rows = SHARES.map(([name, label]) => {
    const share = effect[name];
    const bar = el("span", { class: `bar ${name}` });
    if (share?.of) bar.style.setProperty("--share", `${(100 * share.right) / share.of}%`);
    return el("li", {}, el("span", {}, label), el("span", { class: "number" }, share ? `${share.right} of ${share.of}` : "…"), bar);
  });
  $("effect-shares").replaceChildren(...rows);
}
