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
    if !safe.chars().any(|c| MARKUP.contains(c)) && !is_address(&safe) {
        return safe;
    }
    let is_address = is_address(&safe);
    let mut out = String::with_capacity(safe.len() + 8);
    for c in safe.chars() {
        match c {
            // An address becomes a link by itself.
            ':' if is_address => out.push_str("&#58;"),
            '.' if is_address => out.push_str("&#46;"),
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

/// Whether there is something that becomes a link without being marked as one.
fn is_address(text: &str) -> bool {
    text.contains("://") || text.to_ascii_lowercase().contains("www.")
}

/// For the label of a node in a Mermaid diagram, between double quotes: as [`terminal`], and
/// whatever is no letter, digit, space, dot, slash, hyphen or underscore is a number, so
/// that nothing ends the label, the diagram or the block it stands in.
pub fn mermaid(foreign: &str) -> String {
    let mut out = String::with_capacity(foreign.len());
    for c in terminal(foreign).chars() {
        if c.is_alphanumeric() || " ./-_".contains(c) {
            out.push(c);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "#{};", u32::from(c));
        }
    }
    out
}

/// For a cell of a spreadsheet, as RFC 4180 quotes it: as [`terminal`], and nothing is a formula:
/// what would begin one gets an apostrophe, which spreadsheets take for "this is text".
pub fn csv(foreign: &str) -> String {
    let safe = terminal(foreign);
    let begins = safe.trim_start().chars().next();
    // The wide forms too: spreadsheets of some countries take them for the narrow ones.
    let guard = if begins.is_some_and(|c| "=+-@\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}".contains(c)) { "'" } else { "" };
    if guard.is_empty() && !safe.contains(['"', ',', '\'', ' ']) {
        return safe.into_owned();
    }
    format!("\"{guard}{}\"", safe.replace('"', "\"\""))
}

/// For a TEXT value of iCalendar (RFC 5545 §3.3.11): as [`terminal`], with backslash, semicolon
/// and comma escaped.
pub fn ics(foreign: &str) -> String {
    let safe = terminal(foreign);
    let mut out = String::with_capacity(safe.len() + 8);
    for c in safe.chars() {
        if matches!(c, '\\' | ';' | ',') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// For text and attributes of XML 1.0: as [`terminal`] (which leaves no character that XML
/// forbids), and nothing is markup.
pub fn xml(foreign: &str) -> String {
    let safe = terminal(foreign);
    let mut out = String::with_capacity(safe.len() + 8);
    for c in safe.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
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
    use super::{csv, ics, markdown, mermaid, terminal};
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
    fn a_cell_is_no_formula() {
        assert_eq!(csv("wei.chen"), "wei.chen");
        assert_eq!(csv("a \"b\", c"), "\"a \"\"b\"\", c\"");
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\u{ff1d}1"] {
            assert!(csv(formula).starts_with("\"'"), "{formula}: {}", csv(formula));
        }
        // A line break or a tab is spelled out, so it cannot begin a cell.
        assert_eq!(csv("\t=1"), "\\t=1");
        assert_eq!(csv("a\r\n=1"), "a\\r\\n=1");
    }

    #[test]
    fn calendars_and_diagrams_hold_only_text() {
        assert_eq!(ics("a;b,c\\d\r\nEND:VEVENT"), "a\\;b\\,c\\\\d\\\\r\\\\nEND:VEVENT");
        assert_eq!(mermaid("sre"), "sre");
        assert_eq!(mermaid("a\"] --> b[\"`\n"), "a#34;#93; --#62; b#91;#34;#96;#92;n");
    }

    #[test]
    fn addresses_are_no_links() {
        assert_eq!(markdown("https://evil.example"), "https&#58;//evil&#46;example");
        assert_eq!(markdown("WWW.evil.example"), "WWW&#46;evil&#46;example");
    }

    #[test]
    fn markdown_is_neither_markup_nor_a_mention() {
        assert_eq!(markdown("| <b>*x*</b> @team `a`"), "\\| &lt;b&gt;\\*x\\*&lt;/b&gt; &#64;team \\`a\\`");
        assert_eq!(markdown("wei.chen until 2027-01-01"), "wei.chen until 2027-01-01");
    }
}
