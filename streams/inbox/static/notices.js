// What tells that somebody came while one looks at something else: a count in the title and a dot on the icon, a sound,
// a notice on the desktop. Each is off until its reader asks for it on this computer; a number at most leaves the page.

const BASE_HZ = 587;
const SOUND_SECONDS = 0.7;
const LOUDEST = 0.06;

const icon = document.querySelector("link[rel=icon]");
const plainIcon = icon.getAttribute("href");
const title = document.title;
let inTitle = 0;
let number = 0; // urgent people who came since somebody was at this page

// A box of the help, kept for its reader: who shares a computer hears nothing that only a colleague asked for.
function option(name, changed = () => {}) {
  const box = document.getElementById(name);
  const key = `${name}:${document.body.dataset.me}`;
  box.checked = localStorage.getItem(key) === "on";
  box.addEventListener("change", async () => {
    await changed(box);
    if (box.checked) localStorage.setItem(key, "on");
    else localStorage.removeItem(key);
  });
  return box;
}

const counted = option("title-count", showCount);
const heard = option("sound", (box) => box.checked && play());
const notified = option("notices", async (box) => {
  if (box.checked) box.checked = (await Notification.requestPermission()) === "granted";
});
if (globalThis.Notification) {
  notified.closest("label").hidden = false;
  notified.checked &&= Notification.permission === "granted";
}

export function countInTitle(people) {
  inTitle = people;
  showCount();
}

function showCount() {
  document.title = counted.checked && inTitle ? `(${inTitle}) ${title}` : title;
  const href = counted.checked && number ? icon.dataset.news : plainIcon;
  if (icon.getAttribute("href") !== href) icon.setAttribute("href", href);
}

let audio = null;

// One soft note that fades by itself.
function play() {
  audio ??= new AudioContext();
  audio.resume();
  const [note, loudness, at] = [audio.createOscillator(), audio.createGain(), audio.currentTime];
  note.frequency.value = BASE_HZ;
  loudness.gain.setValueAtTime(0, at);
  loudness.gain.linearRampToValueAtTime(LOUDEST, at + SOUND_SECONDS / 8);
  loudness.gain.linearRampToValueAtTime(0, at + SOUND_SECONDS);
  note.connect(loudness).connect(audio.destination);
  note.start();
  note.stop(at + SOUND_SECONDS);
}

// Says that somebody urgent came while nobody looked at this page: the sound once, and one notice in place of another.
export function notice() {
  if (document.hasFocus()) return;
  number += 1;
  showCount();
  if (heard.checked && number === 1) play();
  if (!notified.checked) return;
  const said = new Notification("Warm Handoff", { body: `${number} new urgent`, tag: "urgent" });
  said.onclick = () => focus();
}

addEventListener("focus", () => {
  number = 0;
  showCount();
});
