// Drafts that the server does not have yet, kept in this browser while the network is lost.

const name = (id) => `tracemill-draft-${id}`;

/** Keep what was made for a version of an assignment. */
export function keep(id, version, draft) {
  try {
    localStorage.setItem(name(id), JSON.stringify({ version, draft }));
  } catch {
    // Full or switched off: the server still gets every draft while the network is there.
  }
}

/** {version, draft}, or null. */
export function kept(id) {
  try {
    return JSON.parse(localStorage.getItem(name(id)));
  } catch {
    return null;
  }
}

/** The server has it. */
export function forget(id) {
  try {
    localStorage.removeItem(name(id));
  } catch {
    // Nothing was kept.
  }
}
