//! Config files that were cut, torn or written by chance: an error that names the place, never a panic.

use proptest::prelude::*;
use proptest::sample::Index;
use user_info_api::config::{UserClientConfig, UserInfoConfig};

use super::*;

const FILE: &str = "\
generation: 3
service: {name: bbs.user.info, weight: 50, metadata: {zone: a}}
server:
  grpc: {listen: '0.0.0.0:9001', advertise: 'a.example:9001'}
  tls: {certFile: a.pem, keyFile: b.pem}
  admin: {listen: '127.0.0.1:8002'}
  timeout: 1s
users: {mysql: {address: 'db:3306', database: demo_a, username: u, passwordFile: /p, connections: 8}}
views: {redis: {address: 'cache:6379', database: 1}}
registry: {consul: {addresses: ['a:8500'], interval: 10s}}
tracing: {percentage: 1.5}
live:
  rateLimiter: {requestsPerSecond: 100, burst: 5}
  faultInjection: {delay: {fixedDelay: 5ms, percentage: 3}, abort: {percentage: 1, httpStatus: 503}}
  log: {level: debug}
";

/// The file is used, or refused with an error that begins with its name and tells a line or a field.
fn judged<T: DeserializeOwned + Check>(text: &str) -> bool {
    match parse::<T>(Path::new("a.yaml"), text) {
        Ok(_) => true,
        Err(error) => {
            let error = error.to_string();
            let rest = error.strip_prefix("a.yaml: ").unwrap_or_else(|| panic!("no file: {error}"));
            assert!(rest.contains("line ") || rest.contains(": ") || rest.contains("missing field"), "no place: {error}");
            false
        }
    }
}

#[test]
fn the_file_is_good_as_it_is() {
    assert!(judged::<UserInfoConfig>(FILE));
}

#[test]
fn files_that_unfold_without_end_are_refused() {
    let aliases: String = (1..40).map(|i| format!("a{i}: &a{i} [*a{0}, *a{0}]\n", i - 1)).collect();
    for text in ["[".repeat(100_000), "{a: ".repeat(100_000), format!("a0: &a0 [x, x]\n{aliases}"), "- ".repeat(100_000)] {
        assert!(!judged::<UserInfoConfig>(&text));
    }
}

proptest! {
    #[test]
    fn any_text_is_refused(text in "\\PC{0,200}") {
        judged::<UserInfoConfig>(&text);
        judged::<UserClientConfig>(&text);
    }

    #[test]
    fn a_file_with_changes_is_used_or_refused(
        changes in proptest::collection::vec((any::<Index>(), "[ -~\\n\\t\u{0}\u{7f}\u{2028}]{0,4}", 0usize..5), 1..6),
    ) {
        let mut text: Vec<char> = FILE.chars().collect();
        for (at, new, gone) in changes {
            let at = at.index(text.len() + 1);
            let end = (at + gone).min(text.len());
            text.splice(at..end, new.chars());
        }
        judged::<UserInfoConfig>(&text.into_iter().collect::<String>());
    }

    #[test]
    fn lines_in_another_order_are_used_or_refused(lines in proptest::collection::vec(any::<Index>(), 1..20)) {
        let all: Vec<&str> = FILE.lines().collect();
        let text: Vec<&str> = lines.iter().map(|index| *index.get(&all)).collect();
        judged::<UserInfoConfig>(&text.join("\n"));
    }
}
