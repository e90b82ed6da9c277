//! Tables that others made.

use user_info_api::config::Users;
use user_info_layers::Error;
use user_info_services::data::{Data, LoadError, User};
use user_info_testing::mariadb::Mariadb;

use super::relay::{Refusal, relay};
use super::{mysql, seeded_mariadb};
use crate::{in_memory, open, wrong};

/// The users 1 to 3, each as `name/email`.
async fn users(data: &Data) -> Vec<Result<Option<String>, LoadError>> {
    let text = |user: User| format!("{}/{}", user.name, user.email);
    let one = async |id| Ok(data.get(id).await?.map(|(user, _)| text(user)));
    vec![one(1).await, one(2).await, one(3).await]
}

/// The server, with and without prepared statements: the two write columns otherwise.
async fn ways(server: &Mariadb) -> [Users; 2] {
    [mysql(server.config()), mysql(relay(server, Refusal::Unsupported).await)]
}

#[tokio::test]
async fn d7_columns_of_any_type_are_read() {
    let (server, _) = seeded_mariadb().await;
    server.execute("DELETE FROM demo_a.user_info WHERE id > 3").await;
    let ways = ways(&server).await;
    for id in [
        "INT",
        "INT UNSIGNED",
        "SMALLINT UNSIGNED",
        "TINYINT",
        "MEDIUMINT",
        "BIGINT UNSIGNED",
        "DECIMAL(20)",
        "DOUBLE",
        "FLOAT",
        "CHAR(20)",
        "VARBINARY(20)",
    ] {
        for text in [
            "VARBINARY(255)",
            "BINARY(32)",
            "BLOB",
            "LONGTEXT",
            "CHAR(255)",
            "VARCHAR(255) CHARACTER SET latin1",
            "VARCHAR(255) CHARACTER SET ucs2",
            "VARCHAR(255) COLLATE utf8mb4_bin NULL",
            "ENUM('hutao', 'ada', 'grace')",
            "SET('hutao', 'ada', 'grace')",
        ] {
            server.execute("ALTER TABLE demo_a.user_info MODIFY name VARCHAR(255), MODIFY email TEXT NULL").await;
            server.execute("UPDATE demo_a.user_info SET name = ELT(id, 'hutao', 'ada', 'grace'), email = IF(id = 2, NULL, email)").await;
            server.execute(&format!("ALTER TABLE demo_a.user_info MODIFY id {id} NOT NULL, MODIFY name {text}")).await;
            for way in &ways {
                let data = open(way, &in_memory().1).await.unwrap_or_else(|error| panic!("{id}, {text}: {error}"));
                let expected = ["hutao/hutao@wangshengtang.com", "ada/", "grace/grace@example.com"].map(|user| Ok(Some(user.to_owned())));
                assert_eq!(users(&data).await, expected, "{id}, {text}");
            }
        }
    }
}

#[tokio::test]
async fn d7_numbers_count_as_text_and_dates_do_not() {
    let (server, _) = seeded_mariadb().await;
    server.execute("DELETE FROM demo_a.user_info WHERE id > 3").await;
    server.execute("UPDATE demo_a.user_info SET name = id, email = '2026-11-29'").await;
    server.execute("ALTER TABLE demo_a.user_info MODIFY name INT, MODIFY email DATE").await;
    let data = open(&mysql(server.config()), &in_memory().1).await.unwrap();
    let problem = data.get(1).await.unwrap_err();
    assert_eq!(problem, LoadError::Malformed("user_info, id 1: the column email is a date or a time, not text".into()));
    server.execute("ALTER TABLE demo_a.user_info MODIFY email TEXT").await;
    let data = open(&mysql(server.config()), &in_memory().1).await.unwrap();
    assert_eq!(data.get(3).await.unwrap().unwrap().0.name, "3");
}

#[tokio::test]
async fn d7_what_is_no_text_is_said_to_people_and_not_to_callers() {
    let (server, _) = seeded_mariadb().await;
    server.execute("ALTER TABLE demo_a.user_info MODIFY name VARBINARY(255)").await;
    server.execute("UPDATE demo_a.user_info SET name = x'6875ff' WHERE id = 2").await;
    for way in ways(&server).await {
        let data = open(&way, &in_memory().1).await.unwrap();
        let [first, second, third] = &users(&data).await[..] else { panic!("three") };
        assert!(first.is_ok() && third.is_ok(), "{first:?} and {third:?}");
        let problem = second.clone().unwrap_err();
        assert_eq!(problem, LoadError::Malformed("user_info, id 2: the column name is not UTF-8 from byte 3 on".into()));
        let reply = Error::from(problem);
        assert_eq!((reply.code, &*reply.message), (500, "what is stored for this user cannot be read"));
    }
}

#[tokio::test]
async fn d7_ids_that_are_no_numbers_are_said() {
    let (server, _) = seeded_mariadb().await;
    server.execute("ALTER TABLE demo_a.user_info MODIFY id VARCHAR(20) NOT NULL").await;
    server.execute("UPDATE demo_a.user_info SET id = 'ada' WHERE id = '2'").await;
    // As a number, what does not begin with one is 0, which is read at the start.
    let outcome = open(&mysql(server.config()), &in_memory().1).await;
    let message = wrong(outcome);
    assert!(message.contains("the column id holds \"ada\", which is no whole number"), "{message}");
}
