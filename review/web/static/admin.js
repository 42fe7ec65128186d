// Forms that call the server: data-call is where, the fields are the body.
const csrf = document.querySelector('meta[name="csrf-token"]').content;
const problem = document.getElementById("problem");
const told = document.getElementById("told");
const secret = document.getElementById("secret");

const READ = {
  json: (text) => JSON.parse(text),
  optional: (text) => text || null,
};

function fields(form) {
  const given = [...form.elements].filter((one) => one.name && one.type !== "file");
  return Object.fromEntries(given.map((one) => [one.name, (READ[one.dataset.type] ?? String)(one.value)]));
}

async function call(path, body, type = "application/json") {
  const headers = { "Content-Type": type, "X-CSRF-Token": csrf };
  const answer = await fetch(path, { method: "POST", headers, body });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.message);
  return found;
}

function done(found) {
  if (found.message) return void (told.textContent = found.message);
  if (!found.secret) return location.reload();
  document.getElementById("secret-value").textContent = found.secret;
  secret.showModal();
}

for (const button of document.querySelectorAll("[data-preview]")) {
  button.addEventListener("click", async () => {
    const text = button.form.elements.text.value;
    // The server makes it safe, as it does for the reviewers' page.
    const found = await call(button.dataset.preview, JSON.stringify({ text })).catch((error) => ({ html: "", error }));
    problem.textContent = found.error?.message ?? "";
    document.getElementById("preview").innerHTML = found.html;
  });
}

document.getElementById("secret-done").addEventListener("click", () => secret.close());
secret.addEventListener("close", () => location.reload());

function send(form) {
  if (form.dataset.call) return call(form.dataset.call, JSON.stringify(fields(form)));
  const query = new URLSearchParams(fields(form));
  const file = form.querySelector("input[type=file]").files[0];
  return call(`${form.dataset.upload}?${query}`, file, "application/x-ndjson");
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.call && !form.dataset.upload) return;
  event.preventDefault();
  if (form.dataset.confirm && !confirm(form.dataset.confirm)) return;
  problem.textContent = told.textContent = "";
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    done(await send(form));
  } catch (error) {
    problem.textContent = error.message;
    problem.scrollIntoView({ block: "nearest" });
  } finally {
    button.disabled = false;
  }
});
