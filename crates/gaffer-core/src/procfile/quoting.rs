//! Whether a line's quotes are closed, so that a line that no shell would run is told when it is read.

/// A line that breaks off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenLine {
    /// A quote that nothing closes.
    #[error("the {0} that opens at `{1}` is not closed")]
    Open(&'static str, String),
    /// A backslash with nothing behind it.
    #[error("ends in a backslash, but lines cannot be continued; write the command on one line")]
    Backslash,
}

/// What a character stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    /// `'…'`.
    Single,
    /// `"…"`.
    Double,
    /// `$(…)`.
    Command,
    /// `(…)` within `$(…)`.
    Parentheses,
    /// `${…}`.
    Braces,
}

impl Frame {
    fn name(self) -> &'static str {
        match self {
            Self::Single => "single quote",
            Self::Double => "double quote",
            Self::Command | Self::Parentheses => "parenthesis",
            Self::Braces => "brace",
        }
    }
}

/// Looks for quotes that are not closed.
///
/// Says so only if every shell would: where shells differ, or where telling takes a whole shell, the line passes.
///
/// # Errors
/// The innermost open quote, or a backslash at the end.
pub(super) fn check(line: &str) -> Result<(), BrokenLine> {
    let mut frames: Vec<(Frame, usize)> = Vec::new();
    let mut at_word_start = true;
    let mut rest = line.char_indices().peekable();
    while let Some((position, character)) = rest.next() {
        let behind = &line[position + character.len_utf8()..];
        let frame = frames.last().map(|(frame, _)| *frame);
        let starts_word = std::mem::replace(&mut at_word_start, false);
        if frame == Some(Frame::Single) {
            if character == '\'' {
                frames.pop();
            }
            continue;
        }
        let quoted = frames.iter().any(|(frame, _)| *frame == Frame::Double);
        match character {
            '\\' => {
                if rest.next().is_none() && frame != Some(Frame::Double) {
                    return Err(BrokenLine::Backslash);
                }
            }
            // What stands between these has rules of its own.
            '`' => return Ok(()),
            '$' if behind.starts_with("((") => return Ok(()),
            '$' if behind.starts_with('\'') && frame != Some(Frame::Double) => return Ok(()),
            '<' if behind.starts_with('<') && frame != Some(Frame::Double) => return Ok(()),
            '$' if behind.starts_with('{')
                && !behind[1..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') =>
            {
                return Ok(());
            }
            '\'' | '"' if frame == Some(Frame::Braces) && quoted => return Ok(()),
            '$' if behind.starts_with('(') => {
                // The `)` of its patterns closes nothing.
                if behind.contains("case") {
                    return Ok(());
                }
                rest.next();
                frames.push((Frame::Command, position));
                at_word_start = true;
            }
            '$' if behind.starts_with('{') => {
                rest.next();
                frames.push((Frame::Braces, position));
            }
            // The shell's pid: the second one begins nothing.
            '$' if behind.starts_with('$') => drop(rest.next()),
            '"' if frame == Some(Frame::Double) => drop(frames.pop()),
            '"' => frames.push((Frame::Double, position)),
            '}' if frame == Some(Frame::Braces) => drop(frames.pop()),
            _ if frame == Some(Frame::Double) => {}
            '\'' => frames.push((Frame::Single, position)),
            _ if frame == Some(Frame::Braces) => {}
            '(' if frame.is_some() => {
                frames.push((Frame::Parentheses, position));
                at_word_start = true;
            }
            ')' if frame.is_some() => drop(frames.pop()),
            '#' if starts_word => {
                if behind.contains('\n') {
                    return Ok(());
                }
                break;
            }
            _ => at_word_start = character.is_whitespace() || "|&;()<>".contains(character),
        }
    }
    match frames.pop() {
        None => Ok(()),
        Some((frame, position)) => {
            let behind: String = line[position..].chars().take(20).collect();
            Err(BrokenLine::Open(frame.name(), behind))
        }
    }
}
