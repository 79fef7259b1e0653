// Pages that are not live: help and the idle lock only.

import { keys, lockWhenIdle } from "./keys.js";

keys({ Escape: () => location.assign("/") });
lockWhenIdle();
document.getElementById("print")?.addEventListener("click", () => print());
