// Numbers as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** A rate: whole up to 99,999, then with k or M; never below 0. */
export const rate = (n) => (n >= 100_000 ? short : whole).format(Math.max(n, 0));

/** A share of 0 to 1 in per cent; never 0 % or 100 % for what is only nearly so. */
export function percent(share) {
  if (share > 0 && share < 0.01) return "< 1 %";
  if (share < 1 && share > 0.99) return "> 99 %";
  return `${Math.round(share * 100)} %`;
}

/** Seconds as time of a call: 0.8 ms, 12 ms, 1.5 s. */
export function latency(seconds) {
  if (seconds >= 1) return `${seconds.toFixed(1)} s`;
  const ms = seconds * 1000;
  return ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toFixed(ms >= 1 ? 1 : 2)} ms`;
}

/** Seconds as time passed: 42 s, 3 min, 2 h, 5 d. */
export function age(seconds) {
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${seconds} s`;
}

/** Sum of an object's values. */
export const total = (counts) => Object.values(counts).reduce((a, b) => a + b, 0);

/** A code with its reason as a person says it: "0" is OK. */
export const codeName = (code) => (code === "0" ? "OK" : code);

/** Codes other than success that were seen, the most frequent first: [[code, rate]]. */
export const refusals = (codes) => Object.entries(codes).filter(([code, n]) => code !== "0" && n > 0).sort((a, b) => b[1] - a[1]);
