//! Tells when the files that a person writes may have changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

/// Editors write a file in several steps; this long after a change it is read.
pub const SETTLE: Duration = Duration::from_millis(20);

/// Files being watched.
#[derive(Debug)]
pub struct Watch {
    /// Ends what is done for it when dropped.
    _watcher: RecommendedWatcher,
}

/// Calls `changed` for as long as what is returned is kept, whenever one of `files` may have changed.
///
/// The folders are watched, since editors and the kubelet put a new file in the old one's place. What else changes in them is passed over.
///
/// # Errors
/// If a folder is not there, or on a file system without change events. Then the files are to be read every now and then instead.
pub fn watch(files: &[PathBuf], changed: impl Fn() + Send + 'static) -> notify::Result<Watch> {
    let watched = files.to_vec();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.map_or(true, |event| concerns(&event, &watched)) {
            changed();
        }
    })?;
    for folder in files.iter().map(|file| folder(file)).collect::<BTreeSet<_>>() {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(Watch { _watcher: watcher })
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

    #[test]
    fn a_file_without_a_folder_is_in_the_current_one() {
        assert_eq!(folder(Path::new("config.yaml")), Path::new("."));
        assert_eq!(folder(Path::new("/etc/config.yaml")), Path::new("/etc"));
    }
}
