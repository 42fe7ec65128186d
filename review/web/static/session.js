// One assignment between the page and the server: its version and lease, drafts, signs of life, conflicts.
import { call } from "/static/api.js";
import { forget, keep } from "/static/store.js";

const DRAFT_MS = 1000;
const RETRY_MS = 5000;
const BEAT_S = 60;
export const AT_WORK = ["leased", "marking", "rewriting", "generating"];

/**
 * Hold an assignment. `page` has: draft() → what to keep; saved(state) with saved, unsaved, offline;
 * conflict(problem) → a promise of "mine" or "server"; changed(view, whose); beaten() after a sign of life.
 */
export class Session {
  #page;
  #turn = Promise.resolve();
  #timer = null;
  #seconds = 0;

  constructor(view, page) {
    this.view = view;
    this.#page = page;
    addEventListener("online", () => this.#dirty() && this.#save());
    setInterval(() => this.#tick(), 1000);
  }

  get mayChange() {
    return this.view.lease !== null && AT_WORK.includes(this.view.state);
  }

  /** Do something; gives the assignment after it, or null where it was settled otherwise. Throws other ApiErrors. */
  act(action, body = {}) {
    return this.#inTurn(async () => {
      const view = await this.#held("POST", action, body);
      if (view?.id) this.view = view;
      return view;
    });
  }

  /** Something changed: keep it here at once, send it after a while. */
  touched() {
    if (!this.mayChange) return;
    keep(this.view.id, this.view.version, this.#page.draft());
    this.#page.saved("unsaved");
    this.#later(DRAFT_MS);
  }

  /** The assignment as the server has it now. */
  async refresh() {
    return this.#inTurn(async () => {
      this.view = await call("GET", `/api/assignments/${this.view.id}`);
      return this.view;
    });
  }

  /** The lease anew; gives false where somebody else has the trace by now. */
  async retake() {
    const view = await call("POST", "/api/claim", {});
    if (view?.id !== this.view.id) return false;
    this.view = view;
    return true;
  }

  #inTurn(work) {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => null);
    return done;
  }

  async #held(method, action, body) {
    const { id, version, lease } = this.view;
    try {
      return await call(method, `/api/assignments/${id}/${action}`, { ...body, token: lease?.token ?? "", version });
    } catch (error) {
      if (error.status !== 409 || !error.problem.current) throw error;
      await this.#settle(error.problem);
      return null;
    }
  }

  async #settle(problem) {
    clearTimeout(this.#timer);
    this.#timer = null;
    const whose = await this.#page.conflict(problem);
    this.view = problem.current;
    if (whose === "mine" && this.view.lease === null && !(await this.retake())) location.assign("/review");
    if (whose === "server") forget(this.view.id);
    this.#page.changed(this.view, whose);
    if (whose === "mine") this.touched();
  }

  #dirty() {
    return this.#timer !== null;
  }

  #later(wait) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#save(), wait);
  }

  #save() {
    clearTimeout(this.#timer);
    this.#timer = null;
    return this.#inTurn(async () => {
      if (!this.mayChange) return;
      try {
        const told = await this.#held("PUT", "draft", { draft: this.#page.draft() });
        if (!told) return;
        this.view.version = told.version;
        if (this.#timer === null) {
          forget(this.view.id);
          this.#page.saved("saved");
        }
      } catch (error) {
        this.#page.saved(error.status === 0 ? "offline" : "unsaved", error.message);
        if (error.status === 0 || error.status >= 500) this.#later(RETRY_MS);
      }
    });
  }

  async #tick() {
    if (document.visibilityState !== "visible" || !this.mayChange) return;
    this.#seconds += 1;
    if (this.#seconds < BEAT_S) return;
    const seconds = this.#seconds;
    this.#seconds = 0;
    try {
      this.view.lease = await call("POST", `/api/assignments/${this.view.id}/heartbeat`, { token: this.view.lease.token, seconds });
      this.#page.beaten();
    } catch (error) {
      if (error.status === 409 && error.problem.current) await this.#inTurn(() => this.#settle(error.problem));
      else this.#page.saved(error.status === 0 ? "offline" : "unsaved", error.message);
    }
  }
}
