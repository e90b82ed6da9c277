// The table of all processes.

import { el, keyed, setText } from "./dom.js";
import { age } from "./format.js";

const COLUMNS = [
  ["Name", (p) => p.name],
  ["State", (p) => p.state + (p.note ? `: ${p.note}` : "")],
  ["gRPC", (p) => p.grpc],
  ["HTTP", (p) => p.http],
  ["Pid", (p) => p.pid],
  ["Restarts", (p) => p.restarts],
  ["Generation", (p) => p.generation],
  ["Since", (p) => age(p.sinceSeconds + Math.round((Date.now() - p.seenAt) / 1000))],
];

/** Shows the processes of a snapshot that arrived at `seenAt` (ms). */
export function showProcesses(body, snapshot, seenAt) {
  const rows = snapshot.processes.map((p) => ({ ...p, seenAt }));
  keyed(body, rows, (p) => p.name, make, (row, process) => {
    COLUMNS.forEach(([, text], i) => setText(row.children[i], String(text(process) ?? "–")));
  });
}

const make = () =>
  el("tr", {}, ...COLUMNS.map(([label], i) => (i === 0 ? el("th", { scope: "row" }) : el("td", { "data-label": label }))));
