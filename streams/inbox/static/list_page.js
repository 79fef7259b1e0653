// The list: patches rows as they change, and never moves the row under the pointer or the keyboard.

import { act, undoLast } from "./acts.js";
import { keys, lockWhenIdle } from "./keys.js";
import { listen } from "./live.js";

const main = document.getElementById("main");
const news = document.getElementById("news");
const spoken = document.getElementById("spoken");
const search = document.getElementById("search");

const waiting = new Map(); // id -> row that belongs elsewhere once nobody holds it
const arrived = new Map(); // id -> group of rows that came since the reader was told
const saidAlready = new Set();
const shownAt = new Map(); // id -> position of the store that its row was made at
const loadedAt = Number(document.body.dataset.position);
let hovered = null;
let byKeys = false;

for (const row of main.querySelectorAll("[data-speak]")) saidAlready.add(row.dataset.id + row.dataset.version);

function held() {
  const focused = document.activeElement?.closest?.(".row");
  if (focused) return focused;
  return hovered?.isConnected ? hovered : null;
}

function parse(html) {
  const box = document.createElement("template");
  box.innerHTML = html.trim();
  return box.content.firstElementChild;
}

function steady(change) {
  const anchor = held();
  const before = anchor?.getBoundingClientRect().top;
  change(anchor);
  if (!anchor?.isConnected) return;
  const moved = anchor.getBoundingClientRect().top - before;
  if (Math.abs(moved) < 1) return;
  const room = document.documentElement.scrollHeight - innerHeight - scrollY;
  if (moved > room) main.style.paddingBottom = `${parseFloat(getComputedStyle(main).paddingBottom) + moved - room + 1}px`;
  scrollBy({ top: moved, behavior: "instant" });
}

function seat(row) {
  const rows = document.querySelector(`#${row.dataset.group} .rows`);
  let next = null;
  for (const other of rows.children) {
    if (other !== row && other.dataset.rank > row.dataset.rank) {
      next = other;
      break;
    }
  }
  if (row.parentElement === rows && row.nextElementSibling === next) return;
  rows.insertBefore(row, next);
}

function count() {
  for (const group of main.querySelectorAll(".group")) {
    group.querySelector(".count").textContent = group.querySelectorAll(".row").length;
  }
  const now = document.querySelectorAll("#now .row").length;
  document.title = `${now ? `(${now}) ` : ""}Inbox · Warm Handoff`;
}

function speak(row) {
  const words = row.dataset.speak;
  const key = row.dataset.id + row.dataset.version;
  if (!words || saidAlready.has(key)) return;
  saidAlready.add(key);
  const line = document.createElement("p");
  line.textContent = words;
  spoken.append(line);
  while (spoken.children.length > 3) spoken.firstChild.remove();
}

function put(html, position) {
  const fresh = parse(html);
  const old = document.getElementById(fresh.id);
  if ((shownAt.get(fresh.dataset.id) ?? loadedAt) > position) return;
  shownAt.set(fresh.dataset.id, position);
  steady((anchor) => {
    if (!old) {
      seat(fresh);
      fresh.classList.add("arrived");
      if (fresh.classList.contains("fresh-row")) arrived.set(fresh.dataset.id, fresh.dataset.group);
    } else {
      const stays = old === anchor;
      const focus = old.contains(document.activeElement) ? document.activeElement : null;
      const button = focus?.dataset.act;
      old.className = fresh.className;
      old.replaceChildren(...fresh.childNodes);
      for (const name of Object.keys(old.dataset)) if (!(name in fresh.dataset)) delete old.dataset[name];
      const elsewhere = old.dataset.group !== fresh.dataset.group || old.dataset.rank !== fresh.dataset.rank;
      Object.assign(old.dataset, fresh.dataset);
      if (focus) (old.querySelector(`[data-act="${button}"]`) && button ? old.querySelector(`[data-act="${button}"]`) : old.querySelector(".who")).focus({ preventScroll: true });
      if (elsewhere && stays) waiting.set(old.dataset.id, old);
      else if (elsewhere) seat(old);
    }
  });
  speak(document.getElementById(fresh.id));
  filter();
  count();
  tell();
}

function remove({ id }) {
  const row = document.getElementById(`r-${id}`);
  if (!row) return;
  steady(() => row.remove());
  waiting.delete(id);
  arrived.delete(id);
  count();
  tell();
}

function settle() {
  if (!waiting.size) return;
  const anchor = held();
  for (const [id, row] of waiting) {
    if (row === anchor) continue;
    waiting.delete(id);
    if (row.isConnected) steady(() => seat(row));
  }
  count();
}

function tell() {
  if (!arrived.size) {
    news.hidden = true;
    return;
  }
  const where = new Map();
  for (const group of arrived.values()) {
    const words = document.querySelector(`#${group} h2`).firstChild.textContent.trim();
    where.set(words, (where.get(words) || 0) + 1);
  }
  const parts = [...where].map(([words, number]) => (where.size > 1 ? `${number} in “${words}”` : `in “${words}”`));
  let button = news.firstElementChild;
  if (!button) {
    button = document.createElement("button");
    button.type = "button";
    button.addEventListener("click", () => {
      const first = document.getElementById(`r-${arrived.keys().next().value}`);
      arrived.clear();
      tell();
      first?.scrollIntoView({ block: "center" });
      first?.querySelector(".who").focus({ preventScroll: true });
    });
    news.append(button);
  }
  const words = `${arrived.size} new${where.size > 1 ? ":" : ""} ${parts.join(", ")}`;
  if (button.textContent !== words) button.textContent = words;
  news.hidden = false;
}

setInterval(() => {
  if (scrollY < 80 && !held() && !document.hidden && arrived.size) {
    clearTimeout(tell.timer);
    tell.timer = setTimeout(() => {
      if (scrollY >= 80) return;
      arrived.clear();
      tell();
    }, 5_000);
  }
}, 2_000);

function same(old, row) {
  return old.innerHTML === row.innerHTML && old.dataset.rank === row.dataset.rank && old.dataset.group === row.dataset.group;
}

async function refetch() {
  const answer = await fetch("/list", { cache: "no-store" });
  if (answer.status === 401) return location.replace("/");
  if (!answer.ok) return;
  const position = Number(answer.headers.get("X-Position"));
  const box = document.createElement("template");
  box.innerHTML = await answer.text();
  const wanted = new Set();
  for (const row of box.content.querySelectorAll(".row")) {
    wanted.add(row.id);
    const old = document.getElementById(row.id);
    if (!old || !same(old, row)) put(row.outerHTML, position);
  }
  for (const row of [...main.querySelectorAll(".row")]) {
    if (!wanted.has(row.id) && (shownAt.get(row.dataset.id) ?? loadedAt) <= position) remove({ id: row.dataset.id });
  }
}

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of main.querySelectorAll(".row")) {
    const text = words.length ? row.textContent.toLowerCase() : "";
    const hide = words.some((word) => !text.includes(word));
    row.classList.toggle("filtered", hide);
    shown += hide ? 0 : 1;
  }
  if (words.length) document.getElementById("finished").open = true;
  main.querySelector(".nothing-found").hidden = !words.length || shown > 0;
}

function visible() {
  return [...main.querySelectorAll(".row:not(.filtered) .who")].filter((who) => !who.closest("details:not([open])"));
}

function step(by) {
  const all = visible();
  if (!all.length) return;
  const row = document.activeElement?.closest?.(".row");
  const at = row ? all.indexOf(row.querySelector(".who")) : by > 0 ? -1 : all.length;
  const next = all[Math.min(all.length - 1, Math.max(0, at + by))];
  next.focus();
  next.closest(".row").scrollIntoView({ block: "nearest" });
  settle();
}

function press(action) {
  const row = document.activeElement?.closest?.(".row");
  if (!row) return false;
  if (action === "take" && row.classList.contains("mine")) return true;
  act(row.dataset.id, action, row.dataset.version);
  return true;
}

main.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (!button) return;
  event.preventDefault();
  act(button.closest(".row").dataset.id, button.dataset.act, button.dataset.version);
});
main.addEventListener("pointermove", (event) => {
  if (event.pointerType !== "touch") hovered = event.target.closest(".row");
});
main.addEventListener("pointerleave", () => {
  hovered = null;
  settle();
});
main.addEventListener("focusout", () => setTimeout(settle, 0));
search.addEventListener("input", filter);

keys({
  j: () => step(1),
  k: () => step(-1),
  a: () => press("take"),
  s: () => press("acknowledge"),
  z: () => undoLast(),
  "/": () => search.focus(),
  Enter: (event, typing) => {
    if (!typing) return false;
    visible()[0]?.focus();
  },
  Escape: (event, typing) => {
    if (search.value) {
      search.value = "";
      filter();
    }
    if (typing) search.blur();
    else document.activeElement?.blur?.();
  },
});

listen(Number(document.body.dataset.position), { row: (data, position) => put(data.html, position), gone: remove, refetch });
lockWhenIdle();
count();
setInterval(refetch, 60_000); // clocks run down while nothing else happens
