// What the page shows: the result (nothing, waiting, a picture, a problem), the calls, and the list of requests.

import { curlCommand } from "./api.js";

export const at = (id) => document.getElementById(id);
let shown = {};

/** Show an exchange as far as it has come. */
export function show(exchange) {
  const { answer, problem, body, call, calls, words } = exchange;
  shown = exchange;
  turn(answer ? "picture" : problem ? "problem" : "waiting");
  say(words);
  at("wire").replaceChildren(
    ...calls.map(({ method, url, result }) => element("li", `${method} ${new URL(url).pathname} ${result}`)),
  );
  at("curl").textContent = curlCommand(call);
  at("json").textContent = JSON.stringify(body, null, 2);
  at("json").closest("details").hidden = !body;
  if (answer) showAnswer(exchange);
  if (problem) showProblem(problem);
  showTimes();
}

export function showNothing(words) {
  turn("");
  say(words);
}

/** Write the line above the result. Screen readers speak it. */
export function say(words) {
  at("status").textContent = words;
}

function showAnswer({ answer: { data, _meta_: meta }, request, origin }) {
  at("picture").src = data.urlPath;
  at("picture").alt = meta.prompt;
  at("link").href = data.urlPath;
  showFacts("facts", {
    Origin: origin,
    Prompt: meta.prompt,
    Key: request.idempotency_key,
    "Image id": meta.image_id,
    Model: meta.model,
    Price: meta.cost_usd && `${meta.cost_usd.toFixed(4)} USD`,
    Tokens: meta.usage && `${meta.usage.input_tokens} in, ${meta.usage.output_tokens} out`,
    Type: meta.content_type,
    Options: meta.options && Object.entries(meta.options).map((option) => option.join(" ")).join(", "),
    "Content credentials": meta.content_credentials,
    "Provider's request id": meta.openai_request_id,
  });
}

function showProblem(problem) {
  at("problem-title").textContent = problem.title;
  at("problem-detail").textContent = problem.detail ?? "";
  showFacts("problem-facts", {
    Code: problem.code,
    Status: problem.status,
    Retryable: problem.retryable ? "yes" : "no",
    Categories: problem.categories?.join(", "),
    "Provider's request id": problem.provider_request_id,
  });
  at("retry").hidden = !problem.retryable;
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

/** Show the kept requests. choose: takes the request of the button that is pressed. */
export function showRequests(requests, choose) {
  const words = { open: "in progress", ready: "ready" };
  const items = requests.map((request) => {
    const status = element("span", words[request.status] ?? request.status);
    status.className = "state";
    const button = element("button", element("span", request["config.prompt"] || request.idempotency_key), status);
    button.type = "button";
    button.addEventListener("click", () => choose(request));
    return element("li", button);
  });
  const focused = [...at("requests").children].findIndex((item) => item.contains(document.activeElement));
  at("requests").replaceChildren(...items);
  at("kept").hidden = items.length === 0;
  if (focused >= 0) items[Math.min(focused, items.length - 1)]?.firstElementChild.focus();
}

/** Change the result. The focus does not get lost with a button that disappears. */
function turn(state) {
  for (const part of document.querySelectorAll("[data-in]")) {
    const isHidden = !part.dataset.in.split(" ").includes(state);
    if (isHidden && part.contains(document.activeElement)) at("result").focus();
    part.hidden = isHidden;
  }
}

/** Show the times that pass. */
function showTimes() {
  const { began, answer, problem } = shown;
  const secondsTo = (time) => Math.max(0, Math.ceil((time - Date.now()) / 1000));
  at("elapsed").textContent = Math.floor((Date.now() - began) / 1000);
  const minutes = Math.ceil(secondsTo(Date.parse(answer?._meta_.url_expires_at)) / 60);
  at("link-time").textContent = minutes > 0 ? `link works for ${minutes} min` : "link has expired";
  const wait = secondsTo(problem?.retryAt ?? 0);
  at("retry").disabled = wait > 0;
  at("retry-when").textContent = wait > 0 ? `in ${wait} s (Retry-After)` : "";
}
setInterval(showTimes, 1000);

function showFacts(id, facts) {
  const known = Object.entries(facts).filter(([, value]) => value);
  at(id).replaceChildren(
    ...known.map(([name, value]) => element("div", element("dt", name), element("dd", String(value)))),
  );
}

function element(name, ...content) {
  const made = document.createElement(name);
  made.append(...content);
  return made;
}
