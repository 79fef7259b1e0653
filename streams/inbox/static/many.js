// In: rows that are ticked. Out: one press for all of them, sent once; what cannot be seen is never chosen.

import { logMany } from "./acts.js";
import { sending } from "./drafts.js";

const form = document.getElementById("many");
const line = form.querySelector(".chosen");

function boxes() {
  return [...document.querySelectorAll(".pick input:checked")];
}

function show() {
  const number = boxes().length;
  form.classList.toggle("on", number > 0);
  line.textContent = number ? `${number} chosen` : "";
}

export function toggle(row) {
  const box = row.querySelector(".pick input");
  box.checked = !box.checked;
  show();
}

// Gives whether there was anything to let go of.
export function chooseNone(among = document) {
  const found = boxes().filter((box) => among.contains(box));
  for (const box of found) box.checked = false;
  if (found.length) show();
  return found.length > 0;
}

// What is chosen, or else the row one is at, on paper; gives whether there is any.
export function printChosen(row) {
  if (!boxes().length && row) toggle(row);
  if (!boxes().length) return false;
  form.requestSubmit(form.querySelector('[formaction="/sheet"]'));
}

form.addEventListener("submit", async (event) => {
  if (event.submitter?.hasAttribute("formaction")) return; // a page of its own
  event.preventDefault();
  await sending(form);
  const fields = [...new FormData(form, event.submitter)].filter(([name]) => name !== "csrf");
  const written = await logMany(form.getAttribute("action"), fields);
  if (written === null) return;
  form.reset(); // the boxes are its own
  show();
});
document.getElementById("main").addEventListener("change", (event) => event.target.closest(".pick") && show());
show();
