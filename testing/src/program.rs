//! Where programs are.

use std::path::PathBuf;

/// The program called `name` that this machine has: on the PATH, in `/usr/sbin` or `/usr/bin`.
///
/// # Panics
/// If it is not installed.
pub fn installed(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/bin")])
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{name} is not installed; run `make setup`"))
}

/// The tool called `name` that `hack/cluster/tool` builds: what its name in capitals says in the environment, else the one in
/// `~/.cache/test-cluster/bin`, else the one that is installed.
///
/// # Panics
/// If there is none.
pub fn tool(name: &str) -> PathBuf {
    let named = std::env::var_os(name.to_uppercase()).map(PathBuf::from);
    let cached = std::env::home_dir().map(|home| home.join(".cache/test-cluster/bin").join(name));
    named.or(cached.filter(|file| file.is_file())).unwrap_or_else(|| installed(name))
}

/// The product's program called `name`, built with the test; an example is `examples/name`.
///
/// # Panics
/// If it is not built: cargo builds the programs of a package together with its tests, and those of the others if it is told to.
pub fn built(name: &str) -> PathBuf {
    let path = folder().join(name);
    assert!(path.is_file(), "{} is not there: make build", path.display());
    path
}

/// A folder of the build for what tests keep from run to run.
pub fn scratch() -> PathBuf {
    let dir = folder().with_file_name("tmp");
    std::fs::create_dir_all(&dir).expect("made");
    dir
}

/// Where cargo puts programs, such as `target/debug`; tests are in `deps` below it.
fn folder() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own file");
    test.ancestors().nth(2).expect("a folder").to_owned()
}
