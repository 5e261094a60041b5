// The form, its buttons, and the requests under way.

import { OPTIONS, budgetOf, follow, getCall, postCall } from "./api.js";
import { forget, isSame, keep, keptRequests, onChange } from "./requests.js";
import * as view from "./view.js";

const { at } = view;
const form = at("form");
/** Seconds until an open request is looked at again after a connection was lost. */
const PAUSE = 5;
const STATUS = {
  queued: "nothing is bought yet",
  started: "the provider may be drawing",
  generated: "bought, and on its way to S3",
};
/** The field of the form that an error is about. */
const FIELDS = {
  "config.credentials_id": "credential",
  client_id: "client",
  idempotency_key: "key",
  ...Object.fromEntries(OPTIONS.map((name) => [`config.options.${name}`, name])),
};
const FIELD_OF_CODE = { CredentialsError: "credential", IdempotencyKeyReusedError: "key" };

let waiting; // the AbortController of the exchange on the sheet
let shown; // the exchange on the sheet: {request?, client, imageId?, posted}
let keyUsed = false; // whether the key in the form already names a request
const watched = new Set(); // client and key of open requests that are followed without being shown

function requestInForm() {
  const request = Object.fromEntries(new FormData(form));
  return { ...request, wait: Number(request.wait) };
}

/** Notes by field: what the page itself can see, before anything is sent. */
function problemsOf({ prompt, client, key, more }) {
  const notes = {};
  let event = {};
  try {
    event = more.trim() ? JSON.parse(more) : {};
    if (event === null || typeof event !== "object" || Array.isArray(event)) notes.more = "Not a JSON object.";
  } catch (error) {
    notes.more = `Not JSON: ${error.message}`;
  }
  if (!prompt.trim() && !event?.data && !event?.config && !notes.more) notes.prompt = "Write a prompt.";
  if (!/^[\w-]{1,64}$/.test(client)) notes.client = "1 to 64 letters, digits, - and _.";
  if (!/^[!-~]([ -~]*[!-~])?$/.test(key)) notes.key = "1 to 255 ASCII characters: the key is an HTTP header.";
  return notes;
}

function renewKey() {
  at("key").value = crypto.randomUUID();
  keyUsed = false;
}

function submit() {
  const request = requestInForm();
  if (waiting) return;
  const notes = problemsOf(request);
  if (view.showFieldProblems(notes)) {
    at(Object.keys(notes)[0]).focus();
    return;
  }
  post(request);
}

/** Send a request. With a key that was sent before, the API returns the same picture. */
async function post(request) {
  const sent = { ...request, status: "open" };
  keep(sent);
  if (isSame(request, requestInForm())) keyUsed = true;
  const words = request.wait ? `Sent. The API waits up to ${request.wait} s for the picture.` : "Sent.";
  await run({ request: sent, client: request.client, posted: true }, postCall(request), words);
}

/** Read a picture whose id is known. */
async function get(exchange) {
  await run({ ...exchange, posted: false }, getCall(exchange.client, exchange.imageId), "Reading the picture.");
}

/** Continue a request that was sent before. */
function resume(request) {
  fill(request);
  return request.imageId ? get({ request, client: request.client, imageId: request.imageId }) : post(request);
}

/** Follow an exchange to its end on the sheet. */
async function run(exchange, call, words) {
  waiting?.abort();
  const mine = (waiting = new AbortController());
  shown = exchange;
  view.showFieldProblems({});
  view.showWaiting(call, words);
  at("submit").setAttribute("aria-disabled", "true");
  showRequests();
  try {
    const steps = follow(call, mine.signal);
    let step = await steps.next();
    for (; !step.done; step = await steps.next()) report(exchange, step.value);
    await conclude(exchange, step.value, mine.signal);
  } catch (error) {
    if (!mine.signal.aborted) throw error;
  } finally {
    if (waiting === mine) {
      waiting = undefined;
      at("submit").removeAttribute("aria-disabled");
      showRequests();
    }
  }
}

function report(exchange, { sent, received, pending }) {
  if (sent) view.showSent(sent);
  if (received) view.showReceived(received);
  if (!pending) return;
  exchange.imageId = pending.image_id;
  exchange.waited = true;
  if (exchange.request) update(exchange.request, { imageId: pending.image_id });
  const status = STATUS[pending.status] ?? pending.status;
  view.showDoing(`Not ready yet: ${status}. Next look in ${Math.round(pending.seconds)} s.`);
}

async function conclude(exchange, { answer, problem }, signal) {
  if (exchange.request) end(exchange.request, { answer, problem });
  if (problem) {
    view.showFieldProblems(fieldNotes(problem));
    view.showProblem(problem);
    return;
  }
  exchange.imageId = answer._meta_.image_id;
  if (isSame(exchange.request, requestInForm())) renewKey();
  await view.showAnswer(answer, { origin: originOf(exchange, answer), key: exchange.request?.key, signal });
}

/** To a GET, an earlier request bought every picture: `replayed` then says nothing of the POST before it. */
function originOf({ posted, waited }, { _meta_: meta }) {
  if (waited) return "bought now";
  if (!posted) return "bought before, read again";
  return meta.replayed ? "replayed: nothing was bought" : "bought now";
}

function fieldNotes({ code, detail, errors = [] }) {
  const notes = {};
  if (FIELD_OF_CODE[code]) notes[FIELD_OF_CODE[code]] = detail;
  for (const { field, problem } of errors) {
    const name = FIELDS[field] ?? (field === "config.prompt" || field === "prompt" ? "prompt" : "more");
    notes[name] = name === "more" ? `${field}: ${problem}` : problem;
  }
  return notes;
}

/** Save the end of a request: ready, failed, or unknown to the API. A lost connection leaves it open. */
function end(request, { answer, problem }) {
  if (answer) update(request, { status: "ready", imageId: answer._meta_.image_id });
  else if (problem.code === "ImageNotFoundError") forget(request);
  else if (!problem.unreachable) update(request, { status: problem.code ?? problem.title });
  showRequests();
  showBudget();
}

/** Show the money of the client in the form, if the server has budgets. */
async function showBudget() {
  if (document.documentElement.dataset.budget === undefined) return;
  view.showBudget(await budgetOf(at("client").value));
}

function update(request, changes) {
  Object.assign(request, changes);
  keep(request);
  showRequests();
}

function showRequests() {
  view.showRequests(keptRequests(), choose);
  for (const request of keptRequests()) watch(request);
}

/** Follow an open request that is not on the sheet, so that its line in the list changes by itself. */
async function watch(request) {
  const name = JSON.stringify([request.client, request.key]);
  const isShown = waiting && isSame(request, shown?.request);
  if (request.status !== "open" || isShown || watched.has(name)) return;
  watched.add(name);
  const call = request.imageId ? getCall(request.client, request.imageId) : postCall({ ...request, wait: 0 });
  const steps = follow(call, new AbortController().signal);
  let step = await steps.next();
  for (; !step.done; step = await steps.next()) {
    if (step.value.pending) update(request, { imageId: step.value.pending.image_id });
  }
  if (step.value.problem?.unreachable) await new Promise((resolve) => setTimeout(resolve, PAUSE * 1000));
  watched.delete(name);
  end(request, step.value);
}

/** Show a kept request; a failed one goes back into the form. */
function choose(request) {
  if (request.status === "open" || request.status === "ready") {
    at("result").focus();
    resume(request);
    return;
  }
  fill(request);
  at("prompt").focus();
}

function fill(request) {
  for (const name of ["prompt", "client", "credential", "key", "wait", "more"]) at(name).value = request[name];
  for (const name of OPTIONS) at(name).value = request[name] ?? ""; // an older page kept none
  keyUsed = true;
}

async function copy(button) {
  await navigator.clipboard.writeText(at(button.dataset.copy).textContent);
  view.say("Copied.");
}

function stop() {
  waiting?.abort();
  waiting = undefined;
  at("submit").removeAttribute("aria-disabled");
  view.showEmpty("Stopped waiting. The picture is made all the same; the list shows when it is ready.");
  at("submit").focus();
  showRequests();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
form.addEventListener("input", ({ target }) => {
  if (target === at("key")) keyUsed = false;
  else if (keyUsed && target !== at("wait")) renewKey();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && form.contains(event.target)) submit();
  if (event.key === "Escape" && waiting) stop();
});
at("new-key").addEventListener("click", renewKey);
at("stop").addEventListener("click", stop);
at("again").addEventListener("click", () => post(shown.request));
at("retry").addEventListener("click", () => (shown.posted ? post(shown.request) : get(shown)));
at("fresh").addEventListener("click", () => get(shown));
for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => copy(button));
at("client").addEventListener("change", showBudget);
onChange(showRequests);

renewKey();
showBudget();
const [newest] = keptRequests();
if (newest?.status === "open") resume(newest);
else showRequests();
