//! File descriptors: as many as the system allows, and some kept back from callers.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept back for the stores, the registry, config files and the runtimes, whatever callers do.
const RESERVE: u64 = 64;

/// Raises this process's limit as far as it may (Go programs do so, too), and returns how many connections each of `listeners` listeners
/// may have: `wanted`, or fewer if there are not descriptors enough.
pub(super) fn connections(wanted: u32, listeners: u32) -> u32 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let room = share(wanted, listeners, if raised { maximum } else { current });
    if room < wanted {
        tracing::warn!(wanted, room, "server.maxConnections is more than the limit of open files allows; raise it (ulimit -n)");
    }
    room
}

/// A listener's share of `limit` descriptors; at least one. No limit is none.
fn share(wanted: u32, listeners: u32, limit: Option<u64>) -> u32 {
    let Some(limit) = limit else { return wanted };
    let most = limit.saturating_sub(RESERVE) / u64::from(listeners.max(1));
    u32::try_from(most).unwrap_or(u32::MAX).clamp(1, wanted.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_share_what_is_not_kept_back() {
        for (wanted, listeners, limit, room) in [
            (10_000, 2, None, 10_000),
            (10_000, 2, Some(1_048_576), 10_000),
            (10_000, 2, Some(1024), 480),
            (10_000, 3, Some(1024), 320),
            (100, 2, Some(1024), 100),
            (100, 2, Some(10), 1),
        ] {
            assert_eq!(share(wanted, listeners, limit), room, "{wanted} {listeners} {limit:?}");
        }
    }
}
