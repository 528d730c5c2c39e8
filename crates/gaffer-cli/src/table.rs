//! Tables as they are usual in terminals: columns apart by blanks, no lines.

use std::fmt;

use anstyle::Style;
use comfy_table::{CellAlignment, ColumnConstraint, presets};

use crate::escaped;

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    cells: comfy_table::Table,
    /// Of the headings, then of each row.
    styles: Vec<Style>,
    /// In characters. Those of some scripts take two columns each; such a row may be too long.
    width: usize,
}

impl Table {
    /// A table with these headings.
    pub fn new(headings: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_header(headings);
        for column in table.column_iter_mut() {
            column.set_padding((0, 2)).set_constraint(ColumnConstraint::ContentWidth);
        }
        Self { cells: table, styles: vec![Style::new().bold()], width: usize::MAX }
    }

    /// Aligns columns, counted from 0, at their right ends, as numbers are.
    #[must_use]
    pub fn numbers(mut self, columns: &[usize]) -> Self {
        for column in columns {
            if let Some(column) = self.cells.column_mut(*column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self
    }

    /// Cuts lines that are longer than this.
    #[must_use]
    pub fn cut(self, width: usize) -> Self {
        Self { width, ..self }
    }

    /// Adds a row. The style is that of the whole row.
    pub fn row(&mut self, style: Style, cells: impl IntoIterator<Item = String>) {
        // A line break would make several lines of one row.
        self.cells.add_row(cells.into_iter().map(escaped));
        self.styles.push(style);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (line, style)) in self.cells.lines().zip(&self.styles).enumerate() {
            let line_break = if position > 0 { "\n" } else { "" };
            let line = line.trim_end();
            // The last of the columns shows that there is more.
            let end = self.width.saturating_sub(1);
            let cut = line.char_indices().nth(self.width).and_then(|_| line.char_indices().nth(end));
            let (line, more) = cut.map_or((line, ""), |(at, _)| (&line[..at], "…"));
            write!(f, "{line_break}{style}{line}{more}{style:#}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_too_long_is_cut() {
        let mut table = Table::new(&["NAME", "CAUSE"]);
        table.row(Style::new(), ["web", "grün"].map(str::to_owned));
        let shown = |width| anstream::adapter::strip_str(&table.clone().cut(width).to_string()).to_string();
        assert_eq!(shown(11), "NAME  CAUSE\nweb   grün");
        assert_eq!(shown(9), "NAME  CA…\nweb   gr…");
        assert_eq!(shown(1), "…\n…");
    }

    #[test]
    fn a_cell_is_one_line_and_tells_the_terminal_nothing() {
        let mut table = Table::new(&["CAUSE"]);
        table.row(Style::new(), ["bad\n\u{1b}]0;news\u{7}".to_owned()]);
        let plain = anstream::adapter::strip_str(&table.to_string()).to_string();
        assert_eq!(plain, "CAUSE\nbad\\n\\u{1b}]0;news\\u{7}");
    }

    #[test]
    fn columns_are_apart_and_lines_end_with_their_text() {
        let mut table = Table::new(&["NAME", "PIDS", "CAUSE"]).numbers(&[1]);
        table.row(Style::new(), ["web", "1", ""].map(str::to_owned));
        table.row(Style::new(), ["shop.worker", "12", "gone"].map(str::to_owned));
        let plain = anstream::adapter::strip_str(&table.to_string()).to_string();
        assert_eq!(plain, "NAME         PIDS  CAUSE\nweb             1\nshop.worker    12  gone");
    }
}
