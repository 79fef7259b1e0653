// Notices on the desktop and a count in the title: each off until somebody asks for it, and a number only; nothing of a
// patient leaves the page.

const box = document.getElementById("notices");
const KEY = "notices";
const titleBox = document.getElementById("title-count");
const TITLE_KEY = "title-count";
const title = document.title;
let inTitle = 0;

titleBox.checked = localStorage.getItem(TITLE_KEY) === "on";
titleBox.addEventListener("change", () => {
  if (titleBox.checked) localStorage.setItem(TITLE_KEY, "on");
  else localStorage.removeItem(TITLE_KEY);
  countInTitle(inTitle);
});

export function countInTitle(people) {
  inTitle = people;
  document.title = titleBox.checked && people ? `(${people}) ${title}` : title;
}

function wanted() {
  return localStorage.getItem(KEY) === "on" && globalThis.Notification?.permission === "granted";
}

if (box && globalThis.Notification) {
  box.closest("label").hidden = false;
  box.checked = wanted();
  box.addEventListener("change", async () => {
    if (box.checked && (await Notification.requestPermission()) === "granted") localStorage.setItem(KEY, "on");
    else localStorage.removeItem(KEY);
    box.checked = wanted();
  });
}

// Says that urgent people came while nobody looked at this page; one notice takes the place of the one before.
let number = 0;

export function notice() {
  if (!wanted() || document.hasFocus()) return;
  number += 1;
  const said = new Notification("Warm Handoff", { body: `${number} new urgent`, tag: "urgent" });
  said.onclick = () => focus();
}

addEventListener("focus", () => {
  number = 0;
});
