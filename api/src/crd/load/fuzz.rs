//! Resources that were cut, torn or written by chance: problems with their places, never a panic.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const SAMPLES: [&str; 3] = [
    include_str!("../../../../manifests/samples/production.yaml"),
    include_str!("../../../../manifests/samples/quickstart.yaml"),
    include_str!("../../../../manifests/samples/weighted-round-robin.yaml"),
];

/// The resource is taken, or refused with problems that each name a line or a field.
fn judge(text: &str) -> bool {
    match load(text) {
        Ok(_) => true,
        Err(error) => {
            assert!(!error.problems().is_empty());
            for line in error.in_file("demo.yaml").lines() {
                assert!(line.starts_with("demo.yaml"), "no place: {line}");
            }
            false
        }
    }
}

#[test]
fn samples_are_good_as_they_are_and_what_unfolds_without_end_is_refused() {
    assert!(SAMPLES.into_iter().all(judge));
    let aliases: String = (1..40).map(|i| format!("a{i}: &a{i} [*a{0}, *a{0}]\n", i - 1)).collect();
    for text in ["[".repeat(100_000), "{a: ".repeat(100_000), format!("a0: &a0 [x, x]\n{aliases}")] {
        assert!(!judge(&text));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_text_is_refused(text in "\\PC{0,200}") {
        prop_assert!(!judge(&text));
    }

    #[test]
    fn a_sample_with_changes_is_taken_or_refused(
        sample in any::<Index>(),
        changes in proptest::collection::vec((any::<Index>(), "[ -~\\n\\t\u{0}\u{7f}]{0,4}", 0usize..5), 1..6),
    ) {
        let mut text: Vec<char> = sample.get(&SAMPLES).chars().collect();
        for (at, new, gone) in changes {
            let at = at.index(text.len() + 1);
            let end = (at + gone).min(text.len());
            text.splice(at..end, new.chars());
        }
        judge(&text.into_iter().collect::<String>());
    }
}
