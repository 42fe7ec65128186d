// Keys and the decision of the adjudication page.
import { call } from "/static/api.js";
import { keyMap, keyOf, listen, typing } from "/static/keys.js";
import { typeset } from "/static/math.js";

const form = document.querySelector("#decision");
const rows = [...document.querySelectorAll("#steps tbody tr")];
const problem = document.querySelector("#problem");
const keys = JSON.parse(form.dataset.keys);
let at = -1;

function go(to) {
  rows[at]?.classList.remove("current");
  rows[at]?.removeAttribute("aria-current");
  at = Math.max(0, Math.min(rows.length - 1, to));
  rows[at].classList.add("current");
  rows[at].setAttribute("aria-current", "step");
  rows[at].scrollIntoView({ block: "nearest" });
}

function pick(value) {
  const radio = [...form.elements.verdict].find((one) => one.value === value && !one.disabled);
  if (radio) {
    radio.checked = true;
    radio.focus();
  }
}

function pickCandidate(number) {
  const letters = [...form.elements.verdict].filter((one) => one.value.startsWith("take:"));
  if (letters[number - 1]) pick(letters[number - 1].value);
}

function own(step) {
  form.elements.step.value = step + 1;
  pick("own");
}

const acts = {
  next: () => go(at + 1),
  previous: () => go(at - 1),
  all: () => pick("none"),
  error: () => own(Math.max(at, 0)),
  submit: () => form.requestSubmit(),
};

listen(acts, () => keys);

// A number is a reviewer, unless it is somebody's own key for something else.
document.addEventListener("keydown", (event) => {
  const key = keyOf(event);
  if (!/^[1-9]$/.test(key) || keys.off || typing(event.target) || Object.hasOwn(acts, keyMap(keys).get(key) ?? "")) return;
  pickCandidate(Number(key));
  event.preventDefault();
});

form.elements.step.addEventListener("input", () => {
  [...form.elements.verdict].find((one) => one.value === "own").checked = true;
});

function decision() {
  const value = form.elements.verdict.value;
  if (value.startsWith("take:")) return { take: value.slice(5) };
  if (value === "none") return { first_wrong: -1 };
  const step = Number(form.elements.step.value);
  return value === "own" && step >= 1 ? { first_wrong: step - 1 } : null;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const chosen = decision();
  if (!chosen) {
    problem.textContent = "Choose a reviewer's mark, or a step, first.";
    return;
  }
  const body = { version: Number(form.dataset.version), note: form.elements.note.value, ...chosen };
  try {
    const told = await call("POST", `/api/items/${encodeURIComponent(form.dataset.item)}/adjudicate`, body);
    location.assign(told.next);
  } catch (error) {
    problem.textContent = error.problem?.message ?? String(error);
  }
});

await typeset(document.querySelector("main"));
