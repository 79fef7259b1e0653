// One stay: keeps the page true while it is open, says what changed by itself, and turns keys into actions.

import { act, lockNow, log, post, undoLast } from "./acts.js";
import { changed, fieldsOf, fill, keepDrafts, sending } from "./drafts.js";
import { keys, lockWhenIdle } from "./keys.js";
import { clock, listen } from "./live.js";
import { speak } from "./speech.js";

const id = document.body.dataset.id;
const main = document.getElementById("main");
const news = document.getElementById("news");

const ours = new Set(); // positions of what was pressed here
let pressing = Promise.resolve();
let ready = Promise.resolve(); // nothing that was typed is on its way
let under = null; // the button the pointer is on

function typed(control) {
  return control === document.activeElement || changed(control);
}

// What a person has typed and not sent goes on in the new content, as the very same field.
function keepTyped(content) {
  const kept = [...main.querySelectorAll("textarea, select, input:not([type=hidden])")].filter(typed);
  for (const control of kept.reverse()) {
    const place = (one) => `${one.closest("form")?.getAttribute("action")} ${one.closest("details")?.id}`;
    const twin = [...content.querySelectorAll("textarea, select, input")].find(
      (other) => other.name === control.name && other.type === control.type && place(other) === place(control),
    );
    if (twin) twin.replaceWith(control);
    else content.prepend(control);
  }
}

function swap(content) {
  const focused = document.activeElement;
  const range = focused?.matches?.("textarea, input") ? [focused.selectionStart, focused.selectionEnd] : null;
  const key = focused?.dataset?.act;
  const held = key || under?.dataset.act;
  const before = held && main.querySelector(`[data-act="${held}"]`)?.getBoundingClientRect().top;
  const opened = [...main.querySelectorAll("details[open]")].map((part) => part.id);
  keepTyped(content);
  main.replaceChildren(content);
  for (const part of opened) if (part) document.getElementById(part).open = true;
  if (key) main.querySelector(`[data-act="${key}"]`)?.focus({ preventScroll: true });
  else if (range && focused.isConnected) {
    focused.focus({ preventScroll: true });
    if (range[0] !== null) focused.setSelectionRange(...range);
  }
  const after = held && main.querySelector(`[data-act="${held}"]`)?.getBoundingClientRect().top;
  if (held && after !== undefined) scrollBy({ top: after - before, behavior: "instant" });
}

function tell(article) {
  const words = document.createElement("span");
  words.textContent = `Changed ${clock.format(Date.now())}: ${article.dataset.news}. `;
  const show = document.createElement("button");
  show.type = "button";
  show.textContent = "Show";
  show.addEventListener("click", () => {
    news.hidden = true;
    post(`/stay/${id}/seen`, { version: article.dataset.version }).catch(() => {});
    const happened = main.querySelector(".happened");
    happened.tabIndex = -1;
    happened.focus({ preventScroll: true });
    scrollTo({ top: 0, behavior: "instant" });
  });
  news.replaceChildren(words, show);
  news.hidden = false;
}

async function refetch({ quiet = false } = {}) {
  const answer = await fetch(`/stay/${id}/part`, { cache: "no-store", signal: AbortSignal.timeout(5_000) }).catch(() => null);
  if (answer?.status === 401) return lockNow();
  if (answer?.status === 404) return location.reload();
  if (!answer?.ok) return;
  const box = document.createElement("template");
  box.innerHTML = await answer.text();
  const { version, news: last } = main.querySelector(".stay").dataset;
  const article = box.content.querySelector(".stay");
  const changed = article.dataset.version !== version || article.dataset.news !== last;
  swap(box.content);
  if (changed && !quiet) tell(article);
}

function press(action) {
  const button = main.querySelector(`[data-act="${action}"]`);
  if (!button || button.disabled) return;
  remember(act(id, action, button.dataset.version));
}

function remember(doing) {
  pressing = doing.then((position) => position && ours.add(position));
}

function leave() {
  const from = document.referrer && new URL(document.referrer);
  if (from && from.origin === location.origin && from.pathname === "/" && history.length > 1) history.back();
  else location.assign("/");
}

main.addEventListener("click", (event) => {
  if (event.target.closest(".back") && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    leave();
    return;
  }
  const more = event.target.closest("[data-more]");
  if (more) more.setAttribute("aria-expanded", String(more.form.classList.toggle("all")));
  const button = event.target.closest("[data-act]");
  if (!button) return;
  event.preventDefault();
  press(button.dataset.act);
});
// A form of an act, sent as the plain form would be; what was typed in it leaves the page with it, and comes back into it
// where nothing was written.
function sendForm(form, button) {
  const fields = Object.fromEntries(new FormData(form, button));
  const typedThere = fieldsOf(form);
  delete fields.csrf;
  ready = sending(form);
  form.reset();
  form.closest("details")?.removeAttribute("open");
  remember(
    ready.then(async (draft) => {
      const position = await log(id, { ...fields, draft });
      if (position === null) fill(main, draft, typedThere);
      return position;
    }),
  );
}

main.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-log]");
  if (!form) return;
  event.preventDefault();
  sendForm(form, event.submitter);
});

function pressKey(key) {
  const button = main.querySelector(`[data-key="${key}"]`);
  if (!button) return false;
  const fold = button.closest("details:not([open])");
  if (fold) {
    fold.open = true;
    (fold.querySelector("input:not([type=hidden]), select, textarea") || button).focus();
    if (fold.querySelector("[required]")) return true;
  }
  if (button.form.reportValidity()) sendForm(button.form, button);
}

function openFold(key) {
  const fold = main.querySelector(`[data-open="${key}"]`);
  if (!fold) return false;
  fold.open = true;
  fold.querySelector("input:not([type=hidden]), select, textarea, button").focus();
  return true;
}

main.addEventListener("pointermove", (event) => {
  under = event.pointerType === "touch" ? null : event.target.closest("[data-act]");
});
main.addEventListener("pointerleave", () => {
  under = null;
});

keys({
  ...Object.fromEntries([..."12345678vxg"].map((key) => [key, () => pressKey(key)])),
  ...Object.fromEntries([..."nhcoe"].map((key) => [key, () => openFold(key)])),
  p: () => main.querySelector("[data-print]")?.click(),
  a: () => press("take"),
  t: () => press("take"),
  s: () => press("acknowledge"),
  z: () => remember(ready.then(undoLast)),
  "]": () => location.assign(`/stay/${id}/next`),
  "[": () => location.assign(`/stay/${id}/previous`),
  Escape: leave,
});

listen(Number(document.body.dataset.position), {
  row: async (data, position) => {
    if (!data.on.includes(id)) return;
    if (data.id === id) speak(data.speak, data.speak);
    await pressing;
    refetch({ quiet: ours.has(position) });
  },
  gone: (data) => data.id === id && !data.into && refetch(),
  refetch,
});
lockWhenIdle();
keepDrafts(main, `/stay/${id}/draft`);

// Where an address points on this page: a call to log, a key that a list passed on, or an entry of the story to add to.
async function goToHash() {
  const at = location.hash.slice(1);
  if (at === "log") return document.querySelector("#log button")?.focus();
  if (at.startsWith("key-")) return openFold(at.slice(4)) || pressKey(at.slice(4));
  if (!at.startsWith("c-")) return;
  if (!document.getElementById(at)) await refetch({ quiet: true });
  const fold = document.getElementById(at);
  if (!fold) return;
  fold.open = true;
  fold.querySelector("input:not([type=hidden]), select, textarea").focus();
}

addEventListener("hashchange", goToHash);
goToHash();
