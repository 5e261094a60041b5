// The form, and what its buttons do.

import { follow, lookRequest, orderRequest } from "./exchange.js";
import { rememberOrder, rememberPicture, rememberedOrder } from "./memory.js";
import * as print from "./print.js";
import { drawStrip } from "./strip.js";

const at = (id) => document.getElementById(id);
const form = at("order");
const FIELDS = { "config.credentials_id": "credential", client_id: "client", idempotency_key: "key" };
const STATUS = {
  queued: "nothing has been bought so far",
  started: "the provider may be drawing",
  generated: "bought, and on its way into S3",
};

let waiting; // the AbortController of the exchange that is under way
let shown; // {client, request, order, imageId} of the exchange that the sheet shows
let keyUsed = false; // whether the key in the form already names an order

function orderInForm() {
  const { prompt, client, credential, key, wait } = Object.fromEntries(new FormData(form));
  return { prompt, client, credential, key, wait: Number(wait) };
}

function renewKey() {
  at("key").value = crypto.randomUUID();
  keyUsed = false;
}

async function place(order) {
  rememberOrder(order);
  keyUsed = true;
  const words = order.wait ? `Ordered. The API waits up to ${order.wait} s for the picture.` : "Ordered.";
  await run({ client: order.client, order, request: orderRequest(order) }, words);
}

async function look(client, imageId) {
  at("print").focus();
  await run({ client, imageId, request: lookRequest(client, imageId) }, "Asking for a fresh link.");
}

/** Follow an exchange to its end and show all of it. */
async function run(exchange, words) {
  waiting?.abort();
  const mine = (waiting = new AbortController());
  shown = exchange;
  showFieldProblems([]);
  print.showWaiting(exchange.request, words);
  at("print").scrollIntoView({ block: "nearest" });
  at("submit").setAttribute("aria-disabled", "true");
  try {
    const steps = follow(exchange.request, mine.signal);
    let step = await steps.next();
    for (; !step.done; step = await steps.next()) tell(exchange, step.value);
    await conclude(exchange, step.value, mine.signal);
  } catch (error) {
    if (!mine.signal.aborted) throw error;
  } finally {
    if (waiting === mine) {
      waiting = undefined;
      at("submit").removeAttribute("aria-disabled");
    }
  }
}

function tell(exchange, { sent, received, pending }) {
  if (sent) print.showSent(sent);
  if (received) print.showReceived(received);
  if (pending) {
    exchange.imageId = pending.image_id;
    exchange.waited = true;
    if (exchange.order) rememberPicture(exchange.client, pending.image_id);
    const seconds = Math.round(pending.seconds);
    print.showDoing(`Not ready yet: ${STATUS[pending.status] ?? pending.status}. Looking again every ${seconds} s.`);
  }
}

async function conclude(exchange, { answer, method, problem }, signal) {
  if (problem) {
    showFieldProblems(problem.errors ?? []);
    print.showProblem(problem);
    return;
  }
  const stripIsOld = exchange.order || exchange.waited;
  exchange.imageId = answer._meta_.image_id;
  if (exchange.order) {
    rememberPicture(exchange.client, exchange.imageId);
    if (exchange.order.key === at("key").value) renewKey();
    rememberOrder(orderInForm());
  }
  await print.showAnswer(answer, { method, reorder: Boolean(exchange.order), signal });
  if (stripIsOld && exchange.client === at("client").value) await redrawStrip();
}

function showFieldProblems(errors) {
  for (const note of form.querySelectorAll(".problem")) note.hidden = true;
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  for (const { field, problem } of errors) {
    const name = FIELDS[field] ?? (/(^|\.)prompt(_image)?$/.test(field) ? "prompt" : undefined);
    if (!name) continue;
    at(name).setAttribute("aria-invalid", "true");
    at(`${name}-problem`).textContent = problem;
    at(`${name}-problem`).hidden = false;
  }
}

function redrawStrip() {
  const client = at("client").value;
  return client ? drawStrip(client, (imageId) => look(client, imageId)) : undefined;
}

async function copy(button) {
  const block = at(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(block.textContent);
    print.say("Copied.");
  } catch {
    getSelection().selectAllChildren(block);
    print.say("This browser does not let a page copy. The text is selected: copy it by hand.");
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!waiting) place(orderInForm());
});
form.addEventListener("input", ({ target }) => {
  if (target === at("key")) keyUsed = false;
  else if (keyUsed && target !== at("wait")) renewKey();
});
at("client").addEventListener("change", redrawStrip);
at("new-key").addEventListener("click", renewKey);
at("stop").addEventListener("click", () => {
  waiting.abort();
  print.showBlank("Stopped waiting. A picture that was ordered is made all the same, and its key finds it.");
  at("submit").focus();
});
at("again").addEventListener("click", () => place(shown.order));
at("retry").addEventListener("click", () => (shown.order ? place(shown.order) : look(shown.client, shown.imageId)));
at("fresh").addEventListener("click", () => look(shown.client, shown.imageId));
for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => copy(button));

renewKey();
const order = rememberedOrder();
for (const [name, value] of Object.entries(order)) {
  if (form.elements[name]) form.elements[name].value = value;
}
keyUsed = Boolean(order.key);
redrawStrip();
