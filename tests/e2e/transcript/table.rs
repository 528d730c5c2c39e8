//! Tables, as snapshots keep them.

use std::ops::Range;

/// A table in which what varies is masked. Its columns are laid out anew, as wide as that needs, each aligned to the side and as far
/// from the next one as it was found.
#[track_caller]
pub(super) fn masked(text: &str) -> String {
    let lines: Vec<(&str, Vec<char>, &str)> = text.lines().map(parts).collect();
    let columns = columns(&lines.iter().map(|(_, line, _)| line.as_slice()).collect::<Vec<_>>());
    let mut rows: Vec<String> = lines.iter().map(|(style, ..)| (*style).to_owned()).collect();
    for (index, column) in columns.iter().enumerate() {
        let cells: Vec<String> = lines.iter().map(|(_, line, _)| cell(line, column)).collect();
        let is_left = cells.iter().all(|cell| !cell.starts_with(' '));
        let is_right =
            cells.iter().all(|cell| !cell.ends_with(' ') && [0, column.len()].contains(&cell.chars().count()));
        assert!(is_left || is_right, "a column is aligned to neither side:\n{text}");
        let title = cells[0].trim();
        let cells: Vec<&str> = cells.iter().enumerate().map(|(row, cell)| mask(row, title, cell.trim())).collect();
        let width = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
        let gap = columns.get(index + 1).map_or(0, |next| next.start - column.end);
        for (row, cell) in rows.iter_mut().zip(cells) {
            row.push_str(&if is_left { format!("{cell:<width$}") } else { format!("{cell:>width$}") });
            row.push_str(&" ".repeat(gap));
        }
    }
    rows.iter().zip(&lines).map(|(row, (.., end))| format!("{}{end}\n", row.trim_end())).collect()
}

/// How a line is styled, what it says, and how the style ends.
fn parts(line: &str) -> (&str, Vec<char>, &str) {
    let begin = if line.starts_with('\x1b') { line.find('m').map_or(0, |end| end + 1) } else { 0 };
    let (style, line) = line.split_at(begin);
    let (line, end) = line.split_at(line.find('\x1b').unwrap_or(line.len()));
    (style, line.trim_end().chars().collect(), end)
}

/// Where columns are: at least two blanks are between them on every line.
fn columns(lines: &[&[char]]) -> Vec<Range<usize>> {
    let mut columns: Vec<Range<usize>> = Vec::new();
    let width = lines.iter().map(|line| line.len()).max().unwrap_or(0);
    for at in (0..width).filter(|at| lines.iter().any(|line| line.get(*at).is_some_and(|letter| *letter != ' '))) {
        match columns.last_mut() {
            Some(column) if at < column.end + 2 => column.end = at + 1,
            Some(_) | None => columns.push(at..at + 1),
        }
    }
    columns
}

/// What a line says there, as wide as the column unless the line ends before.
fn cell(line: &[char], column: &Range<usize>) -> String {
    line.iter().take(column.end).skip(column.start).collect()
}

fn mask<'a>(row: usize, title: &str, value: &'a str) -> &'a str {
    match title {
        _ if row == 0 || value == "-" => value,
        // As wide as the title: where values are as wide, either side fits.
        "OS PID" => "NNNNNN",
        "USER" => "…",
        "CPU" | "MEM" => "N%",
        "MEMORY" => "N B",
        "CPU TIME" => "M:SS.CC",
        "UPTIME" => "SPAN",
        _ => value,
    }
}

#[test]
fn columns_stay_aligned_as_they_were_found() {
    let found = "\x1b[1mNAME  CPU TIME   CPU  X\x1b[0m\nlong   0:00.01  0.0%  a b\nc            -     -\n";
    assert_eq!(masked(found), "\x1b[1mNAME  CPU TIME  CPU  X\x1b[0m\nlong   M:SS.CC   N%  a b\nc            -    -\n");
}

#[test]
#[should_panic(expected = "aligned to neither side")]
fn what_stands_between_the_sides_is_found() {
    masked("NAME  STATE\nw      up\n");
}
