// Takes the next trace and goes to it; where there is none the queue says why.
import { call } from "/static/api.js";
import { say } from "/static/dom.js";

try {
  const view = await call("POST", "/api/claim", {});
  location.replace(view ? `/review/${view.id}` : "/?none=1");
} catch (error) {
  say(error.message, "error");
}
