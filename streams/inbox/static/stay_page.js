// One stay: keeps the page true while it is open, and turns keys into actions.

import { act, undoLast } from "./acts.js";
import { keys, lockWhenIdle } from "./keys.js";
import { listen } from "./live.js";

const id = document.body.dataset.id;
const main = document.getElementById("main");
const spoken = document.getElementById("spoken");

async function refetch() {
  const answer = await fetch(`/stay/${id}/part`, { cache: "no-store" });
  if (answer.status === 401 || answer.status === 404) return location.replace("/");
  if (!answer.ok) return;
  const key = document.activeElement?.dataset?.act;
  const opened = [...main.querySelectorAll("details[open]")].map((part) => part.id);
  main.innerHTML = await answer.text();
  for (const part of opened) if (part) document.getElementById(part).open = true;
  if (key) main.querySelector(`[data-act="${key}"]`)?.focus();
}

function press(action) {
  const button = main.querySelector(`[data-act="${action}"]`);
  if (!button || button.disabled) return;
  act(id, action, button.dataset.version);
}

main.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (!button) return;
  event.preventDefault();
  press(button.dataset.act);
});

keys({
  a: () => press("take"),
  s: () => press("acknowledge"),
  z: () => undoLast(),
  Escape: () => location.assign("/"),
});

listen(Number(document.body.dataset.position), {
  row: (data) => {
    if (data.id !== id) return;
    refetch();
    if (data.speak) spoken.textContent = data.speak;
  },
  gone: (data) => data.id === id && location.replace("/"),
  refetch,
});
lockWhenIdle();
