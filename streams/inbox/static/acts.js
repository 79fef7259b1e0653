// In: a stay, an action and the version it was pressed on. Out: the action written to the record, and a moment to undo it.

const said = document.getElementById("said");
const asking = document.getElementById("ask");
const DONE = { take: "Taken: it is yours.", acknowledge: "Marked as seen.", undo: "Undone." };
const UNWRITTEN = {
  404: "Not written: this stay is no longer yours.",
  409: "Not written: this stay changed while you looked at it. Look again, then press.",
  503: "Not written: the store behind the inbox does not answer. Try again in a moment.",
};
const NOT_UNDONE = {
  "too late": "Too late to undo: that was more than 10 seconds ago.",
  "nothing to undo": "There is nothing left to undo.",
};

let undo = null;
let writing = null; // the row may show an action before its answer is here
let hide = null;

export function token() {
  return document.querySelector('meta[name="csrf"]').content;
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

export function lockNow() {
  document.getElementById("main")?.replaceChildren();
  location.reload();
}

function say(words, button) {
  clearTimeout(hide);
  said.replaceChildren(words);
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
    undo = null;
  }, button ? Number(document.body.dataset.undo || 10) * 1000 : 6_000);
}

function ask(question) {
  document.getElementById("ask-title").textContent = question;
  asking.returnValue = "";
  asking.showModal();
  return new Promise((resolve) => asking.addEventListener("close", () => resolve(asking.returnValue === "yes"), { once: true }));
}

// Gives the position the action was written at, or null.
export function act(id, action, version, over = "") {
  writing = write(id, action, version, over);
  return writing;
}

async function write(id, action, version, over) {
  let answer;
  try {
    answer = await post(`/stay/${id}/${action}`, { version, over });
    if (answer.status === 401) return lockNow(), null;
    const told = answer.headers.get("content-type")?.includes("json") ? await answer.json() : {};
    if (answer.ok) {
      undo = { id, act: told.act };
      say(DONE[action], true);
      return told.position;
    }
    if (told.question) return (await ask(told.question)) ? write(id, action, version, told.over) : null;
  } catch {
    answer = null;
  }
  say((answer && UNWRITTEN[answer.status]) || "Not written: the inbox did not answer. Try again.", false);
  return null;
}

export async function undoLast() {
  await writing;
  if (!undo) return null;
  const last = undo;
  undo = null;
  try {
    const answer = await post(`/stay/${last.id}/undo`, { act: last.act });
    if (answer.ok) {
      say(DONE.undo, false);
      return (await answer.json()).position;
    }
    if (answer.status === 409) {
      say(NOT_UNDONE[await answer.text()] || "Not undone.", false);
      return null;
    }
  } catch {
    // no answer: the press may be tried again while it counts
  }
  undo = last;
  say("Not undone: the inbox did not answer. Press z to try again.", false);
  return null;
}
