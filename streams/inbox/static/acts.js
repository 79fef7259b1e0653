// In: a stay, what was pressed and the version it was pressed on. Out: an act in the record, once, and a moment to undo it.
// What could not be sent is kept in this page's memory, says so, and is sent by itself under the id it was pressed with.

const said = document.getElementById("said");
const asking = document.getElementById("ask");
const waitingLine = document.getElementById("unsent");
const DONE = { take: (who) => `${who} is yours.`, acknowledge: (who) => `${who}: noted.` };
const UNDONE = "Undone.";
const UNWRITTEN = {
  404: "Not written: this stay is no longer yours.",
  409: "Not written: this stay changed while you looked at it. Look again, then press.",
};
const NOT_UNDONE = {
  "too late": "Too late to undo: that was more than 10 seconds ago. Correct it in the story instead.",
  "nothing to undo": "There is nothing left to undo.",
};
const UNDOABLE = 5;
const RETRY_MS = 2_000;
const LONGEST_RETRY_MS = 20_000;

const undoable = []; // {acts: [{id, act}], until}, newest last
const unsent = []; // {press, resolve}, oldest first
let writing = null; // the row may show an act before its answer is here
let hide = null;
let retry = null;
let wait = RETRY_MS;

export function token() {
  return document.querySelector('meta[name="csrf"]').content;
}

export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function post(path, fields, more = {}) {
  return fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/x-www-form-urlencoded", "X-CSRF-Token": token(), Accept: "application/json" },
    body: new URLSearchParams(fields),
    cache: "no-store",
    ...more,
  });
}

// Signing out ends the stream; a page that then reloaded by itself would never get to where the form leads.
let leaving = false;
document.querySelector('form[action="/sign-out"]')?.addEventListener("submit", () => {
  leaving = true;
});

export function lockNow() {
  if (leaving) return;
  document.getElementById("main")?.replaceChildren();
  location.reload();
}

function undoMs() {
  return Number(document.body.dataset.undo || 10) * 1000;
}

export function say(words, button, more = "") {
  clearTimeout(hide);
  said.replaceChildren(words);
  if (more) {
    const link = document.createElement("a");
    link.href = more;
    link.textContent = "Add details";
    said.append(" ", link);
  }
  if (button) {
    const press = document.createElement("button");
    press.type = "button";
    press.textContent = "Undo (z)";
    press.addEventListener("click", undoLast);
    said.append(press);
  }
  said.hidden = false;
  hide = setTimeout(() => {
    said.hidden = true;
  }, button ? undoMs() : 6_000);
}

function ask(question, yes) {
  document.getElementById("ask-title").textContent = question;
  asking.querySelector('[value="yes"]').textContent = yes;
  asking.returnValue = "";
  asking.showModal();
  return new Promise((resolve) => asking.addEventListener("close", () => resolve(asking.returnValue === "yes"), { once: true }));
}

// Of whom a page shows this stay: "Rosa Whitfield", without age and sex.
function nameOf(id) {
  const shown = document.querySelector(`#r-${id} .who`) || document.querySelector(".stay h1");
  return shown?.textContent.replace(/, [^,]*$/, "") || "This one";
}

// Gives the position the act was written at, or null.
export function act(id, action, version, over = "") {
  const words = DONE[action](nameOf(id));
  writing = send({ path: `/stay/${id}/${action}`, id, fields: { version, over, act: newId() }, words });
  return writing;
}

// A press with its fields, as the forms of a stay have them.
export function log(id, fields) {
  writing = send({ path: `/stay/${id}/log`, id, fields: { ...fields, act: newId() } });
  return writing;
}

// One press for all that is chosen; its fields are pairs, because a stay stands in them for each.
export function logMany(path, fields) {
  writing = send({ path, fields: [...fields.filter(([name]) => name !== "act"), ["act", newId()]] });
  return writing;
}

async function send(press) {
  let answer;
  let told = {};
  try {
    answer = await post(press.path, press.fields);
    if (answer.status === 401) return lockNow(), null;
    if (answer.headers.get("content-type")?.includes("json")) told = await answer.json();
  } catch {
    return keep(press);
  }
  if (answer.status === 503) return keep(press);
  if (answer.ok) {
    undoable.push({ acts: told.acts || [{ id: press.id, act: told.act }], until: Date.now() + undoMs() });
    if (undoable.length > UNDOABLE) undoable.shift();
    say(told.said || press.words, true, told.more);
    return told.position;
  }
  if (told.question) {
    const fields = told.fields || { ...press.fields, over: told.over };
    return (await ask(told.question, told.yes || "Take it over")) ? send({ ...press, fields }) : null;
  }
  say(told.said || UNWRITTEN[answer.status] || "Not written: the inbox did not answer. Try again.", false);
  return null;
}

function keep(press) {
  return new Promise((resolve) => {
    unsent.push({ press, resolve });
    showUnsent();
    later();
  });
}

function showUnsent() {
  const number = unsent.length;
  waitingLine.textContent = number ? `${number === 1 ? "What you pressed is" : `${number} things you pressed are`} not sent yet. Keep this page open: it is sent by itself, once.` : "";
  waitingLine.hidden = !number;
}

function later() {
  if (retry !== null) return;
  retry = setTimeout(sendUnsent, wait);
  wait = Math.min(wait * 2, LONGEST_RETRY_MS);
}

async function sendUnsent() {
  clearTimeout(retry);
  retry = null;
  while (unsent.length) {
    const { press, resolve } = unsent[0];
    try {
      const probe = await fetch("/still", { cache: "no-store", signal: AbortSignal.timeout(5_000) });
      if (probe.status === 401) return lockNow();
      if (!probe.ok) return later();
    } catch {
      return later();
    }
    unsent.shift();
    wait = RETRY_MS;
    showUnsent();
    resolve(await send(press));
  }
}

addEventListener("online", () => unsent.length && sendUnsent());
addEventListener("beforeunload", (event) => unsent.length && event.preventDefault());

export async function undoLast() {
  if (!unsent.length) await writing;
  const last = undoable.pop();
  if (!last || last.until < Date.now()) {
    if (last) say(NOT_UNDONE["too late"], false);
    return null;
  }
  try {
    let position = null;
    while (last.acts.length) {
      const { id, act: done } = last.acts[0];
      const answer = await post(`/stay/${id}/undo`, { act: done });
      if (answer.status === 409) {
        say(NOT_UNDONE[await answer.text()] || "Not undone.", false);
        return null;
      }
      if (!answer.ok) break;
      position = (await answer.json()).position;
      last.acts.shift();
    }
    if (!last.acts.length) {
      say(UNDONE, false);
      return position;
    }
  } catch {
    // no answer: the press may be tried again while it counts
  }
  undoable.push(last);
  say("Not undone: the inbox did not answer. Press z to try again.", false);
  return null;
}
