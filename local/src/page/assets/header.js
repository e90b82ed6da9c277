// The top of the page: what runs, from which file, and what is wrong with either.

import { byId, setNote, setText } from "./dom.js";

/** Shows the snapshot's name, source and problem. */
export function showHeader(snapshot) {
  setText(byId("name"), snapshot.name);
  document.title = `${snapshot.name} · user-info-local`;
  setText(byId("source"), snapshot.differsFromFile ? `${snapshot.file} · edited here, the file says otherwise` : snapshot.file);
  setText(byId("generation"), `generation ${snapshot.generation}`);
  const kept = `Generation ${snapshot.generation} stays in force until the file is mended.`;
  setNote(byId("problem"), snapshot.problem && `${snapshot.file} was not taken over: ${snapshot.problem.replace(/\.$/, "")}. ${kept}`);
}

/** Says whether what is shown is live. */
export function showConnection(live) {
  const pill = byId("connection");
  pill.className = `pill ${live ? "ok" : "bad"}`;
  setText(pill, live ? "● Live" : "✕ Disconnected");
  setNote(byId("lost"), live ? "" : "The connection to user-info-local is lost. What you see is what was; trying again each second.");
  document.body.classList.toggle("stale", !live);
}

/** Lets the button copy the running spec. */
export function enableCopy(yaml) {
  const button = byId("copy-yaml");
  const label = button.textContent;
  button.addEventListener("click", async () => {
    const copied = await navigator.clipboard.writeText(yaml()).then(() => true, () => false);
    setText(button, copied ? "Copied" : "Not allowed: use Download");
    setTimeout(() => setText(button, label), 2000);
  });
}
