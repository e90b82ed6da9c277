//! Follows the files.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use user_info_api::watch::Changes;

use super::{TlsError, TlsMetrics};
use crate::reload::POLL;

/// What the files hold at one time.
pub(super) struct Loaded<C> {
    /// What is made of them.
    pub(super) config: C,
    /// From when to when the own certificate is valid, if there is one.
    pub(super) validity: Option<Range<SystemTime>>,
}

/// What is made of files, and made again when they change.
pub(super) struct Reloading<C> {
    current: ArcSwap<C>,
    load: Box<dyn Fn() -> Result<Loaded<C>, TlsError> + Send + Sync>,
    files: Vec<PathBuf>,
    /// What the files held when `current` was made.
    first: Contents,
    metrics: TlsMetrics,
}

type Contents = Vec<Option<Vec<u8>>>;

impl<C> fmt::Debug for Reloading<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloading").field("files", &self.files).finish_non_exhaustive()
    }
}

impl<C> Reloading<C> {
    /// Reads the files for the first time, by `load`.
    pub(super) fn open(
        files: Vec<PathBuf>,
        load: impl Fn() -> Result<Loaded<C>, TlsError> + Send + Sync + 'static,
        metrics: TlsMetrics,
    ) -> Result<Self, TlsError> {
        let first = contents(&files);
        let loaded = load()?;
        metrics.valid(loaded.validity.as_ref());
        Ok(Self { current: ArcSwap::from_pointee(loaded.config), load: Box::new(load), files, first, metrics })
    }

    /// What was made of the files when they last fitted together.
    pub(super) fn current(&self) -> Arc<C> {
        self.current.load_full()
    }

    /// Follows the files for ever.
    pub(super) async fn follow(&self) {
        let mut changes = Changes::of(&self.files, POLL);
        let mut seen = self.first.clone();
        loop {
            let now = contents(&self.files);
            if now != seen {
                self.reload();
                seen = now;
            }
            changes.next().await;
        }
    }

    fn reload(&self) {
        match (self.load)() {
            Ok(Loaded { config, validity }) => {
                self.current.store(Arc::new(config));
                self.metrics.valid(validity.as_ref());
                self.metrics.refused.set(0);
                self.metrics.reloads.inc();
                tracing::info!(files = ?self.files, "new certificates in use");
            }
            Err(problem) => {
                self.metrics.failures.inc();
                self.metrics.refused.set(1);
                tracing::warn!(%problem, "certificates not usable, the last good ones stay in use");
            }
        }
    }
}

/// What the files hold; compared, so that a file that is only touched changes nothing.
fn contents(files: &[PathBuf]) -> Contents {
    files.iter().map(|file| std::fs::read(file).ok()).collect()
}
