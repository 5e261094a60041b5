// The API's protocol, as any client would speak it: ask, and where the answer is 202, look where Location points.

/** Seconds between two looks where the API names none. */
const PAUSE = 2;

/** What `curl` and `fetch` both need to place an order: {prompt, client, credential, key, wait in seconds}. */
export function orderRequest({ prompt, client, credential, key, wait }) {
  const headers = { "Content-Type": "application/json", Prefer: wait > 0 ? `wait=${wait}` : "respond-async" };
  if (key) headers["Idempotency-Key"] = key;
  const body = JSON.stringify({ config: { credentials_id: credential, prompt } });
  return { method: "POST", url: imagesUrl(client), headers, body };
}

/** What asks for a picture that was ordered before. */
export function lookRequest(client, imageId) {
  return { method: "GET", url: `${imagesUrl(client)}/${encodeURIComponent(imageId)}`, headers: {} };
}

function imagesUrl(client) {
  return new URL(`/clients/${encodeURIComponent(client)}/images`, window.location.href).href;
}

/**
 * Send a request and follow it to its end, telling on the way:
 * {sent: {method, url}}, {received: {status, seconds}}, {pending: {image_id, status, seconds: until the next look}}.
 * Returns {answer, method: what brought it} or {problem}; throws only what `signal` aborts with.
 */
export async function* follow(request, signal) {
  let asked = request;
  for (;;) {
    yield { sent: { method: asked.method, url: asked.url } };
    const began = performance.now();
    let response;
    let text;
    try {
      response = await fetch(asked.url, { method: asked.method, headers: asked.headers, body: asked.body, signal });
      text = await response.text();
    } catch {
      signal?.throwIfAborted();
      return { problem: unreachable() };
    }
    yield { received: { status: response.status, seconds: (performance.now() - began) / 1000 } };
    const body = parsed(text);
    if (response.status === 200 && body?.data && body._meta_) return { answer: body, method: asked.method };
    const location = response.headers.get("Location");
    if (response.status !== 202 || !body || (!location && asked.method === "POST")) {
      return { problem: problemOf(response, body, text) };
    }
    const seconds = retryAfter(response) ?? PAUSE;
    yield { pending: { ...body, seconds } };
    await pause(seconds, signal);
    asked = { method: "GET", url: location ? new URL(location, response.url).href : asked.url, headers: {} };
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** An answer that is no picture: a problem of RFC 9457, API Gateway's own {message}, or whatever came instead. */
function problemOf(response, body, text) {
  const isProblem = response.headers.get("Content-Type")?.startsWith("application/problem+json") && body;
  const told = isProblem ? body : { detail: body?.message ?? (text.slice(0, 300) || "The answer is empty.") };
  const title = `HTTP ${response.status} ${response.statusText}`.trim();
  return { title, status: response.status, ...told, body, retryAfter: retryAfter(response) };
}

function unreachable() {
  const detail =
    `${window.location.host} did not answer. Is “make serve” still running? The order may have been taken all the ` +
    "same: with its key, trying again buys nothing twice.";
  return { title: "The server cannot be reached", detail, retryable: true };
}

/** Seconds that a response asks to wait (RFC 9110: a number, or a date), or undefined. */
function retryAfter(response) {
  const value = response.headers.get("Retry-After");
  if (!value) return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(seconds, 0.5) : undefined;
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
