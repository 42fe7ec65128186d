// What all pages do: signing out, and times as the reader's clock has them.
import { call } from "/static/api.js";

document.getElementById("sign-out")?.addEventListener("click", async () => {
  await call("POST", "/api/logout").catch(() => null);
  location.assign("/login");
});

for (const time of document.querySelectorAll("time[datetime]")) {
  const at = new Date(time.dateTime);
  const today = at.toDateString() === new Date().toDateString();
  time.textContent = at.toLocaleString([], today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
}
