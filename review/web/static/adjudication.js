// Keys and the decision of the adjudication page.

const form = document.querySelector("#decision");
const rows = [...document.querySelectorAll("#steps tbody tr")];
const problem = document.querySelector("#problem");
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

function typing(event) {
  const tag = event.target.tagName;
  const types = tag === "INPUT" && event.target.type !== "radio";
  return event.isComposing || types || tag === "TEXTAREA" || tag === "SELECT" || event.target.isContentEditable;
}

document.addEventListener("keydown", (event) => {
  if ("keysOff" in form.dataset || typing(event) || event.ctrlKey || event.metaKey || event.altKey) return;
  const enter = event.key === "Enter" && !event.target.closest("a, button, summary");
  const acts = {
    j: () => go(at + 1),
    k: () => go(at - 1),
    a: () => pick("none"),
    e: () => own(Math.max(at, 0)),
  };
  if (/^[1-9]$/.test(event.key)) pickCandidate(Number(event.key));
  else if (enter) form.requestSubmit();
  else if (Object.hasOwn(acts, event.key)) acts[event.key]();
  else return;
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

async function send(body) {
  const answer = await fetch(`/api/items/${encodeURIComponent(form.dataset.item)}/adjudicate`, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "X-CSRF-Token": document.querySelector("meta[name=csrf-token]").content,
    },
    body: JSON.stringify(body),
  });
  const told = await answer.json();
  if (answer.ok) location.assign(told.next);
  else problem.textContent = told.message ?? "That could not be saved.";
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const chosen = decision();
  if (!chosen) {
    problem.textContent = "Choose a reviewer's mark, or a step, first.";
    return;
  }
  const note = form.elements.note.value;
  await send({ version: Number(form.dataset.version), note, ...chosen }).catch(() => {
    problem.textContent = "The server cannot be reached: nothing was saved. Try again.";
  });
});
