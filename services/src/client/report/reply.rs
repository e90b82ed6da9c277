//! One reply or error, as a line for people or as JSON.

use std::time::Duration;

use serde::Serialize;
use user_info_layers::Error;
use user_info_proto::GetUserInfoReply;

use super::Output;
use super::line::milliseconds;
use crate::error::ErrorBody;
use crate::protojson::Reply;

/// A call that has ended.
#[derive(Debug)]
pub struct OneCall<'a> {
    /// The user asked for.
    pub user: i64,
    /// What came back.
    pub result: &'a Result<GetUserInfoReply, Error>,
    /// How long it took.
    pub took: Duration,
}

impl OneCall<'_> {
    /// The call's line.
    pub fn render(&self, output: Output) -> String {
        match output {
            Output::Json => {
                #[derive(Serialize)]
                #[serde(rename_all = "camelCase")]
                struct Json<'a> {
                    user_id: i64,
                    took_ms: f64,
                    #[serde(skip_serializing_if = "Option::is_none")]
                    reply: Option<Reply<'a>>,
                    #[serde(skip_serializing_if = "Option::is_none")]
                    error: Option<ErrorBody<'a>>,
                }
                let (reply, error) = (self.result.as_ref().ok().map(Reply::from), self.result.as_ref().err().map(ErrorBody::from));
                let json = Json { user_id: self.user, took_ms: milliseconds(self.took), reply, error };
                serde_json::to_string(&json).unwrap_or_default()
            }
            Output::Text(_) => match self.result {
                Ok(reply) => {
                    let user = reply.user.clone().unwrap_or_default();
                    let (name, email, visits) = (&user.name, &user.email, user.visits);
                    format!(
                        "user {} {name} <{email}> visits {visits} from {} in {:.1} ms",
                        self.user,
                        reply.ip_addr,
                        milliseconds(self.took)
                    )
                }
                Err(error) => format!("user {} {error} in {:.1} ms", self.user, milliseconds(self.took)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use user_info_proto::User;

    use super::*;
    use crate::client::report::Colours;

    fn render(result: &Result<GetUserInfoReply, Error>, output: Output) -> String {
        OneCall { user: 1, result, took: Duration::from_micros(1234) }.render(output)
    }

    #[test]
    fn shows_a_reply() {
        let user = User { user_id: 1, name: "Ada".into(), ip: String::new(), email: "ada@example.org".into(), visits: 7 };
        let reply = Ok(GetUserInfoReply { user: Some(user), ip_addr: "127.0.0.1:9001".into() });
        insta::assert_snapshot!(render(&reply, Output::Text(Colours(false))), @"user 1 Ada <ada@example.org> visits 7 from 127.0.0.1:9001 in 1.2 ms");
        insta::assert_snapshot!(render(&reply, Output::Json), @r#"{"userId":1,"tookMs":1.234,"reply":{"user":{"userID":"1","name":"Ada","ip":"","email":"ada@example.org","visits":"7"},"ipAddr":"127.0.0.1:9001"}}"#);
    }

    #[test]
    fn shows_an_error_as_the_go_client_does() {
        let error = Err(Error::RATELIMIT);
        insta::assert_snapshot!(render(&error, Output::Text(Colours(false))), @"user 1 error: code = 429 reason = RATELIMIT message = service unavailable due to rate limit exceeded metadata = map[] cause = <nil> in 1.2 ms");
        insta::assert_snapshot!(render(&error, Output::Json), @r#"{"userId":1,"tookMs":1.234,"error":{"code":429,"reason":"RATELIMIT","message":"service unavailable due to rate limit exceeded","metadata":{}}}"#);
    }
}
