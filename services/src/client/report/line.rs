//! One second of calls as a line, for people or as JSON.

use std::fmt::{self, Write};
use std::time::Duration;

use serde::Serialize;

/// Instances that a line names; more are summed up.
const MOST_INSTANCES: usize = 8;

/// Calls that ended the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// 0 is success.
    pub code: u16,
    /// Why not; may be empty.
    pub reason: String,
    /// How many.
    pub calls: u64,
}

/// Calls that one instance got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PerInstance {
    /// `host:port`.
    pub instance: String,
    /// Calls that ended.
    pub calls: u64,
    /// Whether it gets calls now.
    pub in_rotation: bool,
}

/// What happened in a while, mostly a second.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// Seconds since the client began, at the end of the while.
    pub at: u64,
    /// Calls that ended, by code and reason; the successful ones first.
    pub ended: Vec<Ended>,
    /// The same calls by instance; calls that reached none stand in no instance.
    pub instances: Vec<PerInstance>,
    /// Median latency in milliseconds.
    pub p50_ms: Option<f64>,
    /// Latency in milliseconds that one call in a hundred exceeded.
    pub p99_ms: Option<f64>,
    /// Whether a circuit breaker is open.
    pub breaker_open: bool,
    /// Whether the settings ask for no calls.
    pub paused: bool,
}

/// Colours of a terminal, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colours(pub bool);

impl Colours {
    fn paint(self, code: u8, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

const RED: u8 = 31;
const GREEN: u8 = 32;
const YELLOW: u8 = 33;
const DIM: u8 = 2;

impl Line {
    /// Calls that ended.
    pub fn calls(&self) -> u64 {
        self.ended.iter().map(|e| e.calls).sum()
    }

    /// The line for a person.
    pub fn text(&self, colours: Colours) -> String {
        let mut line = colours.paint(DIM, &format!("{:>5}s", self.at));
        // Writing to a String does not fail.
        let _ = self.write(&mut line, colours);
        line
    }

    fn write(&self, line: &mut String, colours: Colours) -> fmt::Result {
        if self.calls() == 0 {
            write!(line, "  {}", if self.paused { "paused: concurrency is 0" } else { "no call ended" })?;
        }
        for Ended { code, reason, calls } in &self.ended {
            match code {
                0 => write!(line, "  {}", colours.paint(GREEN, &format!("ok {calls}")))?,
                _ => {
                    let colour = if *code < 500 { YELLOW } else { RED };
                    let name = if reason.is_empty() { "" } else { &format!(" {reason}") };
                    write!(line, "  {}", colours.paint(colour, &format!("{code}{name} {calls}")))?;
                }
            }
        }
        let mut separator = "  |";
        for PerInstance { instance, calls, in_rotation } in self.instances.iter().take(MOST_INSTANCES) {
            let text = if *in_rotation { format!("{instance} {calls}") } else { format!("{instance} {calls} (out)") };
            let colour = if *in_rotation { 0 } else { RED };
            write!(line, "{separator} {}", if colour == 0 { text } else { colours.paint(colour, &text) })?;
            separator = " ";
        }
        if let Some(more) = self.instances.get(MOST_INSTANCES..).filter(|more| !more.is_empty()) {
            write!(line, "  and {} more {}", more.len(), more.iter().map(|i| i.calls).sum::<u64>())?;
        }
        if let (Some(p50), Some(p99)) = (self.p50_ms, self.p99_ms) {
            write!(line, "  | p50 {p50:.1} ms  p99 {p99:.1} ms")?;
        }
        if self.breaker_open {
            write!(line, "  | {}", colours.paint(RED, "breaker open"))?;
        }
        Ok(())
    }
}

/// Milliseconds, to the microsecond.
pub(super) fn milliseconds(d: Duration) -> f64 {
    d.as_micros() as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        let ended = |code, reason: &str, calls| Ended { code, reason: reason.into(), calls };
        let instance = |instance: &str, calls, in_rotation| PerInstance { instance: instance.into(), calls, in_rotation };
        Line {
            at: 12,
            ended: vec![ended(0, "", 1500), ended(429, "RATELIMIT", 23), ended(500, "", 1)],
            instances: vec![instance("127.0.0.1:9001", 762, true), instance("127.0.0.1:9011", 762, false)],
            p50_ms: Some(0.412),
            p99_ms: Some(1.27),
            breaker_open: true,
            paused: false,
        }
    }

    #[test]
    fn reads_as_a_line() {
        insta::assert_snapshot!(line().text(Colours(false)), @"   12s  ok 1500  429 RATELIMIT 23  500 1  | 127.0.0.1:9001 762  127.0.0.1:9011 762 (out)  | p50 0.4 ms  p99 1.3 ms  | breaker open");
    }

    #[test]
    fn has_colours_only_if_asked() {
        assert!(line().text(Colours(true)).contains("\x1b[33m429 RATELIMIT 23\x1b[0m"));
        assert!(!line().text(Colours(false)).contains('\x1b'));
    }

    #[test]
    fn says_when_nothing_happens_and_why() {
        let quiet = Line { ended: vec![], instances: vec![], p50_ms: None, p99_ms: None, breaker_open: false, ..line() };
        assert_eq!(quiet.text(Colours(false)), "   12s  no call ended");
        assert_eq!(Line { paused: true, ..quiet }.text(Colours(false)), "   12s  paused: concurrency is 0");
    }

    #[test]
    fn sums_up_instances_beyond_the_eighth() {
        let many = (0..20).map(|i| PerInstance { instance: format!("h{i}:1"), calls: 2, in_rotation: true }).collect();
        assert!(Line { instances: many, ..line() }.text(Colours(false)).contains("h7:1 2  and 12 more 24  |"));
    }

    #[test]
    fn is_one_json_object() {
        insta::assert_snapshot!(serde_json::to_string(&line()).unwrap(), @r#"{"at":12,"ended":[{"code":0,"reason":"","calls":1500},{"code":429,"reason":"RATELIMIT","calls":23},{"code":500,"reason":"","calls":1}],"instances":[{"instance":"127.0.0.1:9001","calls":762,"inRotation":true},{"instance":"127.0.0.1:9011","calls":762,"inRotation":false}],"p50Ms":0.412,"p99Ms":1.27,"breakerOpen":true,"paused":false}"#);
    }
}
