// The page on which a trace is reviewed: what keys and buttons do to the work, and what the server makes of it.
import { call } from "/static/api.js";
import { confirmed, conflict, help, reason } from "/static/dialogs.js";
import { diffView } from "/static/diff.js";
import { say } from "/static/dom.js";
import { listen } from "/static/keys.js";
import { typeset } from "/static/math.js";
import { Panel } from "/static/rewrite.js";
import { AT_WORK, Session } from "/static/session.js";
import { saved, showSide, tick } from "/static/side.js";
import { kept } from "/static/store.js";
import { follow } from "/static/stream.js";
import { askCut, draw, learn, look, mark as markSteps } from "/static/trace.js";
import * as works from "/static/work.js";

const $ = (id) => document.getElementById(id);
const id = $("review").dataset.assignment;
let keys = JSON.parse($("review").dataset.keys);
const labelsOnly = "labelsOnly" in $("review").dataset;
let session, work, stop;
let busy = false;
let [cursor, looked, drawn, past] = [0, 0, null, []];

const view = () => session.view;
const round = () => view().rounds.find((one) => one.number === view().round);
const isNow = () => looked === view().round;
const mayChange = () => session.mayChange && isNow();
/** No rewrite is left: the trace is rated, and a wrong step ends the work. */
const isLast = () => !labelsOnly && view().rounds_left === 0 && round().after === null;
const LAST = "The last round: rate it; no further rewrite. A wrong step (1), then Enter, ends it at the round limit.";
const panel = new Panel({
  changed: (text) => ((work = { ...work, after: text }), session.touched()),
  regenerate: () => handlers.regenerate(),
  choose: (trace) => once(() => choose(trace)),
  retry: () => once(() => act("retry")),
});

/** Show everything; steps are drawn anew only where they changed. */
async function show() {
  const seen = view().rounds.find((one) => one.number === looked) ?? round();
  const made = isNow() ? work : works.workOf(seen, null);
  for (const one of view().rounds) learn(one.trace.steps);
  const name = JSON.stringify([seen.trace.trace_id, mayChange(), made.own ? made.texts.map((text) => text.length) : null]);
  if (name !== drawn) {
    drawn = name;
    panel.remove();
    await look(made.texts);
    draw($("steps"), made.texts, { pick, rate, merge, split });
    $("changes").hidden = true;
  }
  cursor = Math.min(cursor, made.texts.length - 1);
  markSteps($("steps"), made, cursor, mayChange());
  const wrong = works.firstWrong(made);
  const opened = wrong >= 0 && !(isNow() && isLast()) && (made.after !== null || seen.first_wrong === wrong || seen.continuations.length > 0);
  if (opened) panel.place($("steps").children[wrong], wrong + 1, made.texts[wrong], made.after, seen, mayChange());
  else panel.remove();
  showSide(view(), seen, made, { look: lookAt, mayChange: mayChange(), isNow: isNow() });
}

function pick(at, focus = false) {
  cursor = Math.max(0, Math.min(at, $("steps").children.length - 1));
  show();
  const step = $("steps").children[cursor];
  if (focus) step.focus({ preventScroll: true });
  step.scrollIntoView({ block: "nearest" });
}

/** Take over new work, so that undo finds the old; `refusal` is said where there is none. */
function change(made, refusal) {
  if (!mayChange()) return say(session.mayChange ? "This is an earlier round: go to the last one with ]." : "Nothing can be changed here now.", "warn");
  if (view().state === "generating") return say("The model is at work on this mark: undo (u) first.", "warn");
  if (!made) return say(refusal, "warn");
  past.push({ work, cursor });
  work = made;
  session.touched();
  show();
}

function rate(at, rating) {
  cursor = at;
  change(works.rate(work, at, rating), `Step ${works.firstWrong(work) + 1} is the first wrong one: later steps are not rated.`);
}

const merge = (at) => change(works.merge(work, at), "The first step has none before it.");

async function split(at) {
  if (!mayChange()) return change(null, "");
  pick(at);
  const caret = await askCut($("steps").children[at], work.texts[at]);
  if (caret !== null) change(works.split(work, at, caret), "There has to be text before and after the cut.");
}

/** Take over what the server has; `whose` is "mine" where the page's work goes on. */
function changed(next, whose) {
  if (whose !== "mine" || next.round !== looked) {
    const before = round();
    looked = next.round;
    work = works.workOf(before, next.draft);
    past = [];
    cursor = nextStep();
  }
  stop?.();
  stop = follow(session, round, show);
  return show();
}

function nextStep() {
  const wrong = works.firstWrong(work);
  const unrated = work.ratings.indexOf(null);
  return wrong >= 0 ? wrong : unrated >= 0 ? unrated : work.ratings.length - 1;
}

/** Do something at the server; true where it was done. */
async function act(action, body = {}, done = "") {
  try {
    const was = view().round;
    const next = await session.act(action, body);
    if (!next) return false;
    await changed(next, next.round === was && action !== "undo" ? "mine" : "server");
    if (done) say(done);
    return true;
  } catch (error) {
    say(error.status === 0 ? "The network is lost: this was not sent. Try again when it is back." : error.message, "error");
    return false;
  }
}

/** Send the mark, unless the server has it already. */
async function marked() {
  const sent = works.mark(work);
  const has = round();
  const same = !work.own && has.first_wrong === sent.first_wrong && JSON.stringify(has.ratings) === JSON.stringify(sent.ratings);
  return same || act("mark", sent);
}

async function openError() {
  const wrong = works.firstWrong(work);
  if (!mayChange()) return change(null, "");
  if (isLast()) return say(LAST, "warn");
  if (wrong < 0) change(works.rate(work, cursor, -1));
  const at = works.firstWrong(work);
  if (work.after === null) work = { ...work, after: round().after ?? work.texts[at] };
  cursor = at;
  await show();
  panel.focus();
  if (view().state !== "generating") await marked();
}

async function regenerate() {
  const at = works.firstWrong(work);
  if (!mayChange()) return change(null, "");
  if (isLast()) return say(LAST, "warn");
  if (at < 0) return say("Mark the first wrong step first (1), then rewrite it (e).", "warn");
  if (!work.after?.trim() || work.after.trim() === work.texts[at].trim()) {
    say("Rewrite the step first: it is empty, or as it was.", "warn");
    return openError();
  }
  const again = view().state === "generating";
  if (again && work.after === round().after) return say("The model has gone on from exactly this: change it, or choose a continuation.", "warn");
  const mine = work;
  if (again && !(await act("undo"))) return;
  work = mine;
  if (!(await marked())) return;
  if (await act("rewrite", { after: work.after }, "The model goes on from your step.")) $("steps").children[at]?.focus({ preventScroll: true });
}

async function choose(trace) {
  if (!(await act("choose", { trace_id: trace.trace_id }))) return;
  say(isLast() ? LAST : `Round ${view().round + 1}: rate the steps that the model wrote.`);
  pick(nextStep(), true);
}

async function submit() {
  if (panel.chosen) return choose(panel.chosen);
  if (!AT_WORK.includes(view().state)) return location.assign("/review");
  const [done, of] = works.rated(work);
  if (!mayChange()) return change(null, "");
  const wrong = works.firstWrong(work);
  if (wrong < 0 && done < of) return say(`Rate all steps first: ${of - done} to go. Or find the first wrong one; a rates the rest okay.`, "warn");
  const despite = wrong < 0 && round().trace.status === "incorrect";
  const text = "The answer was graded as wrong, but no step is marked wrong. Is the trace right all the same?";
  if (despite && !(await confirmed("Submit despite the grade?", text, "Submit"))) return;
  if (wrong >= 0 && isLast()) return endHere();
  if (!(await marked())) return;
  if (wrong >= 0 && !labelsOnly) return openError();
  if (await act("submit", { despite }, "Submitted. Undo with u, go on with Enter.")) $("next").focus();
}

/** A wrong step where no rewrite is left. */
async function endHere() {
  if (await act("mark", works.mark(work), "The round limit is reached. Undo with u, go on with Enter.")) $("next").focus();
}

async function leave(action, title, text, label) {
  if (!session.mayChange) return change(null, "");
  const why = await reason(title, text, label);
  if (why && (await act(action, { reason: why }, `${label}: done. Undo with u, go on with Enter.`))) $("next").focus();
}

async function undo() {
  if (past.length && mayChange()) {
    ({ work, cursor } = past.pop());
    session.touched();
    await show();
    return say("Undone.");
  }
  if (!view().can_undo) return say("There is nothing to undo.", "warn");
  await act("undo", {}, "Undone.");
}

function lookAt(number) {
  if (!view().rounds.some((one) => one.number === number)) return;
  [looked, cursor] = [number, 0];
  show();
}

/** What the round's trace changed against the one before; in the editor, what the rewrite changes. */
function differ() {
  if (panel.root.isConnected && (looked === 0 || document.activeElement === panel.field)) return panel.differ();
  const [now, before] = [looked, looked - 1].map((number) => view().rounds.find((one) => one.number === number));
  if (!before) return say("There is nothing to compare with yet.", "warn");
  const text = (one) => one.trace.steps.map((step) => step.text).join("");
  $("changes").hidden = !$("changes").hidden;
  if (!$("changes").hidden) $("changes").replaceChildren(diffView(text(before), text(now)));
}

async function keysHelp() {
  keys = await help(keys);
}

/** Do one thing at a time: what is pressed meanwhile was meant for what is there no more. */
async function once(doing) {
  if (busy) return;
  busy = true;
  try {
    await doing();
  } finally {
    busy = false;
  }
}

const handlers = {
  next: () => pick(cursor + 1, true),
  previous: () => pick(cursor - 1, true),
  wrong: () => rate(cursor, -1),
  okay: () => rate(cursor, 0),
  great: () => rate(cursor, 1),
  all: () => change(works.rateAll(work), "A step is marked wrong: undo that first."),
  error: openError,
  regenerate: () => once(regenerate),
  leave: () => $("steps").children[cursor]?.focus({ preventScroll: true }),
  submit: () => once(submit),
  continuation: () => panel.next() || say("There is no continuation yet.", "warn"),
  older: () => lookAt(looked - 1),
  newer: () => lookAt(looked + 1),
  diff: differ,
  merge: () => merge(cursor),
  split: () => split(cursor),
  reveal: () => (view().reference === null ? act("reveal", {}, "The reference is shown; this was logged.") : say("It is shown already.")),
  undo: () => once(undo),
  skip: () => once(async () => (await act("skip", {}, "Skipped. Undo with u, go on with Enter.")) && $("next").focus()),
  giveUp: () => once(() => leave("give-up", "Give up on this trace?", "What kept you from a right one?", "Give up")),
  badProblem: () => once(() => leave("bad-problem", "Is the problem bad?", "Wrong, unclear or without an answer: say which.", "Bad problem")),
  help: keysHelp,
};

function told(made, state) {
  const wrong = works.firstWrong(made);
  const lines = [["State", state], ["First wrong step", wrong < 0 ? "none" : String(wrong + 1)], ["Rated", works.rated(made).join(" of ")]];
  return made.after === null ? lines : [...lines, ["Rewrite", made.after]];
}

/** Let the reader choose between the page's work and the server's. */
function settle(problem) {
  const theirs = problem.current;
  const last = theirs.rounds.find((one) => one.number === theirs.round);
  return conflict(problem.message, told(work, view().state), told(works.workOf(last, theirs.draft), `${theirs.state}, round ${theirs.round + 1}`));
}

/** What a lost network kept here; asks where the server has gone on since. */
async function recover(first) {
  const local = kept(first.id);
  if (!local || first.lease === null) return;
  const mine = works.workOf(round(), local.draft);
  // What arrived, though the answer to it did not, is no conflict.
  const same = local.version === first.version || JSON.stringify(mine) === JSON.stringify(work);
  const message = "Work of an earlier visit was not sent before the trace was changed.";
  const whose = same ? "mine" : ((work = mine), await settle({ message, current: first }));
  if (whose === "mine") work = mine;
  session.touched();
}

async function begin() {
  const first = await call("GET", `/api/assignments/${id}`);
  session = new Session(first, { draft: () => works.draftOf(work, view().round), saved, conflict: settle, changed, beaten: () => tick(view()) });
  looked = first.round;
  work = works.workOf(round(), first.draft);
  cursor = nextStep();
  await recover(first);
  await changed(first, "mine");
  $("review").hidden = $("actions").hidden = false;
  typeset($("review"));
  listen(handlers, () => keys);
  for (const button of document.querySelectorAll("[data-act]")) button.addEventListener("click", () => handlers[button.dataset.act]());
  $("retake").addEventListener("click", async () => ((await session.retake()) ? changed(view(), "mine") : location.assign("/review")));
  setInterval(() => tick(view()), 1000);
  pick(cursor, true);
}

begin().catch((error) => say(error.message, "error"));
