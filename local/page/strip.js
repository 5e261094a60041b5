// The last pictures of a client, each asked for again: a link that was kept would be a link that has died.

import { follow, lookRequest } from "./exchange.js";
import { forgetPicture, pictureIds } from "./memory.js";

const at = (id) => document.getElementById(id);
let drawing = 0;

/** Draw the strip of a client. choose: called with the id of the picture that is picked. */
export async function drawStrip(client, choose) {
  const drawn = ++drawing;
  const looks = pictureIds(client).map(async (imageId) => [imageId, await look(client, imageId)]);
  const frames = (await Promise.all(looks)).filter(([, found]) => found);
  if (drawn !== drawing) return;
  at("strip-title").textContent = `The last pictures of client ${client}`;
  at("frames").replaceChildren(...frames.map(([imageId, found]) => frame(imageId, found, choose)));
  at("strip").hidden = frames.length === 0;
}

/** Give {answer}, {undone: words}, or undefined for a picture that is gone and now forgotten. */
async function look(client, imageId) {
  const steps = follow(lookRequest(client, imageId));
  let step = await steps.next();
  while (!step.done && !step.value.pending) step = await steps.next();
  if (!step.done) return { undone: "being made" };
  const { answer, problem } = step.value;
  if (answer) return { answer };
  if (problem.retryable !== false || problem.status === 500) return { undone: problem.code ?? "no answer" };
  forgetPicture(client, imageId);
  return undefined;
}

function frame(imageId, { answer, undone }, choose) {
  const button = document.createElement("button");
  button.type = "button";
  button.addEventListener("click", () => choose(imageId));
  if (answer) {
    const thumbnail = document.createElement("img");
    Object.assign(thumbnail, { src: answer.data.urlPath, alt: answer._meta_.prompt, width: 144, height: 144 });
    button.append(thumbnail);
  } else {
    const words = document.createElement("span");
    words.className = "undone";
    words.textContent = undone;
    button.append(words);
  }
  const number = document.createElement("span");
  number.className = "number";
  number.textContent = imageId.slice(0, 8);
  button.append(number);
  const item = document.createElement("li");
  item.append(button);
  return item;
}
