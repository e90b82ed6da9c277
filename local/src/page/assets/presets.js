// The experiments, one click each.

import { el } from "./dom.js";
import { says } from "./spec.js";

const FAULTS = { enabled: true, abort: { percentage: 50, httpStatus: 500, grpcStatus: null }, delay: null };
const breaker = (mode) => ({ circuitBreaker: { enabled: true, mode } });

const PRESETS = [
  {
    id: "discovery", title: "Scale to 5",
    why: "Instances join or leave until five serve. The caller finds them through the registry and loses no call.",
    patch: { replicas: 5, server: { weights: null } },
  },
  {
    id: "weights", title: "Weights 3, 2, 1",
    why: "Of six calls the first instance gets three, the second two, the third one: smooth weighted round-robin.",
    patch: { replicas: 3, server: { weights: [3, 2, 1] }, client: { loadBalancing: "WeightedRoundRobin" } },
  },
  {
    id: "rate-limit", title: "Rate limit",
    why: "The caller calls flat out; each instance serves 2,000 a second and answers the rest 429 RATELIMIT. The breaker stays closed, as 429 is no failure.",
    patch: {
      rateLimiter: { enabled: true, algorithm: "TokenBucket", requestsPerSecond: 2000, burst: 20 },
      faultInjection: { enabled: false }, client: { requestsPerSecond: 0, concurrency: 8 },
    },
  },
  {
    id: "slow", title: "Slow replies",
    why: "One call in five waits 100 ms: watch it climb the latency buckets, while the rest stays under 10 ms.",
    patch: { faultInjection: { enabled: true, delay: { fixedDelay: "100ms", percentage: 20 }, abort: null } },
  },
  {
    id: "faults", title: "Faults 50 %",
    why: "Half of the calls fail with 500. Above 40 % the breaker opens: five probes a second go out, the rest is refused with 503.",
    patch: { faultInjection: FAULTS, rateLimiter: { enabled: false }, client: breaker("Bounded") },
  },
  {
    id: "kratos", title: "Breaker: Kratos mode",
    why: "The same faults, but refusals count as failures too, as in Go-Kratos: in the end hardly a call goes out.",
    patch: { faultInjection: FAULTS, rateLimiter: { enabled: false }, client: breaker("Kratos") },
  },
  {
    id: "recover", title: "Recover",
    why: "Faults and limiter off. A Bounded breaker closes in about a second; a Kratos one takes 15 to 24 s.",
    patch: { faultInjection: { enabled: false }, rateLimiter: { enabled: false } },
  },
];

/** Builds a button for each experiment; `apply(patch, title)` carries it out. */
export function buildPresets(parent, apply) {
  for (const { id, title, why, patch } of PRESETS) {
    const button = el("button", { type: "button", class: "preset", id: `preset-${id}` },
      el("strong", {}, title), el("span", { class: "in-force", hidden: true }, "✓ in force"), el("span", { class: "why" }, why));
    button.addEventListener("click", () => apply(patch, title));
    parent.append(button);
  }
}

/** Marks the experiments that the running spec is set to. */
export function markPresets(parent, spec) {
  PRESETS.forEach(({ patch }, i) => {
    parent.children[i].querySelector(".in-force").hidden = !says(spec, patch);
  });
}
