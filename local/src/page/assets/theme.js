// Colours of the charts, from the style sheet, so that light and dark agree with the page.

const CODES = { "0": "--ok", 429: "--limit", 500: "--bad", 503: "--breaker", 504: "--slow", 404: "--info" };
const INSTANCE_COLOURS = 8;
const slots = new Map();

/** The value of a custom property. */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The same colour (#rrggbb in the style sheet) with an opacity of 0 to 1. */
export const faded = (name, opacity) => colour(name) + Math.round(opacity * 255).toString(16).padStart(2, "0");

/** Name of the custom property with an instance's colour; an instance keeps the first one it got. */
export function instanceColour(name) {
  if (!slots.has(name)) slots.set(name, slots.size % INSTANCE_COLOURS);
  return `--series-${slots.get(name)}`;
}

/** Name of the custom property with the colour of a code and reason. */
export const codeColour = (code) => CODES[code.split(" ")[0]] ?? "--other";

/** Calls `draw` when the person's colour scheme changes. */
export const onThemeChange = (draw) => matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
