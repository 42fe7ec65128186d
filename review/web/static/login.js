// Signs in, then goes where the reader wanted to go.
const form = document.getElementById("login");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = JSON.stringify(Object.fromEntries(new FormData(form)));
  const answer = await fetch("/api/login", { method: "POST", headers: { "Content-Type": "application/json" }, body });
  if (answer.ok) {
    const next = new URLSearchParams(location.search).get("next") ?? "/";
    location.assign(/^\/(?![/\\])/.test(next) ? next : "/");
  } else {
    document.getElementById("problem").textContent = (await answer.json()).message;
  }
});
