//! Users in an SQLite file.

use std::path::PathBuf;

use futures_util::future::{join, join_all};
use user_info_api::config::{Sqlite, Users};
use user_info_services::data::{PageViews, Seeded, migrate, seed};

use super::{in_memory, name, open, wrong};

fn sqlite(path: PathBuf) -> Users {
    Users { sqlite: Some(Sqlite { path }), ..Users::default() }
}

#[tokio::test]
async fn sqlite_is_migrated_seeded_and_read() {
    let dir = tempfile::tempdir().unwrap();
    let users = sqlite(dir.path().join("users.db"));
    let views = in_memory().1;
    let message = wrong(open(&users, &views).await);
    assert!(message.contains("run `user_info migrate`"), "{message}");

    let (one, two) = join(migrate(&users), migrate(&users)).await;
    let applied = one.unwrap().applied.len() + two.unwrap().applied.len();
    assert_eq!(applied, 1, "one of two at a time does it");
    assert!(migrate(&users).await.unwrap().applied.is_empty());
    let data = open(&users, &views).await.unwrap();
    assert_eq!(name(&data, 1).await, Ok(None));

    // Written while a reader is connected.
    assert_eq!(seed(&users, &views, PageViews::Required).await.unwrap(), Seeded { users: 10, views: 0 });
    assert_eq!(seed(&users, &views, PageViews::Required).await.unwrap(), Seeded { users: 0, views: 0 });
    let found = join_all((0..500).map(|i| data.get(i % 20))).await;
    assert!((0..).zip(found).all(|(i, found)| found.unwrap().map_or(0, |(user, _)| user.id) == if i % 20 <= 10 { i % 20 } else { 0 }));

    let text = dir.path().join("text");
    std::fs::write(&text, "certainly not a database, although as long as the header of one has to be, and longer").unwrap();
    let message = wrong(open(&sqlite(text), &views).await);
    assert!(message.contains("not a file that `user_info migrate` made"), "{message}");
}
