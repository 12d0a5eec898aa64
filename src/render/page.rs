//! Lines of text with columns and colour.
//!
//! Comes in: own words and foreign text. Goes out: lines in which foreign text is
//! escaped, columns are aligned by what a terminal shows, and colour only repeats
//! what a symbol or word already says. Refuses: to decide whether colour is wanted
//! (`cli` strips it where it is not).

use super::escape;
use anstyle::{AnsiColor, Color, Style};
use std::fmt::Write as _;
use unicode_width::UnicodeWidthStr;

/// Column in which `file:line` stands.
const PLACE_COLUMN: usize = 74;

/// What a piece of text is, as far as its look is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// As it comes.
    Plain,
    /// A heading.
    Heading,
    /// More access.
    More,
    /// Less access.
    Less,
    /// Something else about it.
    Other,
    /// Kept back.
    Held,
    /// Less important.
    Faint,
}

impl Tone {
    fn style(self) -> Style {
        let color = |color: AnsiColor| Style::new().fg_color(Some(Color::Ansi(color)));
        match self {
            Self::Plain => Style::new(),
            Self::Heading => Style::new().bold(),
            Self::More => color(AnsiColor::Green),
            Self::Less => color(AnsiColor::Red),
            Self::Other => color(AnsiColor::Yellow),
            Self::Held => color(AnsiColor::Magenta),
            Self::Faint => Style::new().dimmed(),
        }
    }
}

/// One line that grows from left to right.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    text: String,
    width: usize,
}

impl Line {
    /// A line that begins with so many spaces.
    pub(super) fn indented(spaces: usize) -> Self {
        Self { text: " ".repeat(spaces), width: spaces }
    }

    /// Appends `text`, escaped.
    #[must_use]
    pub(super) fn word(mut self, tone: Tone, text: &str) -> Self {
        let text = escape::terminal(text);
        self.width += text.width();
        if tone == Tone::Plain {
            self.text.push_str(&text);
        } else {
            let style = tone.style();
            // Writing to a String cannot fail.
            let _ = write!(self.text, "{style}{text}{style:#}");
        }
        self
    }

    /// Appends `text`, escaped, without colour.
    #[must_use]
    pub(super) fn say(self, text: &str) -> Self {
        self.word(Tone::Plain, text)
    }

    /// Fills with spaces up to `column`; a line that is there already gets two.
    #[must_use]
    pub(super) fn column(mut self, column: usize) -> Self {
        let gap = if self.width + 2 <= column { column - self.width } else { 2 };
        self.text.push_str(&" ".repeat(gap));
        self.width += gap;
        self
    }

    /// Puts `file:line` into its column.
    #[must_use]
    pub(super) fn place(self, file: Option<&str>, line: Option<u32>) -> Self {
        match (file, line) {
            (Some(file), Some(line)) => self.column(PLACE_COLUMN).word(Tone::Faint, &format!("{file}:{line}")),
            (Some(file), None) => self.column(PLACE_COLUMN).word(Tone::Faint, file),
            (None, _) => self,
        }
    }

    /// The line with its break.
    fn finish(self, out: &mut String) {
        out.push_str(self.text.trim_end());
        out.push('\n');
    }
}

/// Text that grows line by line.
#[derive(Debug, Clone, Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// Appends a line.
    pub(super) fn line(&mut self, line: Line) {
        line.finish(&mut self.text);
    }

    /// Appends an empty line, unless the page is empty or ends with one.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// A heading at the margin.
    pub(super) fn heading(&mut self, text: &str) {
        self.line(Line::default().word(Tone::Heading, text));
    }

    /// The text.
    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// `40112` as `40,112`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 grant`, `3 grants`.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(line: Line) -> String {
        let mut out = String::new();
        line.finish(&mut out);
        anstream::adapter::strip_str(&out).to_string()
    }

    #[test]
    fn columns_count_what_a_terminal_shows() {
        let line = |name| plain(Line::indented(2).word(Tone::More, name).column(12).say("|"));
        assert_eq!(line("wei"), "  wei       |\n");
        assert_eq!(line("陈伟"), "  陈伟      |\n");
        assert_eq!(line("a-very-long-name"), "  a-very-long-name  |\n");
    }

    #[test]
    fn foreign_text_cannot_colour_or_break_a_line() {
        let shown = plain(Line::default().say("evil\u{1b}[2J\nname"));
        assert!(!shown.contains('\u{1b}') && shown.lines().count() == 1, "{shown:?}");
    }

    #[test]
    fn thousands_are_separated() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }
}
