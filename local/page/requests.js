// The last requests of this browser, newest first. Every tab reads them, so a closed tab loses no open request.
// One request: {prompt, client, credential, key, wait, more, imageId?, status: "open" | "ready" | an error's code}.

const STORED = "generate-image.requests";
const MOST = 12;

export function keptRequests() {
  try {
    const kept = JSON.parse(localStorage.getItem(STORED));
    return Array.isArray(kept) ? kept : [];
  } catch {
    return [];
  }
}

/** Add a request, or change the one with its client and key. */
export function keep(request) {
  const kept = keptRequests();
  const at = kept.findIndex((other) => isSame(other, request));
  if (at >= 0) kept[at] = request;
  else kept.unshift(request);
  localStorage.setItem(STORED, JSON.stringify(kept.slice(0, MOST)));
}

export function forget(request) {
  localStorage.setItem(STORED, JSON.stringify(keptRequests().filter((other) => !isSame(other, request))));
}

export function isSame(one, other) {
  return one?.key === other?.key && one?.client === other?.client;
}

/** Call `change` when another tab has changed the requests. */
export function onChange(change) {
  window.addEventListener("storage", ({ key }) => key === STORED && change());
}
