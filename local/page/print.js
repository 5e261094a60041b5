// The sheet in the middle: blank, waiting, a picture, or what went wrong; and beneath it what went over the wire.

import { curlLine } from "./curl.js";
import { clock, countDown, countUp } from "./ticking.js";

const at = (id) => document.getElementById(id);
let stopTicking = () => {};

/** A request sets out: forget what the sheet showed, count the seconds. */
export function showWaiting(request, words) {
  turn("waiting");
  at("answer").hidden = true;
  at("wire").replaceChildren();
  at("curl").textContent = curlLine(request);
  at("json").closest("details").hidden = true;
  at("evidence").hidden = false;
  stopTicking = countUp((seconds) => (at("elapsed").textContent = seconds));
  showDoing(words);
}

/** Say what is being done, to the eye and to the ear. */
export function showDoing(words) {
  at("doing").textContent = words;
  say(words);
}

export function say(words) {
  at("status").textContent = words;
}

/** Nobody waits any more, and nothing is known. */
export function showBlank(words) {
  turn("blank");
  at("blank").textContent = words;
  at("answer").hidden = true;
  say(words);
}

export function showSent({ method, url }) {
  const line = element("li", element("code", `${method} ${new URL(url).pathname}`), " ", element("span", "…"));
  at("wire").append(line);
}

export function showReceived({ status, seconds }) {
  at("wire").lastElementChild.lastElementChild.textContent = `${status} after ${seconds.toFixed(1)} s`;
}

/**
 * Show an answer. method: what brought it, POST or GET. reorder: whether there is an order that could be sent again,
 * with its key.
 */
export async function showAnswer(answer, { method, reorder, signal }) {
  const { data, _meta_: meta } = answer;
  const picture = at("picture");
  picture.src = data.urlPath;
  picture.alt = meta.prompt;
  try {
    await picture.decode();
  } catch {
    signal.throwIfAborted();
    const detail = "The API answered, but its link gives no picture. It may have expired.";
    showProblem({ title: "The picture cannot be shown", detail, retryable: true, body: answer });
    return;
  }
  signal.throwIfAborted();
  turn("answer");
  at("caption").textContent = meta.prompt;
  at("badges").replaceChildren(...badges(meta, method).map(([text, kind]) => badge(text, kind)));
  at("link").href = data.urlPath;
  at("again").hidden = !reorder;
  at("answer").hidden = false;
  showJson(answer, "The answer");
  stopTicking = meta.url_expires_at ? countDown(Date.parse(meta.url_expires_at), showTimeLeft) : () => {};
  say(`The picture is here: ${bought(meta, method)[0]}.`);
}

function badges(meta, method) {
  return [
    bought(meta, method),
    meta.model && [meta.model],
    meta.cost_usd !== undefined && [`${meta.cost_usd.toFixed(4)} USD`],
    meta.usage && [`${meta.usage.input_tokens} + ${meta.usage.output_tokens} tokens`],
    meta.content_type && [meta.content_type],
    [meta.image_id],
  ].filter(Boolean);
}

/** To a GET, every picture is one that an earlier request bought: `replayed` says nothing of the order before it. */
function bought(meta, method) {
  if (method === "GET") return ["found by GET"];
  return meta.replayed ? ["replayed: nothing was bought", "good"] : ["bought now"];
}

function showTimeLeft(left) {
  at("link-time").textContent = left > 0 ? `works for another ${clock(left)}` : "has expired";
  at("link-time").classList.toggle("over", left === 0);
}

/** Show a problem as it is: {title, detail, code, status, retryable, errors, body, retryAfter in seconds}. */
export function showProblem(problem) {
  turn("problem");
  at("answer").hidden = true;
  at("problem-title").textContent = problem.title;
  at("problem-detail").textContent = problem.detail ?? "";
  at("problem-fields").replaceChildren(
    ...(problem.errors ?? []).map(({ field, problem: text }) => element("li", element("code", field), ` ${text}`)),
  );
  const facts = {
    code: problem.code,
    status: problem.status,
    retryable: problem.retryable === undefined ? undefined : problem.retryable ? "yes" : "no",
    categories: problem.categories?.join(", ") || undefined,
  };
  at("problem-facts").replaceChildren(...Object.entries(facts).flatMap(fact));
  showRetry(problem);
  if (problem.body) showJson(problem.body, "The problem document");
  say(`${problem.title}. ${problem.detail ?? ""}`);
  if (!document.activeElement.matches("input, textarea, select")) at("problem").focus();
}

function showRetry({ retryable, retryAfter }) {
  at("retry").hidden = !retryable;
  at("retry-when").textContent = "";
  if (!retryable || !retryAfter) {
    at("retry").disabled = false;
    return;
  }
  stopTicking = countDown(Date.now() + retryAfter * 1000, (left) => {
    at("retry").disabled = left > 0;
    at("retry-when").textContent = left > 0 ? `Retry-After: in ${clock(left)}` : "";
  });
}

function showJson(value, title) {
  at("json").textContent = JSON.stringify(value, null, 2);
  at("json-title").textContent = title;
  at("json").closest("details").hidden = false;
}

/** Change the sheet. Whoever stood on a button that goes away is put on the sheet, not back at the page's start. */
function turn(state) {
  const { activeElement } = document;
  if (at("paper").contains(activeElement) || at("answer").contains(activeElement)) at("print").focus();
  stopTicking();
  stopTicking = () => {};
  at("paper").dataset.state = state;
  for (const part of at("paper").children) part.hidden = part.dataset.in !== state;
}

function fact([name, value]) {
  return value === undefined ? [] : [element("div", element("dt", name), element("dd", String(value)))];
}

function badge(text, kind) {
  const item = element("li", text);
  if (kind) item.className = kind;
  return item;
}

function element(name, ...content) {
  const made = document.createElement(name);
  made.append(...content);
  return made;
}
