// In: the position the page was made at. Out: every later change once, in order, and a line that tells how fresh the page is.

import { lockNow } from "./acts.js";

const SILENT_MS = 8_000; // the server says something every 3 s; after so long without a word the line is cut
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 2_000;
const ANSWER_MS = 3_000; // a line that was cut without a word answers nothing, not even "no"
const NAMED_SILENT = 2;

const fresh = document.getElementById("fresh");
const banner = document.getElementById("stale");
const quietBanner = document.getElementById("quiet-feeds");

const in24 = document.documentElement.dataset.hours === "24";
const hours = in24 ? { hour: "2-digit", hourCycle: "h23" } : { hour: "numeric" };
export const clock = new Intl.DateTimeFormat("en-US", { ...hours, minute: "2-digit" });

export function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

export function listen(start, handlers) {
  let position = start;
  let source = null;
  let heard = Date.now();
  let cutSince = null;
  let retry = FIRST_RETRY_MS;
  let timer = null;
  let live = false;
  let silent = [];
  let feeds = 0;
  let lastAlert = null; // by our own clock, so a wrong clock on either side does no harm

  const age = Number(document.body.dataset.lastAlert);
  if (document.body.dataset.lastAlert) lastAlert = Date.now() - age * 1000;

  // Names the hospitals that say nothing, to whoever has people there; what is below it does not move.
  function nameQuiet() {
    const more = silent.length - NAMED_SILENT;
    const words = [...silent.slice(0, NAMED_SILENT), ...(more > 0 ? [`And ${more} more.`] : [])].join(" ");
    if (quietBanner.textContent === words) return;
    (handlers.steady ?? ((change) => change()))(() => {
      quietBanner.textContent = words;
      quietBanner.hidden = !words;
    });
  }

  function show() {
    if (source && Date.now() - heard > SILENT_MS) drop();
    fresh.classList.toggle("cut", !live);
    fresh.classList.toggle("quiet-feed", live && silent.length > 0);
    if (live) {
      const last = lastAlert === null ? "No news for you yet." : `Last news for you ${span(Date.now() - lastAlert)} ago.`;
      const part = silent.length ? ` ${feeds - silent.length} of ${feeds} hospitals heard from.` : "";
      const all = feeds > 1 ? ` All ${feeds} hospitals heard from.` : "";
      fresh.textContent = `Live. ${last}${part || all}`;
      banner.hidden = true;
      return;
    }
    if (cutSince === null) {
      fresh.textContent = "connecting";
      return;
    }
    fresh.textContent = `no connection since ${clock.format(cutSince)}`;
    if (Date.now() - cutSince < 1_500) return; // a blink is no news
    const words = `No connection since ${clock.format(cutSince)}. What you see may be old. Trying again.`;
    if (banner.textContent !== words) banner.textContent = words;
    banner.hidden = false;
  }

  function hear(event) {
    heard = Date.now();
    retry = FIRST_RETRY_MS;
    cutSince = null;
    live = true;
    if (event.lastEventId) position = Math.max(position, Number(event.lastEventId));
  }

  function open() {
    timer = null;
    heard = Date.now();
    source = new EventSource(`/stream?after=${position}`);
    source.addEventListener("beat", (event) => {
      hear(event);
      const data = JSON.parse(event.data);
      lastAlert = data.last_alert === null ? null : Date.now() - data.last_alert * 1000;
      silent = data.silent;
      feeds = data.feeds;
      nameQuiet();
      if (handlers.beat) handlers.beat(data);
      show();
    });
    source.addEventListener("row", (event) => {
      const before = position;
      hear(event);
      const data = JSON.parse(event.data);
      if (position > before || data.beside) handlers.row(data, position);
      if (data.told) lastAlert = Date.now();
      show();
    });
    source.addEventListener("gone", (event) => {
      hear(event);
      handlers.gone(JSON.parse(event.data));
    });
    source.addEventListener("at", hear);
    source.addEventListener("refetch", (event) => {
      hear(event);
      handlers.refetch();
      show();
    });
    source.addEventListener("locked", lockNow);
    source.addEventListener("closing", (event) => move(JSON.parse(event.data).within));
    source.onerror = drop;
  }

  // This server ends in order: another one behind the address has the line before anybody would see it cut.
  function move(within) {
    source.close();
    source = null;
    timer = setTimeout(open, Math.random() * within);
  }

  function drop() {
    if (source) source.close();
    source = null;
    live = false;
    if (cutSince === null) cutSince = Date.now();
    if (timer === null) {
      timer = setTimeout(again, retry * (0.75 + Math.random() / 2));
      retry = Math.min(retry * 2, LAST_RETRY_MS);
    }
    show();
  }

  async function again() {
    try {
      const answer = await fetch("/still", { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
      if (answer.status === 401) return lockNow();
      if (answer.ok) return open();
    } catch {
      // the server is away: try later
    }
    timer = null;
    drop();
  }

  addEventListener("offline", drop);
  addEventListener("online", () => {
    if (source === null) {
      clearTimeout(timer);
      timer = null;
      again();
    }
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) show();
  });
  addEventListener("pagehide", () => source && source.close());
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  setInterval(show, 1_000);
  open();
}
