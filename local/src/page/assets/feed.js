// Follows user-info-local: everything at first, then what changes. Reconnects by itself.

const KEPT = 300;
const SILENT_MS = 5000;
const RETRY_MS = 1000;

/** Calls `on.state(all)`, `on.snapshot(snapshot)`, `on.samples(samples)` and `on.lost()`. */
export function follow(on) {
  let samples = [];
  let watchdog;
  let source;

  const alive = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(lost, SILENT_MS);
  };
  const lost = () => {
    clearTimeout(watchdog);
    source.close();
    on.lost();
    setTimeout(connect, RETRY_MS);
  };
  const connect = () => {
    source = new EventSource("/api/events");
    const listen = (name, handle) =>
      source.addEventListener(name, (event) => {
        alive();
        handle(JSON.parse(event.data));
      });
    listen("state", (all) => {
      samples = all.samples;
      on.state(all);
      on.snapshot(all.snapshot);
      on.samples(samples);
    });
    listen("snapshot", on.snapshot);
    listen("sample", (sample) => {
      samples = [...samples.slice(1 - KEPT), sample];
      on.samples(samples);
    });
    source.onerror = lost;
    alive();
  };
  connect();
}
