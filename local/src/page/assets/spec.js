// Paths into the spec, and merge patches on it (RFC 7396).

/** The value at a dotted path, or undefined. */
export const at = (spec, path) => path.split(".").reduce((part, name) => part?.[name], spec);

/** A patch that sets `value` at a dotted path. */
export const patchOf = (path, value) => path.split(".").reduceRight((inner, name) => ({ [name]: inner }), value);

/** Two patches in one. */
export function merged(a, b) {
  const out = { ...a };
  for (const [name, value] of Object.entries(b)) {
    out[name] = isObject(value) && isObject(out[name]) ? merged(out[name], value) : value;
  }
  return out;
}

/** Whether the spec already says what the patch says; what is absent counts as null or false. */
export function says(spec, patch) {
  if (Array.isArray(patch)) return JSON.stringify(spec) === JSON.stringify(patch);
  if (isObject(patch)) return Object.entries(patch).every(([name, value]) => says(spec?.[name], value));
  return patch === null || patch === false ? !spec : spec === patch;
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
