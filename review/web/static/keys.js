// Which key does what. A single key never acts while somebody types or composes (WCAG 2.1.4).

/** Name, key, what it does, in the help's order. Keys of more than one letter are not to be changed. */
export const ACTIONS = [
  ["next", "j", "Next step"],
  ["previous", "k", "Previous step"],
  ["wrong", "1", "Rate the step wrong (−1)"],
  ["okay", "2", "Rate the step okay (0)"],
  ["great", "3", "Rate the step great (+1)"],
  ["all", "a", "Rate all unrated steps okay"],
  ["error", "e", "Go to the first wrong step and rewrite it"],
  ["regenerate", "Ctrl+Enter", "Let the model go on from the rewritten step"],
  ["leave", "Escape", "Leave the editor"],
  ["submit", "Enter", "Submit; on a continuation: choose it"],
  ["continuation", "c", "Next continuation"],
  ["older", "[", "Round before"],
  ["newer", "]", "Round after"],
  ["diff", "d", "Show what changed"],
  ["merge", "m", "Merge the step with the one before"],
  ["split", "x", "Split the step"],
  ["reveal", "r", "Reveal the reference (is logged)"],
  ["undo", "u", "Undo"],
  ["skip", "s", "Skip this trace"],
  ["giveUp", "g", "Give up, with a reason"],
  ["badProblem", "b", "The problem is bad, with a reason"],
  ["help", "?", "Keys"],
];

const ALWAYS = new Set(["Ctrl+Enter", "Escape"]);
const REPEATS = new Set(["next", "previous"]);

/** Whether what somebody presses there is text. */
export function typing(target) {
  if (target.isContentEditable) return true;
  if (target.tagName === "INPUT") return !["checkbox", "radio", "button", "submit"].includes(target.type);
  return ["TEXTAREA", "SELECT"].includes(target.tagName);
}

/** The key of an event as ACTIONS writes it; null where it is none of ours. AltGr makes letters on many keyboards. */
export function keyOf(event) {
  if (event.isComposing || event.keyCode === 229) return null;
  const letter = event.getModifierState?.("AltGraph") && event.key.length === 1;
  if (letter) return event.key;
  if (event.metaKey || event.altKey) return null;
  if (event.ctrlKey) return event.key === "Enter" ? "Ctrl+Enter" : null;
  return event.key;
}

/** Action by key, with a user's own keys, `{action: key, off: true}`, which go before the others. */
export function keyMap(own) {
  const pairs = ACTIONS.map(([name, key]) => [own[name] ?? key, name]);
  return new Map([...pairs, ...pairs.filter(([, name]) => Object.hasOwn(own, name))]);
}

/** Call `handlers[action](event)` for keys that are pressed; `own()` gives the user's keys as they are now. */
export function listen(handlers, own) {
  document.addEventListener("keydown", (event) => {
    const key = keyOf(event);
    if (key === null || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const action = keyMap(own()).get(key);
    if (!action || !handlers[action] || (event.repeat && !REPEATS.has(action))) return;
    if (!ALWAYS.has(key) && (typing(event.target) || own().off)) return;
    if (key === "Enter" && event.target.closest("button, a, summary, [role=tab]")) return;
    event.preventDefault();
    handlers[action](event);
  });
}
