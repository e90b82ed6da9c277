//! Users of ACLs, and servers without a password.

use super::*;

/// Opens the page views of `server` as this user, the password in a file if there is one.
async fn open_as(server: &Redis, username: Option<&str>, password: Option<&str>) -> Result<Data, ConnectError> {
    let dir = tempfile::tempdir().unwrap();
    let mut config = server.config();
    config.username = username.map(str::to_owned);
    if let Some(password) = password {
        let file = dir.path().join("password");
        std::fs::write(&file, password).unwrap();
        config.password_file = Some(file);
    }
    open(&in_memory().0, &Views { redis: Some(config), memory: false }).await
}

#[tokio::test]
async fn d4_users_of_an_acl_need_no_more_than_mget() {
    let server = Redis::start().await;
    server.execute(&["SET", "U:1:VISITS", "7"]).await;
    for user in [
        &["app", "on", ">secret", "~U:*:VISITS", "-@all", "+mget"][..],
        &["open", "on", "nopass", "~U:*:VISITS", "-@all", "+mget"],
        &["other", "on", ">secret", "~other:*", "+@all"],
        &["none", "on", ">secret", "~*", "-@all", "+get"],
    ] {
        server.execute(&[&["ACL", "SETUSER"], user].concat()).await;
    }
    assert_eq!(visits(&open_as(&server, Some("app"), Some("secret\n")).await.unwrap(), 1).await, 7);
    assert_eq!(visits(&open_as(&server, Some("open"), None).await.unwrap(), 1).await, 7);
    for (username, password, remedy) in [
        (Some("app"), None, "(check views.redis.username and the password file)"),
        (Some("app"), Some("wrong"), "(check views.redis.username and the password file)"),
        (Some("nobody"), Some("secret"), "(check views.redis.username and the password file)"),
        (Some("other"), Some("secret"), "(allow the user MGET on U:*:VISITS)"),
        (Some("none"), Some("secret"), "(allow the user MGET on U:*:VISITS)"),
        (None, Some("secret"), "(the server asks for no password: remove views.redis.passwordFile, or set one there)"),
    ] {
        let message = wrong(open_as(&server, username, password).await);
        assert!(message.ends_with(remedy), "{username:?}: {message}");
    }
}
