// The queue: Enter or n starts.
import { keyOf, typing } from "/static/keys.js";
import { typeset } from "/static/math.js";

const start = document.getElementById("start");

document.addEventListener("keydown", (event) => {
  const key = keyOf(event);
  if (!start || !["Enter", "n"].includes(key) || typing(event.target)) return;
  if (key === "n" && "off" in start.dataset) return;
  if (key === "Enter" && event.target.closest("a, button, summary")) return;
  event.preventDefault();
  start.click();
});

typeset(document.body);
