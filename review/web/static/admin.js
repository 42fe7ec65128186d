// Forms that call the server: data-call is where, the fields are the body; data-upload takes a file.
import { ApiError, call } from "/static/api.js";
import { typeset } from "/static/math.js";

const problem = document.getElementById("problem");
const told = document.getElementById("told");
const secret = document.getElementById("secret");
const preview = document.getElementById("preview");

const READ = {
  json: (text) => JSON.parse(text),
  step: (text) => Number(text) - 1,
  optional: (text) => text || null,
};

function fields(form) {
  const given = [...form.elements].filter((one) => one.name && one.type !== "file");
  return Object.fromEntries(given.map((one) => [one.name, (READ[one.dataset.type] ?? String)(one.value)]));
}

async function upload(form) {
  const headers = {
    "Content-Type": "application/x-ndjson",
    "X-CSRF-Token": document.querySelector('meta[name="csrf-token"]').content,
  };
  const body = form.querySelector("input[type=file]").files[0];
  const answer = await fetch(`${form.dataset.upload}?${new URLSearchParams(fields(form))}`, { method: "POST", headers, body });
  const found = await answer.json();
  if (!answer.ok) throw new ApiError(answer.status, found);
  return found;
}

function done(found) {
  if (found.message) return void (told.textContent = found.message);
  if (!found.secret) return location.reload();
  document.getElementById("secret-value").textContent = found.secret;
  secret.showModal();
}

/** Do it while its button rests; what goes wrong is said. */
async function tell(button, act) {
  problem.textContent = told.textContent = "";
  button.disabled = true;
  try {
    await act();
  } catch (error) {
    problem.textContent = error.message;
    problem.scrollIntoView({ block: "nearest" });
  } finally {
    button.disabled = false;
  }
}

document.getElementById("secret-done").addEventListener("click", () => secret.close());
secret.addEventListener("close", () => location.reload());

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.call && !form.dataset.upload) return;
  event.preventDefault();
  if (form.dataset.confirm && !confirm(form.dataset.confirm)) return;
  const act = () => (form.dataset.call ? call("POST", form.dataset.call, fields(form)) : upload(form));
  tell(form.querySelector("button"), async () => done(await act()));
});

for (const button of document.querySelectorAll("[data-preview]")) {
  button.addEventListener("click", () => {
    tell(button, async () => {
      const found = await call("POST", button.dataset.preview, { text: button.form.elements.text.value });
      // The server made it safe, as for the reviewers' page.
      preview.innerHTML = found.html;
      await typeset(preview);
    });
  });
}
if (preview) typeset(preview);
