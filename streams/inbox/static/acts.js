// In: a stay, an action and the version it was pressed on. Out: the action written to the record, and a moment to undo it.

const said = document.getElementById("said");
const DONE = { take: "Taken: it is yours.", acknowledge: "Marked as seen.", undo: "Undone." };

let undo = null;
let hide = null;

export function token() {
  return document.querySelector('meta[name="csrf"]').content;
}

export function post(path, fields) {
  return fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/x-www-form-urlencoded", "X-CSRF-Token": token(), Accept: "application/json" },
    body: new URLSearchParams(fields),
    cache: "no-store",
  });
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
  }, button ? Number(document.body.dataset.undo || 10) * 1000 : 4_000);
}

export async function act(id, action, version) {
  try {
    const answer = await post(`/stay/${id}/${action}`, { version });
    if (answer.status === 401) return location.replace("/");
    if (!answer.ok) throw new Error("refused");
    const { position } = await answer.json();
    undo = { id, position };
    say(DONE[action], true);
    return true;
  } catch {
    say("Not written: the inbox did not answer. Try again.", false);
    return false;
  }
}

export async function undoLast() {
  if (!undo) return;
  const { id, position } = undo;
  undo = null;
  try {
    const answer = await post(`/stay/${id}/undo`, { position });
    say(answer.ok ? DONE.undo : "Too late to undo.", false);
  } catch {
    say("Not undone: the inbox did not answer.", false);
  }
}
