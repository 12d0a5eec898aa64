//! Text of others, made harmless for the place where it is shown.
//!
//! Comes in: names, values and messages that people or directories wrote. Goes
//! out: the same text, without what would move a cursor, change a colour, reorder
//! a line or hide. Refuses: to change text that is harmless.

use std::borrow::Cow;
use std::fmt::Write as _;

/// For a terminal and for one line of text: control characters (line breaks too),
/// bidirectional controls, zero-width and other invisible characters are shown as
/// `\u{…}`; a tab as `\t`, a line break as `\n`. What this returns never spans
/// lines.
pub fn terminal(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_unsafe(c) => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// For Markdown: as [`terminal`], and nothing is markup, a link, HTML or a mention.
pub fn markdown(foreign: &str) -> Cow<'_, str> {
    const MARKUP: &str = "<>&@|\\`*_[]#~$";
    let safe = terminal(foreign);
    if !safe.chars().any(|c| MARKUP.contains(c)) {
        return safe;
    }
    let mut out = String::with_capacity(safe.len() + 8);
    for c in safe.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A backslash does not stop a mention.
            '@' => out.push_str("&#64;"),
            c if MARKUP.contains(c) => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Whether a character can do more than be seen.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}'             // soft hyphen, Arabic letter mark, vowel separator
            | '\u{200b}'..='\u{200f}'                     // zero-width, direction marks
            | '\u{2028}'..='\u{202e}'                     // line and paragraph separators, embeddings, overrides
            | '\u{2060}'..='\u{206f}'                     // invisible operators, isolates
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'        // byte order mark, annotations
            | '\u{e0000}'..='\u{e007f}') // tags: invisible copies of ASCII
}

#[cfg(test)]
mod tests {
    use super::{markdown, terminal};
    use std::borrow::Cow;

    #[test]
    fn ordinary_text_of_any_script_is_untouched() {
        for text in ["Maria López", "李娜 (SRE)", "naïve — “quoted” → ✗", "עברית"] {
            assert!(matches!(terminal(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn what_moves_reorders_or_hides_is_spelled_out() {
        assert_eq!(terminal("a\u{1b}[2Jb\r\nc\td"), "a\\u{1b}[2Jb\\r\\nc\\td");
        assert_eq!(terminal("\u{202e}nimda\u{2066}\u{200b}\u{feff}"), "\\u{202e}nimda\\u{2066}\\u{200b}\\u{feff}");
        assert_eq!(terminal("x\u{9b}31m\u{e0041}"), "x\\u{9b}31m\\u{e0041}");
    }

    #[test]
    fn markdown_is_neither_markup_nor_a_mention() {
        assert_eq!(markdown("| <b>*x*</b> @team `a`"), "\\| &lt;b&gt;\\*x\\*&lt;/b&gt; &#64;team \\`a\\`");
        assert_eq!(markdown("wei.chen until 2027-01-01"), "wei.chen until 2027-01-01");
    }
}
