//! What MySQL and SQLite have in common: the statements, and what becomes of a row.

use std::sync::LazyLock;

use sqlx::{ColumnIndex, Decode, Row, Type};

use super::User;
use crate::data::loader::{Answer, MAX_BATCH};

/// Numbers of placeholders that there are statements with. A connection prepares each at most once; any number of ids would fill its cache. No
/// query has more than half as many placeholders again as ids: each takes the server's time.
const SIZES: [usize; 16] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, MAX_BATCH];

/// `SELECT ... IN (?)`, one for each of the [`SIZES`].
static STATEMENTS: LazyLock<[String; SIZES.len()]> =
    LazyLock::new(|| SIZES.map(|size| format!("SELECT id, name, email FROM user_info WHERE id IN (?{})", ",?".repeat(size - 1))));

/// The statement for `ids`, and the ids to bind to it: the last one again for each placeholder too many.
pub(super) fn select(ids: &[i64]) -> (&'static str, impl Iterator<Item = i64>) {
    debug_assert!((1..=MAX_BATCH).contains(&ids.len()));
    let enough = SIZES.partition_point(|&size| size < ids.len());
    let last = ids.last().copied();
    let padding = std::iter::repeat_n(last, SIZES[enough] - ids.len()).flatten();
    (&STATEMENTS[enough], ids.iter().copied().chain(padding))
}

/// Puts the user in `row`, which is `id`'s, where `ids` (ascending) has it. Columns that are NULL count as empty, as in the Go demo.
pub(super) fn place<'r, R>(id: i64, row: &'r R, ids: &[i64], answers: &mut [Answer<User>])
where
    R: Row,
    usize: ColumnIndex<R>,
    Option<String>: Decode<'r, R::Database> + Type<R::Database>,
{
    let text = |column: usize| row.try_get::<Option<String>, _>(column).map(Option::unwrap_or_default);
    let user = || Ok::<_, sqlx::Error>(User { id, name: text(1)?, email: text(2)? });
    if let Ok(place) = ids.binary_search(&id) {
        answers[place] = match user() {
            Ok(user) => Answer::Found(user),
            Err(error) => Answer::Malformed(format!("user_info, id {id}: {error}").into()),
        };
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
            let (sql, bound) = select(&ids);
            let bound: Vec<i64> = bound.collect();
            assert_eq!(sql.matches('?').count(), placeholders);
            assert_eq!(bound.len(), placeholders);
            assert!(bound.starts_with(&ids));
            assert!(bound[ids.len()..].iter().all(|id| Some(id) == ids.last()));
        }
    }
}
