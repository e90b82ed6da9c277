//! Where charts come from.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use user_info_api::crd::{self, ChartSource};

use crate::addons::Addon;
use crate::digest::digest_of;

/// The charts that come with the operator.
#[derive(Debug, Clone, Default)]
pub struct Embedded {
    directory: PathBuf,
    digests: BTreeMap<Addon, String>,
}

impl Embedded {
    /// The charts in the folders `consul`, `grafana` and so on of `directory`.
    ///
    /// # Errors
    /// If a chart is missing or cannot be read.
    pub fn read(directory: &Path) -> io::Result<Self> {
        let mut digests = BTreeMap::new();
        for addon in Addon::ALL {
            let mut files = Vec::new();
            let folder = directory.join(addon.name());
            collect(&folder, &mut files)
                .and_then(|()| if folder.join("Chart.yaml").is_file() { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) })
                .map_err(|error| io::Error::new(error.kind(), format!("chart {}: {error}", folder.display())))?;
            files.sort();
            let mut parts = Vec::with_capacity(2 * files.len());
            for file in files {
                parts.push(file.strip_prefix(&folder).unwrap_or(&file).to_string_lossy().into_owned().into_bytes());
                parts.push(fs::read(&file)?);
            }
            digests.insert(addon, digest_of(parts.iter().map(Vec::as_slice)));
        }
        Ok(Self { directory: directory.to_owned(), digests })
    }

    /// Where the chart of `addon` is.
    pub fn path(&self, addon: Addon) -> PathBuf {
        self.directory.join(addon.name())
    }

    /// Digest of the chart of `addon`.
    pub fn digest(&self, addon: Addon) -> &str {
        self.digests.get(&addon).map_or("", String::as_str)
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Who one is to a repository or registry.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// The chart of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chart {
    /// A folder, with the digest of what is in it.
    Embedded {
        /// The folder.
        path: PathBuf,
        /// Digest of what is in it.
        digest: String,
    },
    /// A chart in a repository.
    Repository {
        /// The repository's URL.
        url: String,
        /// The chart's name in it.
        name: String,
        /// Its version; none is the newest.
        version: Option<String>,
        /// Who asks for it.
        credentials: Option<Credentials>,
    },
    /// A chart in a registry of OCI artifacts.
    Oci {
        /// Its URL, which begins with `oci://`.
        url: String,
        /// Its version; none is the newest.
        version: Option<String>,
        /// Who asks for it.
        credentials: Option<Credentials>,
    },
}

impl Chart {
    /// The chart that a resource names.
    pub fn new(addon: Addon, spec: &crd::Chart, credentials: Option<Credentials>, embedded: &Embedded) -> Self {
        let (url, version) = (spec.url.clone().unwrap_or_default(), spec.version.clone());
        match spec.source {
            ChartSource::Embedded => Self::Embedded { path: embedded.path(addon), digest: embedded.digest(addon).to_owned() },
            ChartSource::Repository => Self::Repository { url, name: spec.name.clone().unwrap_or_default(), version, credentials },
            ChartSource::Oci => Self::Oci { url, version, credentials },
        }
    }

    /// What tells it from others. Credentials are no part of it: to ask by another name for the same chart changes nothing.
    pub fn identity(&self) -> String {
        let version = |version: &Option<String>| version.clone().unwrap_or_default();
        match self {
            Self::Embedded { digest, .. } => digest.clone(),
            Self::Repository { url, name, version: v, .. } => format!("{url} {name} {}", version(v)),
            Self::Oci { url, version: v, .. } => format!("{url} {}", version(v)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charts_of_the_product_are_all_there_and_told_apart() {
        let charts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts");
        let embedded = Embedded::read(&charts).expect("charts");
        let digests: std::collections::BTreeSet<_> = Addon::ALL.map(|addon| embedded.digest(addon).to_owned()).into();
        assert_eq!(digests.len(), Addon::ALL.len());
        assert!(embedded.path(Addon::Consul).ends_with("charts/consul"));
    }

    #[test]
    fn a_missing_chart_is_named() {
        let error = Embedded::read(Path::new("no/charts")).expect_err("missing").to_string();
        assert!(error.starts_with("chart no/charts/mysql: "), "{error}");
    }

    #[test]
    fn a_password_is_not_shown() {
        let credentials = Credentials { username: "me".to_owned(), password: "secret".to_owned() };
        assert!(!format!("{credentials:?}").contains("secret"));
    }
}
