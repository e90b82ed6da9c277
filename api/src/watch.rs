//! Tells when the files that a person writes may have changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Editors write a file in several steps; this long after the last of them it is read.
const SETTLE: Duration = Duration::from_millis(20);

/// Changes of files.
#[derive(Debug)]
pub struct Changes {
    changed: Arc<Notify>,
    poll: Duration,
    /// When the files are to be read next.
    due: Instant,
    /// Ends what is done for it when dropped.
    _watcher: Option<RecommendedWatcher>,
}

impl Changes {
    /// Begins to watch `files`.
    ///
    /// They are to be read every `poll` whatever is told of them: not every file system has change events, and those do not follow links.
    pub fn of(files: &[PathBuf], poll: Duration) -> Self {
        let changed = Arc::new(Notify::new());
        let watcher = watcher(files, Arc::clone(&changed))
            .inspect_err(|error| tracing::warn!(%error, ?files, "no change events for these files; they are read every {poll:?}"));
        Self { changed, poll, due: Instant::now() + poll, _watcher: watcher.ok() }
    }

    /// Waits until the files may have changed, or it is time to read them all the same. A wait that is dropped goes on with the next.
    pub async fn next(&mut self) {
        while timeout_at(self.due, self.changed.notified()).await.is_ok() {
            self.due = Instant::now() + SETTLE;
        }
        self.due = Instant::now() + self.poll;
    }
}

/// Tells `changed` whenever one of `files` may have changed.
///
/// The folders are watched, since editors and the kubelet put a new file in the old one's place. What else changes in them is passed over.
///
/// # Errors
/// If a folder is not there, or on a file system without change events.
fn watcher(files: &[PathBuf], changed: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let watched = files.to_vec();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.map_or(true, |event| concerns(&event, &watched)) {
            changed.notify_one();
        }
    })?;
    for folder in files.iter().map(|file| folder(file)).collect::<BTreeSet<_>>() {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether what happened in a folder may change what is read from one of `files`.
fn concerns(event: &Event, files: &[PathBuf]) -> bool {
    let one_of = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        // In a mounted ConfigMap or Secret the files are links through `..data`, and that is what changes.
        name.as_encoded_bytes().starts_with(b"..") || files.iter().any(|file| file.file_name() == Some(name))
    };
    // Without paths the kernel has lost count of what happened.
    !event.kind.is_access() && (event.paths.is_empty() || event.paths.iter().any(one_of))
}

#[cfg(test)]
mod tests {
    use notify::EventKind;
    use notify::event::{AccessKind, ModifyKind};

    use super::*;

    fn event(kind: EventKind, paths: &[&str]) -> Event {
        Event { kind, paths: paths.iter().map(PathBuf::from).collect(), attrs: notify::event::EventAttributes::new() }
    }

    #[test]
    fn what_else_happens_in_the_folder_is_passed_over() {
        let files = [PathBuf::from("config.yaml"), PathBuf::from("/tls/tls.crt")];
        let modified = EventKind::Modify(ModifyKind::Any);
        for (kind, paths, expected) in [
            (modified, &["./config.yaml"][..], true),
            (modified, &["/tls/tls.crt"], true),
            (modified, &["./log", "./config.yaml"], true),
            (modified, &["/etc/user-info/..data"], true),
            (modified, &["./log"], false),
            (modified, &["./config.yaml.swp"], false),
            (modified, &[], true),
            (EventKind::Access(AccessKind::Any), &["./config.yaml"], false),
        ] {
            assert_eq!(concerns(&event(kind, paths), &files), expected, "{kind:?} {paths:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_dropped_loses_no_change_and_each_step_of_an_editor_puts_it_off() {
        const POLL: Duration = Duration::from_secs(2);
        let mut changes = Changes::of(&[PathBuf::from("/nowhere/at/all")], POLL);
        let begun = Instant::now();
        for _ in 0..5 {
            changes.changed.notify_one();
            assert!(tokio::time::timeout(SETTLE / 2, changes.next()).await.is_err(), "dropped");
        }
        changes.next().await;
        assert_eq!(begun.elapsed(), 4 * (SETTLE / 2) + SETTLE);

        let begun = Instant::now();
        changes.next().await;
        assert_eq!(begun.elapsed(), POLL, "read although nothing is told");
    }

    #[test]
    fn a_file_without_a_folder_is_in_the_current_one() {
        assert_eq!(folder(Path::new("config.yaml")), Path::new("."));
        assert_eq!(folder(Path::new("/etc/config.yaml")), Path::new("/etc"));
    }
}
