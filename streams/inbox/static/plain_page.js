// Pages that are not live: help and the idle lock only.

import { keepDrafts } from "./drafts.js";
import { keys, lockWhenIdle } from "./keys.js";

keys({ Escape: () => location.assign(document.querySelector("a.back")?.href || "/") });
lockWhenIdle();
if ("drafts" in document.body.dataset) keepDrafts(document.getElementById("main"), "/draft");
if ("print" in document.body.dataset) print();
document.getElementById("print")?.addEventListener("click", () => print());
