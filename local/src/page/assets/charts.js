// The live charts. What is drawn is made in series.js; this file draws it.

import { byId, el, keyed, setText } from "./dom.js";
import { breakerChart, callsChart, codesChart, latencyChart } from "./series.js";
import { colour, onThemeChange } from "./theme.js";

const CHARTS = { calls: callsChart, codes: codesChart, latency: latencyChart, breaker: breakerChart };
const CONFIG = { displayModeBar: false, responsive: true, doubleClick: false, showTips: false };
let samplesNow = () => [];
let drawing = false;

/** Draws again whenever what is shown, the window or the colour scheme changes; `samples()` gives all samples, oldest first. */
export function enableCharts(samples) {
  samplesNow = samples;
  for (const id of ["span", "codes-view"]) byId(id).addEventListener("change", drawCharts);
  document.addEventListener("visibilitychange", drawCharts);
  onThemeChange(drawCharts);
}

/** Draws the charts at the next frame; a hidden tab draws nothing. */
export function drawCharts() {
  if (drawing || document.hidden) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    const span = Number(chosen("span"));
    const all = samplesNow();
    const now = all.at(-1)?.t ?? 0;
    const samples = all.filter((s) => s.t > now - span).map((s) => ({ ...s, x: s.t - now }));
    for (const [id, chart] of Object.entries(CHARTS)) {
      const { traces, layout, summary, legend } = chart(samples, chosen("codes-view"));
      setText(byId(`${id}-summary`), summary);
      showLegend(byId(`${id}-legend`), legend);
      Plotly.react(byId(`${id}-chart`), traces, { ...base(span), ...layout, yaxis: { ...axis(), ...layout.yaxis } }, CONFIG);
    }
  });
}

// The legends are lists beside the charts, with the latest values, so that they can be read without seeing the chart.
function showLegend(list, entries) {
  const make = ([, property]) => el("li", {}, el("span", { class: "swatch", style: `background: var(${property})` }), el("span"), el("strong"));
  keyed(list, entries, (entry) => entry[0], make, (item, [label, , value]) => {
    setText(item.children[1], label);
    setText(item.children[2], value);
  });
}

const chosen = (name) => document.querySelector(`input[name="${name}"]:checked`).value;

const axis = () => ({
  fixedrange: true, rangemode: "tozero", gridcolor: colour("--line"), zerolinecolor: colour("--line"), automargin: true, ticks: "", nticks: 5, ticklabelstandoff: 4,
});

function base(span) {
  const ticks = span > 60 ? [-300, -240, -180, -120, -60, 0] : [-60, -45, -30, -15, 0];
  const short = (x) => (x === 0 ? "now" : span > 60 ? `−${-x / 60} min` : `−${-x} s`);
  return {
    autosize: true,
    margin: { l: 44, r: 22, t: 8, b: 30 },
    font: { family: "system-ui, sans-serif", size: 12, color: colour("--muted") },
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    dragmode: false,
    hovermode: "x unified",
    hoverlabel: { bgcolor: colour("--card"), bordercolor: colour("--line"), font: { color: colour("--ink") } },
    showlegend: false,
    xaxis: { fixedrange: true, range: [-span, 0], tickvals: ticks, ticktext: ticks.map(short), gridcolor: "transparent", zeroline: false, ticklabelstandoff: 6, hoverformat: ".0f", ticksuffix: " s" },
  };
}
