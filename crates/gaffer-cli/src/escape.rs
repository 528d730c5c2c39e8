//! Text of others, made safe to be shown.

/// The text in one line, with control characters as Rust writes them: `\n`, `\u{1b}`. What a job, a node or whatever answers in a
/// node's place says must not move the cursor, change colours or fake lines on the terminal of who reads it.
pub fn escaped(text: impl AsRef<str>) -> String {
    let mut shown = String::with_capacity(text.as_ref().len());
    for c in text.as_ref().chars() {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_control_characters_look_different() {
        assert_eq!(escaped("a\n\r\t\u{1b}[2J\u{7f}\u{9b}"), "a\\n\\r\\t\\u{1b}[2J\\u{7f}\\u{9b}");
        assert_eq!(escaped("Grüße \\ \"日本\""), "Grüße \\ \"日本\"");
    }
}
