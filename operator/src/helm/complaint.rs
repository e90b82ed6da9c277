//! What is the matter with an addon, in one sentence.

use crate::reason::Reason;

/// Longest sentence, in characters: it stands in conditions and Events.
const LONGEST: usize = 400;

/// What is the matter with an addon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Its name: the same in conditions, Events and metrics.
    pub reason: Reason,
    /// The matter, in a sentence that does not change from one try to the next.
    pub message: String,
}

/// What Helm says, and what that is called. The first that fits is taken.
const KNOWN: [(&str, Reason); 25] = [
    ("invalid ownership metadata", Reason::ObjectForeign),
    ("don't meet the specifications of the schema", Reason::ValuesRefused),
    ("execution error at", Reason::ValuesRefused),
    ("error converting YAML", Reason::ValuesRefused),
    ("failed to parse", Reason::ValuesRefused),
    ("cannot unmarshal", Reason::ValuesRefused),
    ("nil pointer evaluating", Reason::ValuesRefused),
    ("401", Reason::RepositoryRefused),
    ("unauthorized", Reason::RepositoryRefused),
    ("403 Forbidden", Reason::RepositoryRefused),
    ("credential not found", Reason::RepositoryRefused),
    ("no such host", Reason::RepositoryUnreachable),
    ("cannot be reached", Reason::RepositoryUnreachable),
    ("chart name found", Reason::ChartNotFound),
    ("chart version found", Reason::ChartNotFound),
    ("Chart.yaml file is missing", Reason::ChartNotFound),
    ("404 Not Found", Reason::ChartNotFound),
    ("name unknown", Reason::ChartNotFound),
    ("not found in addon", Reason::ChartNotFound),
    ("no such file or directory", Reason::ChartNotFound),
    (": not found", Reason::ChartNotFound),
    ("exceeded quota", Reason::QuotaExceeded),
    ("is forbidden", Reason::Forbidden),
    ("is invalid", Reason::ObjectRefused),
    ("connection refused", Reason::Unreachable),
];

impl Complaint {
    /// What Helm wrote to its standard error.
    pub fn of_helm(stderr: &str) -> Self {
        let text = sentence(stderr);
        let known = KNOWN.iter().find(|(part, _)| text.contains(part));
        Self { reason: known.map_or(Reason::HelmFailed, |(_, reason)| *reason), message: text }
    }
}

/// One line of what Helm wrote: the error without the words that say where it was noticed, and without what is logged before it.
fn sentence(stderr: &str) -> String {
    let lines: Vec<_> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let start = lines.iter().position(|line| line.starts_with("Error:")).unwrap_or_default();
    let mut text = String::new();
    for line in &lines[start.min(lines.len())..] {
        let line = line.trim_start_matches("- ");
        if !text.is_empty() {
            text.push_str(if text.ends_with([':', ',', ';', '.']) { " " } else { "; " });
        }
        text.extend(line.chars().map(|c| if c.is_control() { ' ' } else { c }));
    }
    let mut rest = text.trim_start_matches("Error:").trim_start();
    for prefix in [
        "UPGRADE FAILED:",
        "INSTALLATION FAILED:",
        "uninstallation completed with 1 error(s):",
        "failed to perform \"FetchReference\" on source:",
    ] {
        rest = rest.strip_prefix(prefix).unwrap_or(rest).trim_start();
    }
    match rest.char_indices().nth(LONGEST) {
        _ if rest.is_empty() => "Helm ended without saying why".to_owned(),
        Some((end, _)) => format!("{}…", &rest[..end]),
        None => rest.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_helm_says_becomes_a_sentence_with_a_reason() {
        for (stderr, reason, message) in [
            (
                "level=WARN msg=\"something\"\nError: UPGRADE FAILED: values don't meet the specifications of the schema(s) in the following \
                 chart(s):\nmysql:\n- at '/port': got string, want integer\n\n",
                Reason::ValuesRefused,
                "values don't meet the specifications of the schema(s) in the following chart(s): mysql: at '/port': got string, want integer",
            ),
            (
                "Error: looks like \"https://x\" is not a valid chart repository or cannot be reached: Get \"https://x/index.yaml\": dial \
                 tcp: lookup x: no such host\n",
                Reason::RepositoryUnreachable,
                "looks like \"https://x\" is not a valid chart repository or cannot be reached: Get \"https://x/index.yaml\": dial tcp: \
                 lookup x: no such host",
            ),
            (
                "Error: failed to perform \"FetchReference\" on source: r:5000/charts/redis:9.9.9: not found\n",
                Reason::ChartNotFound,
                "r:5000/charts/redis:9.9.9: not found",
            ),
            (
                "Error: failed to perform \"FetchReference\" on source: GET \"https://r/v2/redis/manifests/1.0.0\": basic credential not found\n",
                Reason::RepositoryRefused,
                "GET \"https://r/v2/redis/manifests/1.0.0\": basic credential not found",
            ),
            ("Error: path \"/charts/x\" not found", Reason::HelmFailed, "path \"/charts/x\" not found"),
            ("", Reason::HelmFailed, "Helm ended without saying why"),
            ("\n \u{1b}[31m\u{0} \n", Reason::HelmFailed, "[31m"),
        ] {
            let complaint = Complaint::of_helm(stderr);
            assert_eq!((complaint.reason, complaint.message.trim_end()), (reason, message));
        }
    }

    #[test]
    fn endless_complaints_are_cut_between_characters() {
        let message = Complaint::of_helm(&format!("Error: {}", "ä".repeat(10_000))).message;
        assert_eq!(message.chars().count(), LONGEST + 1);
    }
}
