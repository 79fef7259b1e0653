// The list: patches rows as they change, and never moves the row under the pointer or the keyboard.

import { act, lockNow, log, post, undoLast } from "./acts.js";
import { keepDrafts } from "./drafts.js";
import { keys, lockWhenIdle } from "./keys.js";
import { listen } from "./live.js";
import { chooseNone, printChosen, toggle } from "./many.js";
import { countInTitle, notice } from "./notices.js";
import { heard, speak } from "./speech.js";

const main = document.getElementById("main");
const news = document.getElementById("news");
const search = document.getElementById("search");

const waiting = new Map(); // id -> row that belongs elsewhere once nobody holds it
const arrived = new Map(); // id -> group of rows that came since the reader was told
const alarmed = new Set();
const shownAt = new Map(); // id -> position of the store that its row was made at
const loadedAt = Number(document.body.dataset.position);
const root = document.documentElement;
let pointer = null; // where the mouse is
let byKeys = false; // the keyboard was used after the mouse
let kept = null; // the row that stands still, and where
const doneOnly = document.body.dataset.view === "done";
let etag = document.body.dataset.etag; // the list that the next one is a change of

const versionOf = (row) => row.dataset.id + row.dataset.version;
const sentenceOf = (row) => versionOf(row) + row.dataset.speak;

for (const row of main.querySelectorAll("[data-speak]")) heard(sentenceOf(row));
for (const row of main.querySelectorAll("[data-alarm]")) alarmed.add(versionOf(row));

function pointed() {
  return pointer && document.elementFromPoint(...pointer)?.closest(".row");
}

// The row that somebody is at: under the keyboard or under the mouse, whichever was used last.
function held() {
  const focused = document.activeElement?.closest?.(".row");
  return (byKeys ? focused || pointed() : pointed() || focused) || null;
}

function inSight(row) {
  const { top, bottom } = row.getBoundingClientRect();
  return bottom > document.querySelector(".top").offsetHeight && top < innerHeight;
}

// What must not move: the row somebody is at, else, away from the top of the page, the first one they can read.
function anchor() {
  const row = held();
  if (row && inSight(row)) return row;
  if (scrollY < 8) return null;
  for (let y = document.querySelector(".top").offsetHeight + 4; y < innerHeight; y += 24) {
    const found = document.elementFromPoint(innerWidth / 3, y)?.closest(".row");
    if (found) return found;
  }
  return null;
}

function parse(html) {
  const box = document.createElement("template");
  box.innerHTML = html.trim();
  return box.content.firstElementChild;
}

function putBack() {
  if (!kept?.row.isConnected) return;
  const moved = kept.row.getBoundingClientRect().top - kept.top;
  if (Math.abs(moved) < 0.5) return;
  const room = root.scrollHeight - innerHeight - scrollY;
  if (moved > room) main.style.paddingBottom = `${parseFloat(getComputedStyle(main).paddingBottom) + moved - room + 1}px`;
  scrollBy({ top: moved, behavior: "instant" });
}

// The browser's own anchoring is off meanwhile: two that correct the same shift in whole pixels drift apart.
function hold(row, top) {
  root.style.overflowAnchor = "none";
  kept = { row, top };
  putBack();
  clearTimeout(hold.timer);
  const frames = (left) => requestAnimationFrame(() => {
    putBack(); // rows off screen get their true height in the next frame
    if (left) frames(left - 1);
  });
  frames(2);
  hold.timer = setTimeout(() => { root.style.overflowAnchor = ""; }, 250);
}

function steady(change) {
  const row = anchor();
  const now = row?.getBoundingClientRect().top;
  const top = kept?.row === row && Math.abs(kept.top - now) < 3 ? kept.top : now; // so that parts of a pixel never add up
  if (row) root.style.overflowAnchor = "none";
  change(row);
  if (row?.isConnected) hold(row, top);
}

for (const kind of ["wheel", "touchmove", "keydown", "pointerdown"]) {
  addEventListener(kind, () => { kept = null; }, { passive: true, capture: true });
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
  const here = main.querySelector('.views [aria-current="page"] .count');
  if (here) here.textContent = main.querySelectorAll(doneOnly ? "#finished .row" : ".group:not(#finished) .row").length;
  const now = document.querySelectorAll("#now .row").length;
  countInTitle(now);
}

function announce(row) {
  speak(row.dataset.speak, sentenceOf(row));
  if (!("alarm" in row.dataset) || alarmed.has(versionOf(row))) return;
  alarmed.add(versionOf(row));
  notice();
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
      const chosen = old.querySelector(".pick input")?.checked;
      old.className = fresh.className;
      old.replaceChildren(...fresh.childNodes);
      old.querySelector(".pick input").checked = chosen;
      for (const name of Object.keys(old.dataset)) if (!(name in fresh.dataset)) delete old.dataset[name];
      const elsewhere = old.dataset.group !== fresh.dataset.group || old.dataset.rank !== fresh.dataset.rank;
      Object.assign(old.dataset, fresh.dataset);
      if (focus) (old.querySelector(`[data-act="${button}"]`) && button ? old.querySelector(`[data-act="${button}"]`) : old.querySelector(".who")).focus({ preventScroll: true });
      waiting.delete(old.dataset.id);
      if (elsewhere && stays) waiting.set(old.dataset.id, old);
      else if (elsewhere) seat(old);
    }
    filter();
  });
  announce(document.getElementById(fresh.id));
  count();
  tell();
  if (strays(fresh)) later();
}

function onCard(row) {
  return [row.dataset.id, ...row.dataset.others.split(" ").filter(Boolean)];
}

// A stay stands on one card: where another still holds it, that person's cards are asked for anew.
function strays(fresh) {
  const here = new Set(onCard(fresh));
  return [...main.querySelectorAll(".row")].some((row) => row.id !== fresh.id && onCard(row).some((id) => here.has(id)));
}

function later() {
  clearTimeout(later.timer);
  later.timer = setTimeout(refetch, 300);
}

function remove({ id, into }) {
  const row = document.getElementById(`r-${id}`);
  if (!row) return;
  if (row === held()) {
    row.querySelector(".next").textContent = into ? "Now on one card with a newer stay of this person" : "No longer on your list";
    row.querySelector(".do").replaceChildren();
    chooseNone(row);
    row.dataset.gone = "true";
    waiting.set(id, row);
    return;
  }
  chooseNone(row);
  steady(() => row.remove());
  waiting.delete(id);
  arrived.delete(id);
  count();
  tell();
}

function settle() {
  if (!waiting.size) return;
  const at = held();
  for (const [id, row] of waiting) {
    if (row === at) continue;
    waiting.delete(id);
    if (row.dataset.gone) remove({ id });
    else if (row.isConnected) steady(() => seat(row));
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
      if (first?.classList.contains("filtered")) {
        search.value = "";
        filter();
      }
      const folded = first?.closest("details:not([open])");
      if (folded) folded.open = true;
      first?.scrollIntoView({ block: "center" });
      first?.querySelector(".who").focus({ preventScroll: true });
    });
    news.append(button);
  }
  const hidden = [...arrived.keys()].filter(outOfSearch).length;
  const unseen = hidden ? (hidden === arrived.size ? ", not in your search" : `, ${hidden} not in your search`) : "";
  const words = `${arrived.size} new${where.size > 1 ? ":" : ""} ${parts.join(", ")}${unseen}`;
  if (button.textContent !== words) button.textContent = words;
  news.hidden = false;
}

function outOfSearch(id) {
  return document.getElementById(`r-${id}`)?.classList.contains("filtered");
}

setInterval(() => {
  if (scrollY < 80 && !held() && !document.hidden && arrived.size && ![...arrived.keys()].some(outOfSearch)) {
    clearTimeout(tell.timer);
    tell.timer = setTimeout(() => {
      if (scrollY >= 80 || [...arrived.keys()].some(outOfSearch)) return;
      arrived.clear();
      tell();
    }, 5_000);
  }
}, 2_000);

function same(old, row) {
  return old.innerHTML === row.innerHTML && old.dataset.rank === row.dataset.rank && old.dataset.group === row.dataset.group;
}

let asked = Date.now();

// What changed since the last time; the whole, where something may have been missed.
async function refetch({ whole = false } = {}) {
  asked = Date.now();
  const headers = etag && !whole ? { "If-None-Match": etag } : {};
  const answer = await fetch(`/list${location.search}`, { cache: "no-store", headers, signal: AbortSignal.timeout(10_000) }).catch(() => null);
  if (answer?.status === 401) return lockNow();
  if (!answer?.ok) return; // 304: nothing to show that is not shown
  etag = answer.headers.get("ETag") || "";
  const position = Number(answer.headers.get("X-Position"));
  const part = answer.headers.has("X-Delta");
  const box = document.createElement("template");
  box.innerHTML = await answer.text();
  for (const empty of box.content.querySelectorAll(".empty")) {
    const old = document.querySelector(`#${empty.closest(".group").id} .empty`);
    if (old.textContent !== empty.textContent) old.textContent = empty.textContent;
  }
  const wanted = new Set();
  for (const row of box.content.querySelectorAll(".row")) {
    wanted.add(row.id);
    const old = document.getElementById(row.id);
    if (!old || !same(old, row)) put(row.outerHTML, position);
  }
  const gone = new Set(box.content.querySelector(".gone")?.dataset.ids.split(" "));
  for (const row of [...main.querySelectorAll(".row")]) {
    const left = part ? gone.has(row.dataset.id) : !wanted.has(row.id);
    if (left && (shownAt.get(row.dataset.id) ?? loadedAt) <= position) remove({ id: row.dataset.id });
  }
}

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of main.querySelectorAll(".row")) {
    const text = words.length ? row.textContent.toLowerCase() : "";
    const hide = words.some((word) => !text.includes(word));
    row.classList.toggle("filtered", hide);
    if (hide) chooseNone(row);
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

// The six outcomes of a call, in place under the row.
function offer(row) {
  const open = main.querySelector(".outcomes");
  open?.remove();
  if (open?.parentElement === row) return;
  row.append(document.getElementById("outcomes").content.cloneNode(true));
  row.querySelector(".outcomes button").focus({ preventScroll: true });
}

function logCall(row, outcome) {
  row.querySelector(".outcomes")?.remove();
  log(row.dataset.id, { press: outcome, version: row.dataset.version });
}

function pressCall(number) {
  const row = document.activeElement?.closest?.(".row");
  if (!row?.querySelector("[data-call]")) return false;
  const button = document.getElementById("outcomes").content.querySelectorAll("[data-press]")[number - 1];
  row.querySelector(".who").focus({ preventScroll: true });
  logCall(row, button.dataset.press);
}

// What one press says of the row one is at; what needs a word more opens on the stay's page.
const ONE_PRESS = { 7: "medicines_reconciled", 8: "papers_filed", v: "visit_kept", g: "give_back" };

function pressOn(key) {
  const row = document.activeElement?.closest?.(".row");
  if (!row) return false;
  log(row.dataset.id, { press: ONE_PRESS[key], version: row.dataset.version });
}

function openAt(key) {
  const row = document.activeElement?.closest?.(".row");
  if (!row) return false;
  leave(row);
  location.assign(`/stay/${row.dataset.id}#key-${key}`);
}

function choose(by = 0) {
  const row = document.activeElement?.closest?.(".row");
  if (!row) return false;
  toggle(row);
  if (by) step(by);
}

function press(action) {
  const row = document.activeElement?.closest?.(".row");
  if (!row) return false;
  if (action === "take" && row.classList.contains("mine")) return true;
  act(row.dataset.id, action, row.dataset.version);
  return true;
}

main.addEventListener("click", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.target.closest(".row") && !event.target.closest("button, label, .do a, .beside a")) {
    event.preventDefault();
    event.stopImmediatePropagation(); // it opens nothing, so no place is kept
    return toggle(event.target.closest(".row"));
  }
  const outcome = event.target.closest("[data-press]");
  if (outcome) {
    const row = outcome.closest(".row");
    row.querySelector(".who").focus({ preventScroll: true });
    return logCall(row, outcome.dataset.press);
  }
  if (event.target.closest("[data-call]") && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    return offer(event.target.closest(".row"));
  }
  const button = event.target.closest("[data-act]");
  if (!button) return;
  event.preventDefault();
  act(button.closest(".row").dataset.id, button.dataset.act, button.dataset.version);
});
main.addEventListener("pointermove", (event) => {
  byKeys = false;
  pointer = event.pointerType === "touch" ? null : [event.clientX, event.clientY];
  if (waiting.size) settle();
});
main.addEventListener("pointerleave", () => {
  pointer = null;
  settle();
});
addEventListener("keydown", () => { byKeys = true; }, true);
main.addEventListener("focusout", () => setTimeout(settle, 0));
search.addEventListener("input", () => {
  filter();
  tell();
});
document.getElementById("show-all").addEventListener("click", showAll);

function showAll() {
  steady(() => {
    search.value = "";
    filter();
  });
  tell();
}

const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

// Coming back: the same row at the same height. What was searched for may be a name, so it is kept in two halves that
// say nothing alone: a one-time pad in the browser's history, the padded text in the server's memory.
function leave(row) {
  const text = new TextEncoder().encode(search.value).slice(0, 256);
  const place = text.length ? hex(crypto.getRandomValues(new Uint8Array(8))) : "";
  const pad = crypto.getRandomValues(new Uint8Array(text.length));
  if (place) post("/place", { place, padded: hex(text.map((byte, at) => byte ^ pad[at])) }, { keepalive: true }).catch(() => {});
  const { top } = row.getBoundingClientRect();
  history.replaceState({ row: row.dataset.id, top, open: document.getElementById("finished").open, place, pad: hex(pad) }, "");
}

async function comeBack() {
  history.scrollRestoration = "manual";
  const before = history.state;
  if (!before) return;
  history.replaceState(null, "");
  document.getElementById("finished").open = before.open;
  if (before.place) {
    const answer = await fetch(`/place/${before.place}`, { cache: "no-store" }).catch(() => null);
    if (answer?.ok && !search.value) {
      const pad = unhex(before.pad);
      search.value = new TextDecoder().decode(unhex(await answer.text()).map((byte, at) => byte ^ pad[at]));
      filter();
    }
  }
  const row = document.getElementById(`r-${before.row}`);
  if (!row) return;
  row.querySelector(".who").focus({ preventScroll: true });
  byKeys = true;
  hold(row, before.top);
}

main.addEventListener("click", (event) => {
  if (event.target.closest(".who, .beside a")) leave(event.target.closest(".row"));
});

keys({
  j: () => step(1),
  k: () => step(-1),
  ...Object.fromEntries([..."12345"].map((key) => [key, () => pressCall(Number(key))])),
  a: () => press("take"),
  t: () => press("take"),
  s: () => press("acknowledge"),
  x: () => choose(),
  ...Object.fromEntries(Object.keys(ONE_PRESS).map((key) => [key, () => pressOn(key)])),
  ...Object.fromEntries([..."6nhcoe"].map((key) => [key, () => openAt(key)])),
  p: () => printChosen(document.activeElement?.closest?.(".row")),
  f: () => {
    const fold = document.getElementById("narrow");
    fold.open = true;
    fold.querySelector("select").focus();
  },
  J: () => choose(1),
  K: () => choose(-1),
  z: () => undoLast(),
  "/": () => search.focus(),
  Enter: (event, typing) => {
    if (!typing) return false;
    visible()[0]?.focus();
  },
  Escape: (event, typing) => {
    if (typing) document.activeElement.blur();
    else if (chooseNone()) return;
    if (search.value) showAll();
  },
});

const mine = document.body.dataset.own === "yes"; // other lists hold what no event of one's own tells of
listen(Number(document.body.dataset.position), {
  row: (data, position) => (mine ? put(data.html, position) : refetch()),
  gone: (data) => (mine ? remove(data) : refetch()),
  refetch: () => refetch({ whole: true }),
  steady,
});
lockWhenIdle();
keepDrafts(main, "/draft");
count();
comeBack();
// How many there are on the lists that this page was not made with.
async function countOthers() {
  const answer = await fetch(`/counts${location.search}`, { cache: "no-store", signal: AbortSignal.timeout(10_000) }).catch(() => null);
  if (!answer?.ok) return;
  const counts = await answer.json();
  for (const link of main.querySelectorAll(".views a")) {
    const number = counts[link.getAttribute("href")];
    if (number === undefined || link.querySelector(".count")) continue;
    const box = document.createElement("span");
    box.className = "count";
    box.title = "When this page was opened";
    box.textContent = number;
    link.append(" ", box);
  }
}

countOthers();
setInterval(() => document.hidden || refetch(), mine ? 60_000 : 15_000); // clocks run down while nothing else happens
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && Date.now() - asked > 60_000) refetch();
});
