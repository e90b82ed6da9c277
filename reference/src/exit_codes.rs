//! `exit-codes.md`.

use user_info_api::Exit;

use crate::markdown::{code, head, table};

const ABOUT: &str = "\
With which status each program ends. A supervisor need not start a program again that ended with 64: the same would
happen. After 69 it may help.";

/// The page.
pub(crate) fn page() -> String {
    let rows = Exit::ALL.map(|exit| {
        let programs: Vec<_> = exit.programs().iter().map(|program| code(program)).collect();
        [exit.code().to_string(), exit.meaning().to_owned(), programs.join(", ")]
    });
    head("Exit codes", ABOUT) + &table(["code", "meaning", "programs"], rows)
}
