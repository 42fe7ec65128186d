// What changed between two texts, by words.
import { el } from "/static/dom.js";

const MOST = 4_000_000;

/** [kind, text] with kind "=", "-" or "+"; the texts of = and - give `before`, those of = and + give `after`. */
export function words(before, after) {
  const [a, b] = [before.match(/\s+|[^\s]+/g) ?? [], after.match(/\s+|[^\s]+/g) ?? []];
  let [head, tail] = [0, 0];
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  const middle = changes(a.slice(head, a.length - tail), b.slice(head, b.length - tail));
  return joined([["=", a.slice(0, head).join("")], ...middle, ["=", a.slice(a.length - tail).join("")]]);
}

function changes(a, b) {
  if (a.length * b.length > MOST) return [["-", a.join("")], ["+", b.join("")]];
  const wide = b.length + 1;
  const common = new Uint32Array((a.length + 1) * wide);
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      common[i * wide + j] =
        a[i] === b[j] ? common[(i + 1) * wide + j + 1] + 1 : Math.max(common[(i + 1) * wide + j], common[i * wide + j + 1]);
  const found = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) found.push(["=", a[i++]]), j++;
    else if (j >= b.length || (i < a.length && common[(i + 1) * wide + j] >= common[i * wide + j + 1])) found.push(["-", a[i++]]);
    else found.push(["+", b[j++]]);
  }
  return found;
}

function joined(pieces) {
  const made = [];
  for (const [kind, text] of pieces) {
    if (!text) continue;
    if (made.at(-1)?.[0] === kind) made.at(-1)[1] += text;
    else made.push([kind, text]);
  }
  return made;
}

/** The difference as an element. */
export function diffView(before, after) {
  const tags = { "=": "span", "-": "del", "+": "ins" };
  return el("div", { class: "diff", dir: "auto" }, words(before, after).map(([kind, text]) => el(tags[kind], {}, text)));
}
