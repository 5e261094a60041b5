// The form, its buttons, and the requests under way.
// One exchange: {request, call: the first one, calls: [{method, url, result}], began: ms, words,
// and at the end: body, answer | problem, origin}.

import { budgetOf, getCall, postCall, send } from "./api.js";
import { forget, isSame, keep, keptRequests, onChange } from "./requests.js";
import * as view from "./view.js";

const { at } = view;
const form = at("form");
/** The field of the form that an error, or another field of the event, is about. */
const FIELDS = {
  CredentialsError: "config.credentials_id",
  IdempotencyKeyReusedError: "idempotency_key",
  prompt: "config.prompt",
};
/** Milliseconds until an open request is followed again after a connection was lost. */
const PAUSE = 5000;

const running = new Set(); // the exchanges that have no end yet
let shown; // the exchange in the result

function requestInForm() {
  return Object.fromEntries(new FormData(form));
}

function fill(request) {
  for (const control of form.elements) if (control.name) control.value = request[control.name];
}

function renewKey() {
  form.elements.idempotency_key.value = crypto.randomUUID();
}

/** Send a request. With a key that was sent before, the API returns the same picture. */
function post(request) {
  const open = exchangeOf(request);
  if (open) { // a double click
    show(open);
    return;
  }
  const sent = { ...request, status: "open" };
  show(start(sent, postCall(sent), sent.wait === "0" ? "Sent." : `Sent. The API waits up to ${sent.wait} s.`));
  keep(sent);
}

/** Read a picture whose id is known. */
function get(request) {
  return start(request, getCall(request), "Reading the picture.");
}

/** Continue a request that was sent before. */
function resume(request) {
  const open = exchangeOf(request);
  if (open || request.imageId) return open ?? get(request);
  return start(request, postCall({ ...request, wait: "0" }), "Sent before.");
}

function exchangeOf(request) {
  return [...running].find((exchange) => isSame(exchange.request, request));
}

function start(request, call, words) {
  const exchange = { request, call, words, calls: [], began: Date.now() };
  running.add(exchange);
  follow(exchange);
  return exchange;
}

function show(exchange) {
  shown = exchange;
  mark(exchange.problem);
  view.show(exchange);
}

/** Make the calls of an exchange until it has an answer or a problem. */
async function follow(exchange) {
  const { request, calls } = exchange;
  let result = { next: exchange.call };
  while (result.next) {
    const call = { ...result.next, result: "…" };
    calls.push(call);
    if (exchange === shown) show(exchange);
    const began = performance.now();
    result = await send(result.next);
    call.result = `${result.status ?? "no response"} after ${((performance.now() - began) / 1000).toFixed(1)} s`;
    if (!result.next) break;
    request.imageId = result.body.image_id;
    keep(request);
    exchange.words = `Not ready yet: ${result.body.status}. Next look in ${Math.round(result.seconds)} s.`;
    if (exchange === shown) show(exchange);
    await new Promise((resolve) => setTimeout(resolve, result.seconds * 1000));
  }
  running.delete(exchange);
  end(exchange, result);
}

/** Save the end of a request: ready, failed, or unknown to the API. A lost connection leaves it open. */
function end(exchange, { body, problem }) {
  const { request } = exchange;
  if (problem) {
    Object.assign(exchange, { problem, body, words: "The request failed." });
    if (problem.code === "ImageNotFoundError") forget(request);
    else if (problem.unreachable) setTimeout(resumeOpen, PAUSE);
    else keep(Object.assign(request, { status: problem.code ?? problem.title }));
  } else {
    const origin = originOf(exchange, body);
    Object.assign(exchange, { answer: body, body, origin, words: `The picture is here: ${origin}.` });
    keep(Object.assign(request, { status: "ready", imageId: body._meta_.image_id }));
    if (exchange.call.method === "POST" && isSame(request, requestInForm())) renewKey();
  }
  if (exchange === shown) show(exchange);
  showBudget();
}

/** To a GET, an earlier request bought every picture: `replayed` then says nothing of the POST before it. */
function originOf({ call, calls }, { _meta_: meta }) {
  if (calls.length > 1) return "bought now";
  if (call.method === "GET") return "bought before, read again";
  return meta.replayed ? "replayed: nothing was bought" : "bought now";
}

/** Mark the fields of the form that a problem is about. */
function mark({ code, errors = [] } = {}) {
  const names = errors.map(({ field }) => FIELDS[field] ?? (form.elements[field] ? field : "more"));
  for (const control of form.elements) {
    const isWrong = control.name !== "" && [FIELDS[code], ...names].includes(control.name);
    control.ariaInvalid = isWrong ? "true" : null;
    if (isWrong) reveal(control);
  }
}

function reveal(control) {
  control.closest("details")?.setAttribute("open", "");
}

/** Show the money of the client in the form, if the server has budgets. */
async function showBudget() {
  if (document.documentElement.dataset.budget === undefined) return;
  view.showBudget(await budgetOf(form.elements.client_id.value));
}

/** Follow every open request, so that its line in the list changes by itself. */
function resumeOpen() {
  for (const request of keptRequests()) if (request.status === "open") resume(request);
}

/** Show a kept request; a failed one goes back into the form. */
function choose(request) {
  fill(request);
  if (request.status === "open" || request.status === "ready") {
    at("result").focus();
    show(resume(request));
  } else {
    form.elements["config.prompt"].focus();
  }
}

function stop() {
  shown = undefined;
  view.showNothing("Stopped waiting. The picture is made all the same; the list shows when it is ready.");
  form.querySelector(".main").focus();
}

function problemOfJson(text) {
  try {
    const event = JSON.parse(text.trim() || "{}");
    return event === null || typeof event !== "object" || Array.isArray(event) ? "Not a JSON object." : "";
  } catch (error) {
    return `Not JSON: ${error.message}`;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  post(requestInForm());
});
form.addEventListener("invalid", ({ target }) => reveal(target), true);
form.addEventListener("input", ({ target }) => {
  if (target.name === "more") target.setCustomValidity(problemOfJson(target.value));
  const isUsed = keptRequests().some((request) => isSame(request, requestInForm()));
  if (isUsed && !["idempotency_key", "wait"].includes(target.name)) renewKey();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && form.contains(event.target)) form.requestSubmit();
  if (event.key === "Escape" && running.has(shown)) stop();
});
at("new-key").addEventListener("click", renewKey);
at("stop").addEventListener("click", stop);
at("retry").addEventListener("click", () => {
  if (shown.call.method === "GET") show(get(shown.request));
  else post(shown.request);
});
form.elements.client_id.addEventListener("change", showBudget);
for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(at(button.dataset.copy).textContent);
    view.say("Copied.");
  });
}
onChange(() => {
  view.showRequests(keptRequests(), choose);
  resumeOpen();
});

renewKey();
showBudget();
view.showRequests(keptRequests(), choose);
const [newest] = keptRequests();
if (newest?.status === "open") {
  fill(newest);
  show(resume(newest));
}
resumeOpen();
