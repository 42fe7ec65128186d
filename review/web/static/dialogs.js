// Questions that cannot wait. A modal <dialog> keeps the focus inside and gives it back.
import { call } from "/static/api.js";
import { ACTIONS } from "/static/keys.js";
import { el, say } from "/static/dom.js";

/** Show a dialog; resolves with the value of the button that closed it, "" for Esc. */
function ask(title, body, buttons) {
  const heading = el("h2", { id: "dialog-title" }, title);
  const row = [...buttons].reverse().map(([value, label, kind]) => el("button", { value, class: `button ${kind ?? ""}`, formnovalidate: value === "" }, label));
  const form = el("form", { method: "dialog" }, heading, ...body, el("div", { class: "row end" }, row));
  const dialog = el("dialog", { "aria-labelledby": "dialog-title" }, form);
  const before = document.activeElement;
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (before?.isConnected) before.focus();
      resolve(dialog.returnValue);
    });
  });
}

/** Whether they agree. */
export async function confirmed(title, text, label) {
  return (await ask(title, [el("p", {}, text)], [["", "Cancel"], ["yes", label, "primary"]])) === "yes";
}

/** A reason, or null. */
export async function reason(title, text, label) {
  const field = el("textarea", { rows: "4", required: true, maxlength: "2000", autofocus: true });
  const buttons = [["", "Cancel"], ["yes", label, "primary"]];
  const told = await ask(title, [el("p", {}, text), el("label", {}, "Reason", field)], buttons);
  return told === "yes" && field.value.trim() ? field.value.trim() : null;
}

/** What to go on with: "mine" or "server". `mine` and `theirs` are lists of [what, text]. */
export async function conflict(message, mine, theirs) {
  const side = (title, lines) =>
    el("section", { class: "side" }, el("h3", {}, title), el("dl", {}, lines.flatMap(([what, text]) => [el("dt", {}, what), el("dd", {}, text)])));
  const body = [el("p", {}, message), el("div", { class: "sides" }, side("Mine", mine), side("The server’s", theirs))];
  const told = await ask("This trace was changed elsewhere", body, [["server", "Take the server’s"], ["mine", "Keep mine", "primary"]]);
  return told === "mine" ? "mine" : told === "server" ? "server" : conflict(message, mine, theirs);
}

/** All keys, to be changed and switched off; gives the user's keys as they are afterwards. */
export async function help(own) {
  const inputs = new Map();
  const rows = ACTIONS.map(([name, key, text]) => {
    const shown = own[name] ?? key;
    const fixed = key.length > 1;
    const field = el("input", { value: shown, maxlength: "1", size: "2", "aria-label": `Key: ${text}`, autocomplete: "off" });
    if (!fixed) inputs.set(name, field);
    return el("tr", {}, el("td", {}, fixed ? el("kbd", {}, key.replace("Escape", "Esc")) : field), el("td", {}, text));
  });
  const off = el("input", { type: "checkbox" });
  off.checked = Boolean(own.off);
  const body = [
    el("p", { class: "muted" }, "Keys never act while you type. Click into a field to change its key."),
    el("label", { class: "check" }, off, "Switch single keys off"),
    el("div", { class: "table-scroll keys" }, el("table", {}, el("caption", { class: "sr-only" }, "Keys"), el("tbody", {}, rows))),
  ];
  if ((await ask("Keys", body, [["", "Close"], ["save", "Save keys", "primary"]])) !== "save") return own;
  const keys = {};
  for (const [name, key] of ACTIONS) {
    const chosen = inputs.get(name)?.value.trim();
    if (chosen && chosen !== key) keys[name] = chosen;
  }
  if (off.checked) keys.off = true;
  try {
    const told = await call("PUT", "/api/me/keys", { keys });
    say("Keys saved.");
    return told.keys;
  } catch (error) {
    say(error.message, "error");
    return own;
  }
}
