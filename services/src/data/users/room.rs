//! How many connections a MySQL or MariaDB server gives.

use sqlx::Row;
use sqlx::mysql::MySqlConnection;

use crate::data::loader::Room;

/// What a person can do who meets one of the [`REFUSED`].
pub(super) const REMEDY: &str = "lower users.mysql.connections, which each instance has for itself, or raise the server's limit";

/// What the server says if it gives no more connections: to nobody, and to this user, by two limits of that.
pub(super) const REFUSED: [u16; 3] = [1040, 1203, 1226];

const LIMITS: &str = "SELECT CAST(@@max_connections AS SIGNED), CAST(@@max_user_connections AS SIGNED)";

/// What the server gives to this user, if it tells.
pub(super) async fn room(connection: &mut MySqlConnection) -> Option<Room> {
    let row = sqlx::query(LIMITS).persistent(false).fetch_one(connection).await.ok()?;
    let limit = |column: usize| row.try_get::<i64, _>(column).ok().and_then(|given| u64::try_from(given).ok());
    Some(tighter(limit(0)?, limit(1).unwrap_or(0)))
}

/// The lower of both; none for this user is said by 0.
fn tighter(all: u64, user: u64) -> Room {
    let (connections, limit) = if (1..all).contains(&user) { (user, "max_user_connections") } else { (all, "max_connections") };
    Room { connections, limit, setting: "users.mysql.connections" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d6_the_lower_limit_counts() {
        let of = |all, user| (tighter(all, user).connections, tighter(all, user).limit);
        assert_eq!(of(151, 0), (151, "max_connections"));
        assert_eq!(of(151, 5), (5, "max_user_connections"));
        assert_eq!(of(10, 500), (10, "max_connections"));
    }
}
