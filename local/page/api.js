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

/** Make a call. Returns {status, body}, and the problem or the next call: {problem} or {next, seconds}. */
export async function send(call) {
  let response;
  let body;
  try {
    response = await fetch(call.url, call);
    body = await response.json();
  } catch {
    return { problem: noResponse() };
  }
  const { status, headers } = response;
  const seconds = Number(headers.get("Retry-After")); // the API writes no date
  if (status === 200) return { status, body };
  if (status === 202) {
    const url = new URL(headers.get("Location") ?? call.url, call.url).href;
    return { status, body, next: { method: "GET", url, headers: {} }, seconds: seconds || PAUSE };
  }
  // A problem of RFC 9457, or API Gateway's {message}.
  const known = { title: `HTTP ${status}`, status, detail: body.message, ...body };
  return { status, body, problem: { ...known, retryAt: Date.now() + seconds * 1000 } };
}

function noResponse() {
  const detail =
    `Is “make serve” still running at ${window.location.host}? The request may have arrived: with its key, sending ` +
    "it again buys nothing twice.";
  return { title: "The API did not respond", detail, retryable: true, unreachable: true };
}
