//! Markdown, made of strings.

/// The head of a generated page: its title, who makes it, and what it is about.
pub(crate) fn head(title: &str, about: &str) -> String {
    format!("<!-- Made from the code by `make generate`; changes belong there. -->\n\n# {title}\n\n{about}\n")
}

/// A table, with a blank line before it.
pub(crate) fn table<const N: usize>(columns: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: [String; N]| format!("| {} |\n", cells.map(|cell| self::cell(&cell)).join(" | "));
    let head = line(columns.map(str::to_owned)) + &format!("|{}\n", "---|".repeat(N));
    rows.into_iter().fold(format!("\n{head}"), |text, row| text + &line(row))
}

/// Text in one cell: a line, without bars that would end it.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// Text as code, or nothing.
pub(crate) fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_one_line_without_bars() {
        let text = table(["a", "b"], [["x\n  y".to_owned(), "p|q".to_owned()]]);
        assert_eq!(text, "\n| a | b |\n|---|---|\n| x y | p\\|q |\n");
    }
}
