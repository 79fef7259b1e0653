// In: sentences worth hearing while one looks at something else. Out: the live region of a page says at most one in 20 s;
// how many came meanwhile is said with the next.

const GAP_MS = 20_000;
const KEPT = 3;

const region = document.getElementById("spoken");
const said = new Set();
const waiting = [];
let next = 0; // when the region may speak again
let timer = null;

export function heard(key) {
  said.add(key);
}

// `key`: what is said under it once is not said again.
export function speak(words, key) {
  if (!words || said.has(key)) return;
  said.add(key);
  waiting.push(words);
  timer ??= setTimeout(say, Math.max(0, next - Date.now()));
}

function say() {
  timer = null;
  next = Date.now() + GAP_MS;
  const [first, ...more] = waiting.splice(0);
  const line = document.createElement("p");
  line.textContent = more.length ? `${first} ${more.length} more.` : first;
  region.append(line);
  while (region.children.length > KEPT) region.firstChild.remove();
}
