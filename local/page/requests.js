// The last requests of this browser, newest first. Every tab reads them, so a closed tab loses no open request.
// One request: the fields of the form, imageId?, status: "open" | "ready" | an error's code.

const STORED = "generate-image";
const MOST = 12;
let changed = () => {};

export function keptRequests() {
  return JSON.parse(localStorage.getItem(STORED) ?? "[]");
}

/** Add a request, or change the one with its client and key. */
export function keep(request) {
  const kept = keptRequests();
  const place = kept.findIndex((other) => isSame(other, request));
  if (place >= 0) kept[place] = request;
  else kept.unshift(request);
  store(kept.slice(0, MOST));
}

export function forget(request) {
  store(keptRequests().filter((other) => !isSame(other, request)));
}

export function isSame(one, other) {
  return one.idempotency_key === other.idempotency_key && one.client_id === other.client_id;
}

/** Call `change` when this tab or another has changed the requests. */
export function onChange(change) {
  changed = change;
  window.addEventListener("storage", ({ key }) => key === STORED && changed());
}

function store(requests) {
  localStorage.setItem(STORED, JSON.stringify(requests));
  changed();
}
