// From samples to what the charts draw. A sample's `x` is its age in seconds, negative.

import { codeName, percent, rate, total } from "./format.js";
import { codeColour, colour, faded, instanceColour } from "./theme.js";

const distinct = (lists) => [...new Set(lists.flat())];

/** Calls a second of each instance, as lines. */
export function callsChart(samples) {
  const names = distinct(samples.map((s) => s.instances.map((i) => i.name)));
  const of = (sample, name) => sample.instances.find((i) => i.name === name)?.callsPerS ?? null;
  const traces = names.map((name) => ({
    name, x: samples.map((s) => s.x), y: samples.map((s) => of(s, name)), mode: "lines",
    line: { color: colour(instanceColour(name)), width: 2 }, hovertemplate: "%{y:,.0f} /s",
  }));
  const last = samples.at(-1)?.instances ?? [];
  const sum = last.reduce((a, i) => a + i.callsPerS, 0);
  const legend = last.map((i) => [i.name, instanceColour(i.name), `${rate(i.callsPerS)} /s`]);
  return { traces, layout: {}, summary: `${rate(sum)} /s on ${last.length} instance${last.length === 1 ? "" : "s"}`, legend };
}

/** Calls a second by code and reason, stacked, as the caller or the instances count them. */
export function codesChart(samples, view) {
  const counts = samples.map((s) => (view === "client" && s.client ? s.client.codes : summed(s.instances.map((i) => i.codes))));
  // "0" sorts first, so what was served stands at the bottom.
  const codes = distinct(counts.map(Object.keys)).sort();
  const traces = codes.map((code) => ({
    name: codeName(code), x: samples.map((s) => s.x), y: counts.map((c) => c[code] ?? 0), mode: "lines", stackgroup: "all",
    line: { color: colour(codeColour(code)), width: 1 }, fillcolor: faded(codeColour(code), 0.6),
    hovertemplate: "%{y:,.0f} /s",
  }));
  const last = counts.at(-1) ?? {};
  const legend = codes.map((code) => [codeName(code), codeColour(code), percent((last[code] ?? 0) / (total(last) || 1))]);
  return { traces, layout: {}, summary: `${rate(total(last))} /s, ${rate(last["0"] ?? 0)} /s of them served`, legend };
}

/** Calls a second by latency bucket of all instances, as a heat map: many calls are dark. */
export function latencyChart(samples) {
  const rows = samples.map((s) => buckets(summed(s.instances.map((i) => i.latency))));
  const bounds = distinct(rows.map((row) => row.map(([le]) => le))).sort((a, b) => a - b);
  const count = (row, le) => row.find(([bound]) => bound === le)?.[1] ?? 0;
  const counts = bounds.map((le) => rows.map((row) => count(row, le)));
  // A logarithmic scale, since the few slow calls are what one looks for.
  const z = counts.map((row) => row.map((n) => (n > 0 ? Math.log10(1 + n) : null)));
  const most = Math.max(1, ...z.flat());
  const powers = [1, 10, 100, 1000, 10_000, 100_000].filter((n) => Math.log10(1 + n) <= most);
  const traces = [{
    type: "heatmap", x: samples.map((s) => s.x), y: bounds.map((le, i) => bucketName(le, bounds[i - 1])), z, customdata: counts, zmin: 0, zmax: most, ygap: 2,
    colorscale: [[0, colour("--heat-low")], [1, colour("--heat-high")]], hovertemplate: "%{y}: %{customdata:,.0f} /s<extra></extra>",
    colorbar: { thickness: 8, outlinewidth: 0, tickvals: powers.map((n) => Math.log10(1 + n)), ticktext: powers.map((n) => rate(n)), title: { text: "/s" } },
  }];
  const last = rows.at(-1) ?? [];
  const slow = last.reduce((sum, [le, n]) => sum + (le > 0.01 ? n : 0), 0);
  const all = last.reduce((sum, [, n]) => sum + n, 0);
  const summary = all ? `${percent(1 - slow / all)} within 10 ms` : "no calls";
  return { traces, layout: { hovermode: "closest", yaxis: { type: "category", rangemode: "normal", nticks: 0, gridcolor: "transparent" } }, summary, legend: [] };
}

/** Share of calls that the breaker lets pass; seconds in which it is open are shaded. */
export function breakerChart(samples) {
  const of = (s) => s.client?.breaker;
  const isOpen = (s) => of(s)?.state === "Open";
  const traces = [{
    name: "calls passed", x: samples.map((s) => s.x), y: samples.map((s) => (of(s) ? of(s).admission * 100 : null)), mode: "lines",
    fill: "tozeroy", line: { color: colour("--accent"), width: 2, shape: "vh" },
    fillcolor: faded("--accent", 0.18), hovertemplate: "%{y:.0f} %",
  }];
  const spans = runs(samples, isOpen);
  const shapes = spans.map(([x0, x1]) => ({
    type: "rect", xref: "x", yref: "paper", x0, x1, y0: 0, y1: 1, line: { width: 0 }, layer: "below",
    fillcolor: faded("--bad", 0.16),
  }));
  const annotations = spans.filter(([x0, x1]) => x1 - x0 > 4).map(([x0, x1]) => ({
    text: "open", x: (x0 + x1) / 2, y: 0.97, yref: "paper", yanchor: "top", showarrow: false, font: { color: colour("--bad"), size: 12 },
  }));
  const last = samples.at(-1);
  const breaker = last && of(last);
  const summary = breaker ? `${breaker.state.toLowerCase()}, ${breaker.mode} mode, ${percent(breaker.admission)} of the calls pass` : last?.client ? "off" : "no caller";
  return { traces, layout: { shapes, annotations, yaxis: { range: [0, 105], ticksuffix: " %" } }, summary, legend: [] };
}

// Cumulative counts by bound (as Prometheus has them) to [[bound, calls in the bucket]].
function buckets(cumulative) {
  const sorted = Object.entries(cumulative).map(([le, n]) => [le === "+Inf" ? Infinity : Number(le), n]).sort((a, b) => a[0] - b[0]);
  return sorted.map(([le, n], i) => [le, Math.max(0, n - (i ? sorted[i - 1][1] : 0))]);
}

const bucketName = (le, below) => (le === Infinity ? `> ${bound(below)}` : `≤ ${bound(le)}`);
const bound = (seconds) => (seconds >= 1 ? `${seconds} s` : `${Math.round(seconds * 1000)} ms`);

function summed(counts) {
  const out = {};
  for (const one of counts) for (const [key, n] of Object.entries(one)) out[key] = (out[key] ?? 0) + n;
  return out;
}

// Stretches [from, to] of consecutive samples for which `holds`.
function runs(samples, holds) {
  const out = [];
  samples.forEach((s, i) => {
    if (!holds(s)) return;
    if (i > 0 && holds(samples[i - 1])) out.at(-1)[1] = s.x;
    else out.push([s.x - 1, s.x]);
  });
  return out;
}
