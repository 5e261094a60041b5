// What the page shows: the sheet (empty, waiting, a picture, a problem), the calls, and the list of requests.

import { curlCommand } from "./api.js";

export const at = (id) => document.getElementById(id);
let stopClock = () => {};
let drawnRequests = "";

/** Show that a request is under way. */
export function showWaiting(call, words) {
  turn("waiting");
  at("wire").replaceChildren();
  at("curl").textContent = curlCommand(call);
  at("json").closest("details").hidden = true;
  at("evidence").hidden = false;
  const began = Date.now();
  everySecond(() => (at("elapsed").textContent = Math.floor((Date.now() - began) / 1000)));
  showDoing(words);
}

export function showDoing(words) {
  at("doing").textContent = words;
  say(words);
}

/** Say it to screen readers. */
export function say(words) {
  at("status").textContent = words;
}

export function showEmpty(words) {
  turn("empty");
  at("empty").textContent = words;
  say(words);
}

export function showSent({ method, url }) {
  at("wire").append(element("li", element("code", `${method} ${new URL(url).pathname}`), " ", element("span", "…")));
}

export function showReceived({ status, seconds }) {
  at("wire").lastElementChild.lastElementChild.textContent = `${status} after ${seconds.toFixed(1)} s`;
}

/** Show an answer. origin: words on where it comes from. key: its request's, if known. */
export async function showAnswer(answer, { origin, key, signal }) {
  const { data, _meta_: meta } = answer;
  showJson(answer);
  at("picture").src = data.urlPath;
  at("picture").alt = meta.prompt;
  try {
    await at("picture").decode();
  } catch {
    signal.throwIfAborted();
    const detail = "The API responded, but its link leads to no picture. The link may have expired.";
    showProblem({ title: "The picture cannot be shown", detail, retryable: true });
    return;
  }
  signal.throwIfAborted();
  turn("picture");
  showFacts("facts", {
    Origin: origin,
    Prompt: meta.prompt,
    Key: key,
    "Image id": meta.image_id,
    Model: meta.model,
    Price: meta.cost_usd === undefined ? undefined : `${meta.cost_usd.toFixed(4)} USD`,
    Tokens: meta.usage && `${meta.usage.input_tokens} in, ${meta.usage.output_tokens} out`,
    Type: meta.content_type,
    Options: meta.options && Object.entries(meta.options).map((option) => option.join(" ")).join(", "),
    "Content credentials": meta.content_credentials,
    "Provider's request id": meta.openai_request_id,
  });
  at("link").href = data.urlPath;
  at("again").hidden = !key;
  at("answer").hidden = false;
  if (meta.url_expires_at) countDown(Date.parse(meta.url_expires_at), showTimeLeft);
  say(`The picture is here: ${origin}.`);
}

function showTimeLeft(left) {
  at("link-time").textContent = left > 0 ? `link works for ${clock(left)}` : "link has expired";
}

/** Show a problem: {title, detail, code, status, retryable, categories, provider_request_id, body, retryAfter: s}. */
export function showProblem(problem) {
  turn("problem");
  at("problem-title").textContent = problem.title;
  at("problem-detail").textContent = problem.detail ?? "";
  showFacts("problem-facts", {
    Code: problem.code,
    Status: problem.status,
    Retryable: problem.retryable === undefined ? undefined : problem.retryable ? "yes" : "no",
    Categories: problem.categories?.join(", "),
    "Provider's request id": problem.provider_request_id,
  });
  at("retry").hidden = !problem.retryable;
  at("retry").disabled = false;
  at("retry-when").textContent = "";
  if (problem.retryable && problem.retryAfter) {
    countDown(Date.now() + problem.retryAfter * 1000, (left) => {
      at("retry").disabled = left > 0;
      at("retry-when").textContent = left > 0 ? `in ${clock(left)} (Retry-After)` : "";
    });
  }
  if (problem.body) showJson(problem.body);
  say(`${problem.title}. ${problem.detail ?? ""}`);
  if (!document.activeElement.matches("input, textarea, select")) at("problem").focus();
}

/** Show a client's budget, or none. */
export function showBudget(budget) {
  at("budget").hidden = !budget;
  if (!budget) return;
  const usd = (amount) => amount.toFixed(4);
  at("budget").textContent =
    `Budget of ${budget.month}: ${usd(budget.settled_usd)} of ${usd(budget.limit_usd)} USD are spent, ` +
    `${usd(budget.reserved_usd)} reserved, ${usd(budget.remaining_usd)} left.`;
}

/** Show notes beside fields of the form. notes: {name of a field: text}. Returns whether there is one. */
export function showFieldProblems(notes) {
  for (const note of document.querySelectorAll(".field .problem")) {
    const name = note.id.replace("-problem", "");
    note.textContent = notes[name] ?? "";
    note.hidden = !notes[name];
    if (notes[name]) at(name).setAttribute("aria-invalid", "true");
    else at(name).removeAttribute("aria-invalid");
  }
  for (const details of Object.keys(notes).map((name) => at(name).closest("details"))) if (details) details.open = true;
  return Object.keys(notes).length > 0;
}

/** Show the kept requests. choose: takes the request of the button that is pressed. */
export function showRequests(requests, choose) {
  // New buttons would take the focus away from the old ones for nothing.
  if (JSON.stringify(requests) === drawnRequests) return;
  drawnRequests = JSON.stringify(requests);
  at("kept").hidden = requests.length === 0;
  const words = { open: "in progress", ready: "ready" };
  const items = requests.map((request) => {
    const status = element("span", words[request.status] ?? request.status);
    status.className = "state";
    const button = element("button", element("span", request.prompt || request.key), status);
    button.type = "button";
    button.addEventListener("click", () => choose(request));
    return element("li", button);
  });
  const focused = [...at("requests").children].findIndex((item) => item.contains(document.activeElement));
  at("requests").replaceChildren(...items);
  if (focused >= 0) items[Math.min(focused, items.length - 1)]?.firstElementChild.focus();
}

/** Change the sheet. The focus does not get lost with a button that disappears. */
function turn(state) {
  const { activeElement } = document;
  if (at("sheet").contains(activeElement) || at("answer").contains(activeElement)) at("result").focus();
  stopClock();
  at("sheet").dataset.state = state;
  for (const part of at("sheet").children) part.hidden = part.dataset.in !== state;
  at("answer").hidden = true;
}

function showJson(value) {
  at("json").textContent = JSON.stringify(value, null, 2);
  at("json").closest("details").hidden = false;
}

function showFacts(id, facts) {
  const known = Object.entries(facts).filter(([, value]) => value !== undefined && value !== "");
  at(id).replaceChildren(
    ...known.map(([name, value]) => element("div", element("dt", name), element("dd", String(value)))),
  );
}

function element(name, ...content) {
  const made = document.createElement(name);
  made.append(...content);
  return made;
}

/** Call `tick` with the seconds until `end` (ms since the epoch), the last time with 0. */
function countDown(end, tick) {
  everySecond(() => {
    const left = Math.max(0, Math.ceil((end - Date.now()) / 1000));
    tick(left);
    if (left === 0) stopClock();
  });
}

function everySecond(tick) {
  stopClock();
  const timer = setInterval(tick, 1000);
  stopClock = () => clearInterval(timer);
  tick();
}

/** 75 → "1:15". */
function clock(seconds) {
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const parts = hours ? [hours, String(minutes).padStart(2, "0")] : [minutes];
  return [...parts, String(rest).padStart(2, "0")].join(":");
}
