// In: what each key does on this page. Out: keys that work anywhere but where a person types; help; the idle lock.

import { post } from "./acts.js";

const help = document.getElementById("keys");

export function keys(table) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const typing = event.target.closest("input, select, textarea");
    if (help.open) return;
    if (typing && event.key !== "Escape" && event.key !== "Enter") return;
    if (event.key === "?") {
      event.preventDefault();
      help.showModal();
      return;
    }
    const action = table[event.key];
    if (action && action(event, Boolean(typing)) !== false) event.preventDefault();
  });
  document.getElementById("help").addEventListener("click", () => help.showModal());
}

export function lockWhenIdle() {
  const limit = Number(document.body.dataset.lock) * 1000;
  let touched = Date.now();
  let told = Date.now();
  const touch = () => {
    touched = Date.now();
    if (touched - told > 30_000) {
      told = touched;
      post("/here", {}).catch(() => {});
    }
  };
  for (const kind of ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"]) addEventListener(kind, touch, { passive: true });
  setInterval(() => {
    if (Date.now() - touched < limit) return;
    document.querySelector("main").replaceChildren();
    location.replace("/");
  }, 1_000);
}
