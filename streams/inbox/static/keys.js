// In: what each key does on this page. Out: keys that work anywhere but where a person types; help; the idle lock.

import { lockNow, post } from "./acts.js";

const REPORT_MS = 4_000;

const help = document.getElementById("keys");
const choice = document.getElementById("letter-keys");

// Letters, digits and signs can be turned off or bound to Alt (WCAG 2.1.4); the choice stays in this browser.
function letters() {
  return choice?.value || "on";
}

if (choice) {
  choice.value = localStorage.getItem("letter-keys") || "on";
  choice.addEventListener("change", () => localStorage.setItem("letter-keys", choice.value));
}

export function keys(table) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.isComposing) return;
    const sign = event.key.length === 1;
    if (sign ? letters() === "off" || event.altKey !== (letters() === "alt") : event.altKey) return;
    const typing = event.target.closest("input:not([type=checkbox]), select, textarea");
    if (document.querySelector("dialog[open]")) return;
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

// The server knows the last gesture in any tab; this page reports its own, and asks before it locks.
export function lockWhenIdle() {
  const limit = Number(document.body.dataset.lock) * 1000;
  let deadline = Date.now() + limit;
  let touched = 0;
  let told = 0;
  let waiting = null;
  let asked = false;

  const report = (more) => {
    clearTimeout(waiting);
    waiting = null;
    told = Date.now();
    post("/here", { ago: told - touched }, more).catch(() => {});
  };
  const touch = () => {
    touched = Date.now();
    deadline = Math.max(deadline, touched + limit);
    if (waiting) return;
    const since = touched - told;
    if (since >= REPORT_MS) report();
    else waiting = setTimeout(report, REPORT_MS - since);
  };
  for (const kind of ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"]) addEventListener(kind, touch, { passive: true });
  addEventListener("pagehide", () => waiting && report({ keepalive: true }));

  setInterval(async () => {
    if (Date.now() < deadline || asked) return;
    asked = true;
    try {
      const answer = await fetch("/left", { cache: "no-store", signal: AbortSignal.timeout(2_000) });
      if (!answer.ok) return lockNow();
      deadline = Date.now() + Math.max(0.5, (await answer.json()).left) * 1000;
    } catch {
      lockNow();
    } finally {
      asked = false;
    }
  }, 500);
}
