// The API's protocol, as any client speaks it: POST, and after a 202 GET its Location until the picture is there.

const CONFIG = "config.";
const OPTION = "config.options.";
/** Seconds between two calls where the API names none. */
const PAUSE = 2;

/** The call that requests a picture. request: the fields of the form, named as in the event; empty: not given. */
export function postCall({ client_id, idempotency_key, wait, more, ...fields }) {
  const event = more.trim() ? JSON.parse(more) : {};
  const config = {};
  const options = {};
  for (const [name, text] of Object.entries(fields)) {
    if (name.startsWith(OPTION) && text) options[name.slice(OPTION.length)] = text;
    else if (name.startsWith(CONFIG) && text) config[name.slice(CONFIG.length)] = text;
  }
  if (options.output_compression) options.output_compression = Number(options.output_compression);
  if (Object.keys(options).length > 0) config.options = options;
  const prefer = wait === "0" ? "respond-async" : `wait=${wait}`;
  return {
    method: "POST",
    url: clientUrl(client_id, "images"),
    headers: { "Content-Type": "application/json", "Idempotency-Key": idempotency_key, Prefer: prefer },
    body: JSON.stringify({ ...event, config: { ...config, ...event.config } }),
  };
}

/** The call that reads a picture, or its status. It buys nothing. */
export function getCall({ client_id, imageId }) {
  return { method: "GET", url: clientUrl(client_id, `images/${imageId}`), headers: {} };
}

/** The client's budget of this month, or undefined if it bought nothing under one. */
export async function budgetOf(clientId) {
  const { status, body } = await send({ url: clientUrl(clientId, "budget") });
  return status === 200 ? body : undefined;
}

function clientUrl(clientId, path) {
  return new URL(`/clients/${encodeURIComponent(clientId)}/${path}`, window.location.href).href;
}

/** The curl command of a call, for any POSIX shell. */
export function curlCommand({ url, headers, body }) {
  const quoted = (text) => `'${text.replaceAll("'", String.raw`'\''`)}'`;
  const lines = [`curl --include ${quoted(url)}`];
  for (const [name, value] of Object.entries(headers)) lines.push(`--header ${quoted(`${name}: ${value}`)}`);
  if (body) lines.push(`--data-raw ${quoted(body)}`);
  return lines.join(" \\\n  ");
}

/** Make a call. Returns {status, body} with the picture, a problem, or the next call and its time: {next, seconds}. */
export async function send(call) {
  let response;
  let text;
  try {
    response = await fetch(call.url, call);
    text = await response.text();
  } catch {
    return { problem: unreachable() };
  }
  const { status } = response;
  const body = parsed(text);
  if (status === 200 && body) return { status, body };
  if (status !== 202 || !body) return { status, body, problem: problemOf(response, body, text) };
  const url = new URL(response.headers.get("Location") ?? call.url, call.url).href;
  return { status, body, next: { method: "GET", url, headers: {} }, seconds: retryAfter(response) ?? PAUSE };
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
  const known = isProblem || { detail: body?.message ?? (text.slice(0, 300) || "The response is empty.") };
  const title = `HTTP ${response.status} ${response.statusText}`.trim();
  return { title, status: response.status, ...known, retryAt: Date.now() + (retryAfter(response) ?? 0) * 1000 };
}

function unreachable() {
  const detail =
    `${window.location.host} did not respond. Is “make serve” still running? The request may have arrived: with its ` +
    "key, sending it again buys nothing twice.";
  return { title: "No connection to the server", detail, retryable: true, unreachable: true };
}

/** The seconds of Retry-After, or undefined. The API writes no date. */
function retryAfter(response) {
  return Number(response.headers.get("Retry-After")) || undefined;
}
