// Calls of the server: JSON both ways, errors as objects.

/** What went wrong: `status` (0: the network is lost), and the server's `problem` {error, message, current}. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.message);
    this.status = status;
    this.problem = problem;
  }
}

/** The parsed answer, null where it is empty; throws an ApiError. */
export async function call(method, path, body) {
  const headers = { "X-CSRF-Token": document.querySelector('meta[name="csrf-token"]')?.content ?? "" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new ApiError(0, { error: "offline", message: "The network is lost." });
  }
  const told = await answer.text();
  if (answer.ok) return told ? JSON.parse(told) : null;
  throw new ApiError(answer.status, problemOf(told, answer.status));
}

function problemOf(told, status) {
  try {
    const found = JSON.parse(told);
    if (found.message) return found;
    if (typeof found.detail === "string") return { error: "refused", message: found.detail };
  } catch {
    // Not JSON: a proxy's own page, which says nothing to a reader.
  }
  return { error: "failed", message: `The server answered ${status}.` };
}
