//! What MySQL and SQLite have in common: the statements, and text.

use std::fmt::Write;
use std::sync::LazyLock;

use crate::data::loader::MAX_BATCH;

/// Numbers of placeholders that there are statements with. A connection prepares each at most once; any number of ids would fill its cache. No
/// query has more than half as many placeholders again as ids: each takes the server's time.
pub(super) const SIZES: [usize; 16] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, MAX_BATCH];

const SELECT: &str = "SELECT id, name, email FROM user_info WHERE id IN (";

/// `SELECT ... IN (?)`, one for each of the [`SIZES`].
static STATEMENTS: LazyLock<[String; SIZES.len()]> = LazyLock::new(|| SIZES.map(|size| format!("{SELECT}?{})", ",?".repeat(size - 1))));

/// A statement that reads users.
#[derive(Debug)]
pub(super) struct Statement<I> {
    /// Which of the [`SIZES`] it has.
    pub(super) size: usize,
    /// The statement.
    pub(super) text: &'static str,
    /// What to bind to its placeholders.
    pub(super) ids: I,
}

/// The statement for `ids`. The last one is bound again for each placeholder too many.
pub(super) fn select(ids: &[i64]) -> Statement<impl ExactSizeIterator<Item = i64>> {
    debug_assert!((1..=MAX_BATCH).contains(&ids.len()));
    let size = SIZES.partition_point(|&size| size < ids.len());
    let last = ids.len() - 1;
    Statement { size, text: &STATEMENTS[size], ids: (0..SIZES[size]).map(move |place| ids[place.min(last)]) }
}

/// Writes the statement for `ids` without placeholders.
pub(super) fn write(statement: &mut String, ids: &[i64]) {
    statement.clear();
    statement.push_str(SELECT);
    for (place, id) in ids.iter().enumerate() {
        // Writing into memory does not fail.
        let _ = if place == 0 { write!(statement, "{id}") } else { write!(statement, ",{id}") };
    }
    statement.push(')');
}

/// The text in `bytes` of `column`.
pub(super) fn utf8(column: &str, bytes: &[u8]) -> Result<String, String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => Err(format!("the column {column} is not UTF-8 from byte {} on", error.valid_up_to() + 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_padded_to_the_next_size() {
        let cases = [(1, 1), (2, 2), (3, 3), (4, 4), (5, 6), (7, 8), (33, 48), (64, 64), (129, 192), (193, 256), (256, 256)];
        for (ids, placeholders) in cases {
            let ids: Vec<i64> = (1..=ids).collect();
            let statement = select(&ids);
            assert_eq!(statement.text.matches('?').count(), placeholders);
            assert_eq!((statement.ids.len(), SIZES[statement.size]), (placeholders, placeholders));
            let bound: Vec<i64> = statement.ids.collect();
            assert!(bound.starts_with(&ids));
            assert!(bound[ids.len()..].iter().all(|id| Some(id) == ids.last()));
        }
    }

    #[test]
    fn statements_are_written_for_any_ids() {
        let mut statement = "left over".to_owned();
        write(&mut statement, &[i64::MIN, -1, 0, 7]);
        assert_eq!(statement, "SELECT id, name, email FROM user_info WHERE id IN (-9223372036854775808,-1,0,7)");
        write(&mut statement, &[1]);
        assert_eq!(statement, "SELECT id, name, email FROM user_info WHERE id IN (1)");
    }

    #[test]
    fn d7_what_is_no_text_is_told_without_its_bytes() {
        assert_eq!(utf8("name", "zoë".as_bytes()), Ok("zoë".to_owned()));
        assert_eq!(utf8("name", b"ab\xff"), Err("the column name is not UTF-8 from byte 3 on".to_owned()));
    }
}
