// Wires the parts of the page together.

import { drawCharts, enableCharts } from "./charts.js";
import { apply, enableControls, showSpec } from "./controls.js";
import { byId } from "./dom.js";
import { setToken } from "./edit.js";
import { follow } from "./feed.js";
import { enableCopy, showConnection, showHeader } from "./header.js";
import { buildPresets, markPresets } from "./presets.js";
import { showProcesses } from "./processes.js";
import { showSummary } from "./summary.js";
import { showTiles } from "./tiles.js";

let snapshot = { processes: [], spec: {}, yaml: "" };
let snapshotAt = Date.now();
let samples = [];

function showNow() {
  showSummary(snapshot, samples.at(-1));
  showTiles(byId("tiles"), snapshot, samples.at(-1));
  showProcesses(byId("processes"), snapshot, snapshotAt);
}

buildPresets(byId("presets"), apply);
enableControls();
enableCharts(() => samples);
enableCopy(() => snapshot.yaml);
follow({
  state: ({ token }) => {
    setToken(token);
    showConnection(true);
  },
  snapshot: (news) => {
    snapshot = news;
    snapshotAt = Date.now();
    showHeader(snapshot);
    showSpec(snapshot.spec);
    markPresets(byId("presets"), snapshot.spec);
    showNow();
  },
  samples: (news) => {
    samples = news;
    showNow();
    drawCharts();
  },
  lost: () => showConnection(false),
});
