use proptest::prelude::*;

use super::*;

/// Text that a path may hold: whatever is no letter or digit is written in percent.
fn encoded(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| if byte.is_ascii_alphanumeric() { char::from(*byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn ask(method: &str, path: &str) -> (u16, String, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(answer(method, path))
}

proptest! {
    /// Whatever stands in the place of the user id is either one, or refused with 400 in JSON that repeats little of it.
    #[test]
    fn any_user_id_is_one_or_a_codec_error(bytes in proptest::collection::vec(any::<u8>(), 1..300)) {
        let (status, kind, body) = ask("GET", &format!("/user_info/{}", encoded(&bytes)));
        prop_assert!(matches!(status, 200 | 400), "{status}");
        prop_assert_eq!(kind, "application/json");
        prop_assert!(body.len() < 600 && !body.chars().any(char::is_control), "{}", body);
        let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        prop_assert!(status == 200 || body["reason"] == "CODEC", "{}", body);
    }

    /// Any number that fits is a user id, with its sign, and any that does not is refused.
    #[test]
    fn any_number_is_read_as_go_reads_it(number in any::<i128>().prop_map(|n| n >> 60)) {
        // Those that the stand-in answers otherwise, 7 and 8, are left out.
        prop_assume!(!(7..=8).contains(&number));
        let (status, _, body) = ask("GET", &format!("/user_info/{number}"));
        prop_assert_eq!(status, if i64::try_from(number).is_ok() { 200 } else { 400 });
        let id = format!("\"userID\":\"{number}\"");
        prop_assert_eq!(body.contains(&id), status == 200);
    }

    /// No path and query lead to anything but an answer that is documented.
    #[test]
    fn any_path_and_query_are_answered(
        method in "[A-Z]{1,10}",
        segments in proptest::collection::vec("[a-z._~%0-9A-F;:@&=+$,-]{0,12}", 0..6),
        query in "[ -~&&[^ \"<>#`{}|\\\\^]]{0,60}",
    ) {
        let path = format!("/{}?{query}", segments.join("/"));
        prop_assume!(path.parse::<Uri>().is_ok());
        let (status, kind, body) = ask(&method, &path);
        prop_assert!(matches!(status, 200 | 301 | 400 | 404 | 405), "{} {}: {}", method, path, status);
        prop_assert!(status < 400 || method == "HEAD" || (kind == "application/json" && body.contains("\"reason\":")), "{} {}", kind, body);
    }
}
