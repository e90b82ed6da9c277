//! Stores for the system under test.

use std::fmt::Display;
use std::process::Command;

use user_info_testing::program::built;

/// How a spec names a MariaDB whose `root` has no password, below `data`.
pub(crate) fn mysql(address: impl Display) -> String {
    format!("mysql: {{mode: External, address: '{address}', username: root}}")
}

/// Makes the table in the MariaDB at `address`, `host:port`, and puts the sample users in.
pub(crate) fn migrate_and_seed(address: &str) {
    let dir = tempfile::tempdir().expect("a folder");
    let config = dir.path().join("person.yaml");
    std::fs::write(&config, format!("users: {{mysql: {{address: '{address}'}}}}\nviews: {{memory: true}}\n")).expect("written");
    for command in ["migrate", "seed"] {
        let done = Command::new(built("user_info")).arg(command).arg("--config").arg(&config).output().expect("it starts");
        assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
    }
}
