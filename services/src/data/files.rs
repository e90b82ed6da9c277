//! The files that the settings of the stores name.

use user_info_api::config::{Users, Views};

use super::password;
use super::users::sqlite;
use crate::tls;

/// What the start would refuse of the files that `users` and `views` name. No server is asked.
pub(crate) async fn refusals(users: &Users, views: &Views) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(mysql) = &users.mysql {
        found.extend(password::read(mysql.password_file.as_deref(), "users.mysql.passwordFile").err().as_ref().map(ToString::to_string));
        let authorities = mysql.ca_file.as_ref().and_then(|file| tls::authorities("users.mysql", "caFile", file).err());
        found.extend(authorities.as_ref().map(ToString::to_string));
    }
    if let Some(file) = &users.sqlite {
        found.extend(sqlite::refusal(file).await.as_ref().map(ToString::to_string));
    }
    if let Some(redis) = &views.redis {
        found.extend(password::read(redis.password_file.as_deref(), "views.redis.passwordFile").err().as_ref().map(ToString::to_string));
    }
    found
}
