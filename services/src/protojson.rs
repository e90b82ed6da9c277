//! The reply as protojson writes it: lowerCamel names, int64 as strings, unset fields present.

use serde::{Serialize, Serializer};
use user_info_proto::GetUserInfoReply;

/// A reply in protojson form.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply<'a> {
    user: Option<User<'a>>,
    ip_addr: &'a str,
}

#[derive(Debug, Serialize)]
struct User<'a> {
    #[serde(rename = "userID", serialize_with = "text")]
    user_id: i64,
    name: &'a str,
    ip: &'a str,
    email: &'a str,
    #[serde(serialize_with = "text")]
    visits: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serialize_with takes")]
fn text<S: Serializer>(number: &i64, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(number)
}

impl<'a> From<&'a GetUserInfoReply> for Reply<'a> {
    fn from(reply: &'a GetUserInfoReply) -> Self {
        let user = reply.user.as_ref().map(|u| User { user_id: u.user_id, name: &u.name, ip: &u.ip, email: &u.email, visits: u.visits });
        Self { user, ip_addr: &reply.ip_addr }
    }
}
