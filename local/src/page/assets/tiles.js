// One tile for the caller and one for each instance: who serves what, what is refused and why, whether the breaker is open.

import { el, keyed, setText } from "./dom.js";
import { codeName, latency, percent, rate, refusals, total } from "./format.js";
import { codeColour, instanceColour } from "./theme.js";

const STATES = {
  starting: ["◌ Starting", "neutral"],
  draining: ["◐ Draining", "neutral"],
  restarting: ["↻ Restarting", "bad"],
  stopped: ["■ Stopped", "neutral"],
  failed: ["✕ Failed", "bad"],
};

/** Shows the tiles of a snapshot and its latest sample. */
export function showTiles(list, snapshot, sample) {
  const client = snapshot.processes.find((p) => p.role === "userClient");
  const instances = snapshot.processes.filter((p) => p.role === "userInfo");
  const tiles = [
    ...(client ? [callerTile(client, sample?.client)] : []),
    ...instances.map((p) => instanceTile(p, sample?.instances.find((i) => i.name === p.name), sample?.client)),
  ];
  keyed(list, tiles, (tile) => tile.key, make, update);
}

function callerTile(process, seen) {
  const codes = seen?.codes ?? {};
  const served = codes["0"] ?? 0;
  const times = seen?.p50 == null ? [] : [`p50 ${latency(seen.p50)}`, `p99 ${latency(seen.p99 ?? seen.p50)}`];
  return {
    key: process.name, kind: "caller", title: process.name, swatch: "--ink", health: health(process, seen?.callsPerS ?? 0, 0, codes),
    figures: [[rate(served), "served /s"], [rate(total(codes) - served), "not served /s"]],
    codes, breaker: breakerBadge(seen?.breaker, process), facts: times,
  };
}

function instanceTile(process, seen, client) {
  const codes = seen?.codes ?? {};
  const calls = total(codes);
  const share = client && client.instances[process.grpc] / total(client.instances);
  const facts = [process.grpc && `gRPC ${process.grpc}`, process.http && `HTTP ${process.http}`, process.weight != null && `weight ${process.weight}`,
    Number.isFinite(share) && `${percent(share)} of the caller's calls`];
  const refused = calls ? 1 - (codes["0"] ?? 0) / calls : 0;
  return {
    key: process.name, kind: "instance", title: process.name, swatch: instanceColour(process.name), health: health(process, calls, refused, codes),
    figures: [[rate(calls), "calls /s"], [percent(refused), "not served"]], codes, breaker: null, facts: facts.filter(Boolean),
  };
}

function health(process, calls, refused, codes) {
  if (process.state !== "ready") return STATES[process.state];
  if (refused >= 0.005) return [`▲ ${refusals(codes)[0][0].startsWith("429") ? "Refusing" : "Failing"} ${percent(refused)}`, "warn"];
  return calls > 0 ? [process.role === "userClient" ? "● Calling" : "● Serving", "ok"] : ["○ Idle", "neutral"];
}

function breakerBadge(breaker, process) {
  if (process.state !== "ready") return ["Breaker unknown", "neutral", ""];
  if (!breaker) return ["– Breaker OFF", "neutral", "every call goes out"];
  const passes = `${breaker.mode}, passes ${percent(breaker.admission)}`;
  return breaker.state === "Open" ? ["✕ Breaker OPEN", "bad", passes] : ["● Breaker CLOSED", "ok", passes];
}

function make({ kind }) {
  return el("li", { class: `tile ${kind}` },
    el("div", { class: "tile-head" }, el("span", { class: "swatch", "aria-hidden": true }), el("h3"), el("span", { class: "pill" })),
    el("dl", { class: "figures" }),
    el("div", { class: "bar", "aria-hidden": true }),
    el("ul", { class: "reasons" }),
    el("p", { class: "breaker", hidden: true }, el("strong", { class: "pill" }), el("span", { class: "muted" })),
    el("ul", { class: "facts muted" }));
}

function update(node, tile) {
  const part = (selector) => node.querySelector(selector);
  setText(part("h3"), tile.title);
  part(".swatch").style.background = `var(${tile.swatch})`;
  pill(part(".tile-head .pill"), tile.health);
  keyed(part(".figures"), tile.figures, (f) => f[1], () => el("div", {}, el("dt"), el("dd")), (row, [value, label]) => {
    setText(row.querySelector("dt"), label);
    setText(row.querySelector("dd"), value);
  });
  const sum = total(tile.codes) || 1;
  const seen = [["0", tile.codes["0"] ?? 0], ...refusals(tile.codes)];
  keyed(part(".bar"), seen, (c) => c[0], ([code]) => el("span", { style: `background: var(${codeColour(code)})` }), (slice, [, n]) => {
    slice.style.flexGrow = n / sum;
  });
  keyed(part(".reasons"), refusals(tile.codes), (c) => c[0], reasonRow, (row, [, n]) => {
    setText(row.lastChild, `${rate(n)} /s · ${percent(n / sum)}`);
  });
  part(".breaker").hidden = !tile.breaker;
  if (tile.breaker) {
    pill(part(".breaker .pill"), tile.breaker);
    setText(part(".breaker .muted"), tile.breaker[2]);
  }
  keyed(part(".facts"), tile.facts.map((text, i) => [String(i), text]), (f) => f[0], () => el("li"), (row, [, text]) => setText(row, text));
}

const reasonRow = ([code]) =>
  el("li", {}, el("span", { class: "swatch", "aria-hidden": true, style: `background: var(${codeColour(code)})` }), el("span", {}, codeName(code)), el("span", { class: "muted" }));

function pill(node, [text, tone]) {
  setText(node, text);
  node.className = `pill ${tone}`;
}
