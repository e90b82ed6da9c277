// One sentence for who only glances: how many calls are served, what becomes of the others and why, and whether the breaker is open.

import { byId, setText } from "./dom.js";
import { codeName, rate, refusals, total } from "./format.js";

// Who ends a call with this code, or what it says of the service.
const WHY = {
  "429 RATELIMIT": "an instance's rate limiter",
  "503 CIRCUITBREAKER": "the caller's own breaker",
  "500 random error": "an injected fault",
  "504 TIMEOUT": "no reply in time",
  "503 UNREACHABLE": "a broken connection",
  "503 no_available_node": "no instance to call",
  "503 STORE_UNAVAILABLE": "the store of users is away",
  "404 USER_NOT_FOUND": "no such user",
};

/** Shows the sentence for a snapshot and its latest sample. */
export function showSummary(snapshot, sample) {
  const [text, tone] = sentence(snapshot, sample?.client);
  byId("summary").className = `summary ${tone}`;
  setText(byId("summary"), text);
}

function sentence(snapshot, client) {
  const ready = snapshot.processes.filter((p) => p.role === "userInfo" && p.state === "ready").length;
  const serving = `${ready} instance${ready === 1 ? "" : "s"}`;
  if (!snapshot.processes.some((p) => p.role === "userClient")) return [`${serving} ready, and no caller.`, "neutral"];
  const calls = total(client?.codes ?? {});
  if (calls === 0) return [`${serving} ready, and no calls.`, "neutral"];
  const open = client.breaker?.state === "Open";
  const refused = refusals(client.codes);
  if (refused.length === 0) return [`${rate(calls)} calls a second, all served by ${serving}.${open ? " The breaker is open." : ""}`, open ? "warn" : "ok"];
  const reasons = refused.slice(0, 2).map(([code, n]) => `${rate(n)} × ${codeName(code)}${WHY[code] ? ` (${WHY[code]})` : ""}`).join(", ");
  return [`${open ? "The breaker is open: of" : "Of"} ${rate(calls)} calls a second ${rate(client.codes["0"] ?? 0)} are served. The others: ${reasons}.`, open ? "bad" : "warn"];
}
