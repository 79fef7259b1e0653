// In: what a person types in the forms of a page. Out: it is kept at the server until it is sent, and stands in its form
// again after a lock or a reload. Nothing of it is kept in the browser.

import { lockNow, post, say } from "./acts.js";

const REST_MS = 600; // without a key, and what was typed is kept
const RETRY_MS = 3_000;
const ANSWER_MS = 5_000;
const HURRY_MS = 1_000; // a press waits no longer for a draft that is on its way
const FORMS = "form[data-log], form[data-draft]";
const FIELDS = "textarea, select, input:not([type=hidden])";

const typedIn = new Map(); // name of a form -> when something was last typed there that is not kept yet
let keeping = Promise.resolve();
let timer = null;
let failed = false;

// Whether a field holds something else than the page came with.
export function changed(control) {
  if (control.matches("select")) return [...control.options].some((option) => option.selected !== option.defaultSelected);
  return control.value !== control.defaultValue || (control.checked ?? false) !== (control.defaultChecked ?? false);
}

function filled(box) {
  return [...box.querySelectorAll(FORMS)].filter((form) => form.querySelector(FIELDS));
}

// The name by which a form is known again in the page that comes next.
export function nameOf(form) {
  if (form.dataset.draft) return form.dataset.draft;
  const fold = form.closest("details");
  return fold ? `${fold.id}.${filled(fold).indexOf(form)}` : form.elements.answers_act?.value || "";
}

export function fieldsOf(form) {
  const controls = [...form.querySelectorAll(FIELDS)].filter((control) => control.name && changed(control));
  const held = controls.filter((control) => !["radio", "checkbox"].includes(control.type) || control.checked);
  return Object.fromEntries(held.map((control) => [control.name, control.value]));
}

function named(main, name) {
  return filled(main).find((form) => nameOf(form) === name);
}

async function keep(main, to, more = {}) {
  clearTimeout(timer);
  timer = null;
  for (const [name, at] of [...typedIn]) {
    const form = named(main, name);
    typedIn.delete(name);
    if (!form) continue;
    const draft = { form: name, fields: JSON.stringify(fieldsOf(form)), ago: Date.now() - at };
    const answer = await post(to, draft, { signal: AbortSignal.timeout(ANSWER_MS), ...more }).catch(() => null);
    if (answer?.status === 401) return lockNow();
    failed = !answer || answer.status >= 500;
    if (!failed) continue;
    if (!typedIn.has(name)) typedIn.set(name, at);
    timer ??= setTimeout(() => begin(main, to), RETRY_MS);
    return;
  }
}

function begin(main, to, more) {
  keeping = keeping.then(() => keep(main, to, more));
}

// What was on its way is there before the press that ends it; gives the draft's name.
export async function sending(form) {
  const name = nameOf(form);
  typedIn.delete(name);
  await Promise.race([keeping, new Promise((resolve) => setTimeout(resolve, HURRY_MS))]);
  return name;
}

// Fills a form with what stood in it; gives in how many fields.
export function fill(main, name, fields) {
  const form = named(main, name);
  const controls = [...(form?.querySelectorAll(FIELDS) || [])].filter((control) => control.name in fields);
  for (const control of controls) {
    if (["radio", "checkbox"].includes(control.type)) control.checked = control.value === fields[control.name];
    else control.value = fields[control.name];
  }
  const fold = controls.length && form.closest("details");
  if (fold) fold.open = true;
  return controls.length;
}

function putBack(main, drafts) {
  const counts = Object.entries(drafts).map(([name, fields]) => fill(main, name, fields));
  if (counts.some(Boolean)) say("What you had typed here is back. It is not sent yet.", false);
}

// `to`: where the drafts of this page are kept.
export function keepDrafts(main, to) {
  putBack(main, JSON.parse(document.body.dataset.drafts));
  delete document.body.dataset.drafts;
  main.addEventListener("input", (event) => {
    const form = event.target.closest(FORMS);
    const name = form && nameOf(form);
    if (!name) return;
    typedIn.set(name, Date.now());
    clearTimeout(timer);
    timer = setTimeout(() => begin(main, to), REST_MS);
  });
  main.addEventListener("submit", (event) => typedIn.delete(event.target.dataset.draft)); // it leaves with its form
  addEventListener("pagehide", () => typedIn.size && begin(main, to, { keepalive: true }));
  addEventListener("online", () => typedIn.size && begin(main, to));
  addEventListener("beforeunload", (event) => failed && typedIn.size && event.preventDefault());
}
