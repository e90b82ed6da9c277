// The controls: each shows a field of the running spec and edits it.

import { byId, el, setText } from "./dom.js";
import { send } from "./edit.js";
import { at, merged, patchOf } from "./spec.js";

const inputs = () => [...document.querySelectorAll("[data-path]")];
const input = (path) => document.querySelector(`[data-path="${path}"]`);
let spec = {};
let pending = 0;

/** Lets every control send its edit when it is changed. */
export function enableControls() {
  for (const field of inputs()) {
    // Says what is wrong with the field, where a screen reader looks for it.
    const note = el("p", { class: "violation", id: `${field.dataset.path.replaceAll(".", "-")}-violation`, hidden: true });
    field.closest(".field").after(note);
    field.setAttribute("aria-describedby", note.id);
    field.addEventListener("change", () => change(field));
    field.addEventListener("keydown", (event) => event.key === "Escape" && show(field));
  }
  for (const button of document.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => {
      const field = button.parentElement.querySelector("input");
      field.value = Math.max(0, Number(field.value) + Number(button.dataset.step));
      change(field);
    });
  }
}

/** Shows the running spec, but leaves the control alone that a person is writing in. */
export function showSpec(running) {
  spec = running;
  if (pending) return;
  for (const field of inputs()) {
    if (field !== document.activeElement || field.type === "checkbox" || field.value === field.dataset.shown) show(field);
  }
}

/** Sends a patch and tells what came of it, next to the controls and to screen readers. */
export async function apply(patch, what) {
  pending += 1;
  say(`Applying ${what} …`, "");
  const { generation, violations } = await send(patch);
  pending -= 1;
  inputs().forEach((field) => mark(field, ""));
  if (!violations) {
    say(`${what}: in force as generation ${generation}.`, "ok");
    if (!pending) showSpec(merged(spec, patch));
    return;
  }
  violations.forEach((text) => mark(blamed(text), sentence(text)));
  say(`${what} refused, the spec stays as it is. ${violations.join(". ")}`, "bad");
}

function change(field) {
  const path = field.dataset.path;
  const patch = [path, ...requiredWith(path)].map((p) => patchOf(p, value(input(p)))).reduce(merged);
  return apply(patch, name(field));
}

// Fields that must go along: the switch of a part that may be absent, and what a delay or a fault cannot be without.
function requiredWith(path) {
  const part = ["rateLimiter", "faultInjection", "client.circuitBreaker"].find((p) => path.startsWith(`${p}.`));
  const others = part ? [`${part}.enabled`] : [];
  if (path.startsWith("faultInjection.delay.")) others.push("faultInjection.delay.percentage", "faultInjection.delay.fixedDelay");
  const faults = at(spec, "faultInjection") ?? {};
  if (path === "faultInjection.enabled" && !faults.abort && !faults.delay) others.push("faultInjection.abort.percentage");
  return others;
}

function value(field) {
  if (field.type === "checkbox") return field.checked;
  // What is no number is sent as it stands, so that the one validation there is explains it.
  if (field.type === "number") return field.value === "" || Number.isNaN(field.valueAsNumber) ? field.value : field.valueAsNumber;
  return field.value;
}

function show(field) {
  const running = at(spec, field.dataset.path);
  if (field.type === "checkbox") {
    const part = at(spec, field.dataset.path.replace(/\.enabled$/, ""));
    field.checked = running ?? (part !== undefined && part !== null ? true : field.dataset.default === "true");
    return;
  }
  field.value = running ?? field.dataset.default ?? "";
  field.dataset.shown = field.value;
}

// The control that a violation (`spec.rateLimiter.burst: …`) speaks of.
function blamed(violation) {
  const path = violation.split(":")[0].trim().replace(/^spec\./, "");
  return input(path) ?? inputs().find((field) => field.dataset.path.startsWith(`${path}.`));
}

const sentence = (violation) => violation.slice(violation.indexOf(":") + 1).trim();

function mark(field, text) {
  if (!field) return;
  const note = byId(field.getAttribute("aria-describedby"));
  note.hidden = !text;
  setText(note, text);
  if (text) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}

function name(field) {
  const label = field.labels[0].querySelector("span") ?? field.labels[0];
  const group = field.closest("fieldset").querySelector("legend").textContent;
  return `${group}: ${label.firstChild.textContent.trim().toLowerCase()}`;
}

function say(text, tone) {
  const status = byId("announcement");
  status.className = `announcement ${tone}`;
  setText(status, text);
}
