// Elements without markup: whatever a text says, it stays text.

/** An element; attributes that are null or false are left out, `onX` are listeners, strings become text. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

const HIDDEN = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** A text with what would hide, or turn what follows it around, as its code; as `legible` of `review/render.py`. */
export function legible(text) {
  return text.replace(HIDDEN, (char) => `[U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}]`);
}

/** An element around HTML that `review/render.py` made, and nobody else. */
export function rendered(html, tag = "div", attributes = {}) {
  const made = el(tag, attributes);
  made.innerHTML = html;
  return made;
}

/** An icon of the page's sprite. */
export function icon(name) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  made.setAttribute("aria-hidden", "true");
  made.setAttribute("class", "icon");
  use.setAttribute("href", `#${name}`);
  made.append(use);
  return made;
}

/** Say something to everyone, screen readers too. */
export function say(text, kind = "") {
  const status = document.getElementById("status");
  status.textContent = text;
  status.dataset.kind = kind;
}
