// What a model writes, as it comes.
import { learn } from "/static/trace.js";

const WAITS_MS = [2000, 4000, 8000, 15000, 30000];

/** Follow a round's job, then what its rewrite did; gives a function that ends it. */
export function follow(session, round, show) {
  const has = round();
  if (has.job && ["queued", "running"].includes(has.job.state)) return stream(session, round, show);
  return has.effect && unknown(has.effect) ? poll(session, round, show, 0) : () => null;
}

const unknown = (effect) => effect.before === null || effect.wrong === null || effect.after === null;

function stream(session, round, show) {
  let later = () => null;
  const source = new EventSource(`/api/assignments/${session.view.id}/events`);
  source.addEventListener("job", (event) => {
    round().job = JSON.parse(event.data);
    show();
  });
  source.addEventListener("trace", (event) => {
    const trace = JSON.parse(event.data);
    const there = round().continuations;
    learn(trace.steps);
    if (!there.some((one) => one.trace_id === trace.trace_id)) there.push(trace);
    show();
  });
  source.addEventListener("done", async () => {
    source.close();
    await session.refresh().then(show, () => null);
    later = round().effect && unknown(round().effect) ? poll(session, round, show, 0) : later;
  });
  return () => (source.close(), later());
}

function poll(session, round, show, tries) {
  let timer = setTimeout(async () => {
    await session.refresh().then(show, () => null);
    if (timer !== null && round().effect && unknown(round().effect) && tries + 1 < WAITS_MS.length) end = poll(session, round, show, tries + 1);
  }, WAITS_MS[tries]);
  let end = () => {
    clearTimeout(timer);
    timer = null;
  };
  return () => end();
}
