// The API's protocol, as any client speaks it: POST, and after a 202 GET its Location until the picture is there.

/** Seconds between two calls where the API names none. */
const PAUSE = 2;

/** Fields of the form that are options of the Images API. Empty: not given. */
export const OPTIONS = ["quality", "size", "output_format", "output_compression", "background"];

/** The call that requests a picture. request: {prompt, client, credential, key, wait: seconds, more: JSON text, OPTIONS}. */
export function postCall({ prompt, client, credential, key, wait, more, ...fields }) {
  const prefer = wait > 0 ? `wait=${wait}` : "respond-async";
  const headers = { "Content-Type": "application/json", "Idempotency-Key": key, Prefer: prefer };
  const event = more.trim() ? JSON.parse(more) : {};
  const given = OPTIONS.filter((name) => fields[name]).map((name) => [name, optionOf(name, fields[name])]);
  const options = given.length > 0 && { options: Object.fromEntries(given) };
  const config = { credentials_id: credential, ...(prompt && { prompt }), ...options, ...event.config };
  return { method: "POST", url: imagesUrl(client), headers, body: JSON.stringify({ ...event, config }) };
}

function optionOf(name, text) {
  return name === "output_compression" && /^\d+$/.test(text) ? Number(text) : text;
}

/** The call that reads a picture, or its status. It buys nothing. */
export function getCall(client, imageId) {
  return { method: "GET", url: `${imagesUrl(client)}/${encodeURIComponent(imageId)}`, headers: {} };
}

/** The client's budget of this month, or undefined if it bought nothing under one. */
export async function budgetOf(client) {
  try {
    const response = await fetch(clientUrl(client, "budget"));
    return response.ok ? await response.json() : undefined;
  } catch {
    return undefined;
  }
}

function imagesUrl(client) {
  return clientUrl(client, "images");
}

function clientUrl(client, part) {
  return new URL(`/clients/${encodeURIComponent(client)}/${part}`, window.location.href).href;
}

/** The curl command of a call, for any POSIX shell. */
export function curlCommand({ url, headers, body }) {
  const quoted = (text) => `'${text.replaceAll("'", String.raw`'\''`)}'`;
  const lines = [`curl --include ${quoted(url)}`];
  for (const [name, value] of Object.entries(headers)) lines.push(`--header ${quoted(`${name}: ${value}`)}`);
  if (body) lines.push(`--data-raw ${quoted(body)}`);
  return lines.join(" \\\n  ");
}

/**
 * Make a call and follow it to its end. Yields {sent: {method, url}}, {received: {status, seconds}} and
 * {pending: {image_id, status, seconds: until the next call}}. Returns {answer, method} or {problem}.
 * Throws only the reason of `signal`.
 */
export async function* follow(call, signal) {
  for (;;) {
    yield { sent: call };
    const began = performance.now();
    let response;
    let text;
    try {
      response = await fetch(call.url, { method: call.method, headers: call.headers, body: call.body, signal });
      text = await response.text();
    } catch {
      signal.throwIfAborted();
      return { problem: unreachable() };
    }
    yield { received: { status: response.status, seconds: (performance.now() - began) / 1000 } };
    const body = parsed(text);
    if (response.status === 200 && body?.data && body._meta_) return { answer: body, method: call.method };
    const location = response.headers.get("Location");
    if (response.status !== 202 || !body || (!location && call.method === "POST")) {
      return { problem: problemOf(response, body, text) };
    }
    const seconds = retryAfter(response) ?? PAUSE;
    yield { pending: { ...body, seconds } };
    await pause(seconds, signal);
    call = { method: "GET", url: location ? new URL(location, response.url).href : call.url, headers: {} };
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A problem of RFC 9457, API Gateway's {message}, or any other text. */
function problemOf(response, body, text) {
  const isProblem = response.headers.get("Content-Type")?.startsWith("application/problem+json") && body;
  const known = isProblem ? body : { detail: body?.message ?? (text.slice(0, 300) || "The response is empty.") };
  const title = `HTTP ${response.status} ${response.statusText}`.trim();
  return { title, status: response.status, ...known, body, retryAfter: retryAfter(response) };
}

function unreachable() {
  const detail =
    `${window.location.host} did not respond. Is “make serve” still running? The request may have arrived: with its ` +
    "key, sending it again buys nothing twice.";
  return { title: "No connection to the server", detail, retryable: true, unreachable: true };
}

/** The seconds of Retry-After (RFC 9110: a number, or a date), or undefined. */
function retryAfter(response) {
  const value = response.headers.get("Retry-After");
  if (!value) return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(seconds, 0.5) : undefined;
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
