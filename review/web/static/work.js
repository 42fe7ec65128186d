// What a reviewer makes of a round, as data: {texts, own, ratings, after}. Each function gives a new one, or null.
// texts: the steps; own: whether the reviewer cut them; ratings: -1, 0, 1 or null of each; after: the rewrite, or null.

/** As the server has a round, with the draft laid over it. */
export function workOf(round, draft) {
  const made = {
    texts: round.trace.steps.map((step) => step.text),
    own: false,
    ratings: [...round.ratings],
    after: round.after,
  };
  while (made.ratings.length < made.texts.length) made.ratings.push(null);
  if (!draft || draft.round !== round.number) return made;
  const texts = draft.offsets ? cut(made.texts.join(""), draft.offsets) : made.texts;
  const ratings = texts.map((_, at) => draft.ratings?.[at] ?? null);
  return { texts, own: Boolean(draft.offsets), ratings, after: draft.after ?? null };
}

/** The first wrong step; -1 where none is. */
export const firstWrong = (work) => work.ratings.indexOf(-1);

/** Whether a step stands behind the first wrong one. */
export const isBehind = (work, at) => firstWrong(work) >= 0 && at > firstWrong(work);

/** How many steps are rated, of those that have to be. */
export function rated(work) {
  const of = firstWrong(work) >= 0 ? firstWrong(work) + 1 : work.ratings.length;
  return [work.ratings.slice(0, of).filter((one) => one !== null).length, of];
}

/** Rate a step; behind the first wrong one nothing is rated. */
export function rate(work, at, rating) {
  if (isBehind(work, at)) return null;
  const ratings = [...work.ratings];
  ratings[at] = rating;
  if (rating === -1) ratings.fill(null, at + 1);
  const moved = firstWrong(work) !== ratings.indexOf(-1);
  return { ...work, ratings, after: moved ? null : work.after };
}

/** Rate all that is not rated okay; null where a step is wrong. */
export function rateAll(work) {
  if (firstWrong(work) >= 0) return null;
  return { ...work, ratings: work.ratings.map((one) => one ?? 0) };
}

/** Make a step and the one before it one step; the worse rating stays. */
export function merge(work, at) {
  if (at < 1) return null;
  const texts = [...work.texts];
  texts.splice(at - 1, 2, texts[at - 1] + texts[at]);
  const ratings = [...work.ratings];
  const [first, second] = ratings.splice(at - 1, 2);
  const one = first === null || second === null ? (first === -1 ? -1 : null) : Math.min(first, second);
  ratings.splice(at - 1, 0, one);
  return { texts, own: true, ratings, after: null };
}

/** Make two steps of one, the second from the `caret`th UTF-16 unit on; neither may be blank. */
export function split(work, at, caret) {
  const [first, second] = [work.texts[at].slice(0, caret), work.texts[at].slice(caret)];
  if (!first.trim() || !second.trim() || /^[\uDC00-\uDFFF]/.test(second)) return null;
  const texts = [...work.texts];
  texts.splice(at, 1, first, second);
  const ratings = [...work.ratings];
  ratings.splice(at, 1, null, null);
  return { texts, own: true, ratings, after: null };
}

/** Where steps start, in characters (code points), as the server counts; null where they are the trace's own. */
export function offsets(work) {
  if (!work.own) return null;
  let at = 0;
  return work.texts.map((text) => {
    const start = at;
    at += points(text);
    return start;
  });
}

/** What is sent as a mark. */
export function mark(work) {
  return { first_wrong: firstWrong(work), ratings: work.ratings, offsets: offsets(work) };
}

/** What is sent as a draft. */
export function draftOf(work, round) {
  return { round, ratings: work.ratings, offsets: offsets(work), after: work.after };
}

function points(text) {
  let pairs = 0;
  for (let at = 0; at < text.length; at++) if ((text.charCodeAt(at) & 0xfc00) === 0xd800) pairs++;
  return text.length - pairs;
}

function cut(text, starts) {
  const units = [];
  let [point, unit] = [0, 0];
  for (const start of starts) {
    for (; point < start; point++) unit += (text.charCodeAt(unit) & 0xfc00) === 0xd800 ? 2 : 1;
    units.push(unit);
  }
  return units.map((from, at) => text.slice(from, units[at + 1]));
}
