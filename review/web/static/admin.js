// Forms that call the server: data-call is where, the fields are the body.
const csrf = document.querySelector('meta[name="csrf-token"]').content;
const problem = document.getElementById("problem");
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
  if (!found.secret) return location.reload();
  document.getElementById("secret-value").textContent = found.secret;
  secret.showModal();
}

document.getElementById("secret-done").addEventListener("click", () => secret.close());
secret.addEventListener("close", () => location.reload());

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.call) return;
  event.preventDefault();
  if (form.dataset.confirm && !confirm(form.dataset.confirm)) return;
  problem.textContent = "";
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    done(await call(form.dataset.call, JSON.stringify(fields(form))));
  } catch (error) {
    problem.textContent = error.message;
    problem.scrollIntoView({ block: "nearest" });
  } finally {
    button.disabled = false;
  }
});
