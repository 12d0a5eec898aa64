//! LDIF content records (RFC 2849) as bytes: reading.
//!
//! Comes in: the bytes of a file. Goes out: records whose lines remember where they
//! stand, so that what is not changed can be written back byte for byte. Refuses:
//! change records, values by URL, two records of one DN, anything that is not LDIF,
//! each with its line.

use super::base64;
use crate::provider::dn;
use std::collections::BTreeMap;
use std::ops::Range;

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct FormatError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: &'static str,
}

/// Bytes of the file, or new ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A part of the file.
    Span(Range<usize>),
    /// Bytes that are not in the file in this form.
    Own(Vec<u8>),
}

impl Piece {
    /// The bytes.
    pub fn bytes<'b>(&'b self, file: &'b [u8]) -> &'b [u8] {
        match self {
            Self::Span(range) => file.get(range.clone()).unwrap_or_default(),
            Self::Own(bytes) => bytes,
        }
    }
}

/// One attribute line of a record, or a comment inside it (then without a name).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Attribute description as written; empty for a comment.
    pub name: Piece,
    /// Value, decoded.
    pub value: Piece,
    /// How it stands in the file, folding and line end included; `None` when new.
    pub raw: Option<Range<usize>>,
    /// Whether it was removed since.
    pub gone: bool,
}

/// One entry of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Line of its `dn:`, from 1; 0 when new.
    pub line: usize,
    /// DN as written.
    pub dn: String,
    /// Its comparison key.
    pub key: String,
    /// Blank lines, comments and the version before it.
    pub lead: Range<usize>,
    /// How its `dn:` line stands in the file; `None` when new or renamed.
    pub head: Option<Range<usize>>,
    /// Its lines.
    pub lines: Vec<Line>,
    /// Whether it was removed since.
    pub gone: bool,
}

/// A whole file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Records in the order of the file.
    pub records: Vec<Record>,
    /// Comments and blank lines after the last record.
    pub tail: Range<usize>,
    /// Key of each record's DN → its position.
    pub index: BTreeMap<String, usize>,
}

/// Reads a file.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub fn parse(file: &[u8]) -> Result<Parsed, FormatError> {
    Parser { file, at: if file.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 }, line: 1, lead: 0 }.run()
}

struct Parser<'f> {
    file: &'f [u8],
    at: usize,
    line: usize,
    /// Where what belongs to no record yet begins.
    lead: usize,
}

/// A line with its continuations.
struct Logical {
    raw: Range<usize>,
    /// Without line ends and folding.
    text: Piece,
    line: usize,
}

impl Parser<'_> {
    fn fail<T>(line: usize, message: impl Into<String>, help: &'static str) -> Result<T, FormatError> {
        Err(FormatError { line, message: message.into(), help })
    }

    fn run(mut self) -> Result<Parsed, FormatError> {
        let mut parsed = Parsed::default();
        let mut open: Option<Record> = None;
        let mut first = true;
        while let Some(logical) = self.logical()? {
            let text = logical.text.bytes(self.file);
            if text.is_empty() {
                self.close(&mut open, &mut parsed)?;
            } else if text.starts_with(b"#") {
                if let Some(record) = &mut open {
                    let nothing = Piece::Own(Vec::new());
                    record.lines.push(Line {
                        name: nothing.clone(),
                        value: nothing,
                        raw: Some(logical.raw),
                        gone: false,
                    });
                }
            } else if let Some(record) = &mut open {
                record.lines.push(self.attribute(logical)?);
            } else if first && text.starts_with(b"version:") {
                first = false;
                if text.get(8..).unwrap_or_default().trim_ascii() != b"1" {
                    return Self::fail(logical.line, "only LDIF version 1 exists", "write `version: 1`");
                }
            } else {
                first = false;
                open = Some(self.open(logical)?);
            }
        }
        self.close(&mut open, &mut parsed)?;
        parsed.tail = self.lead..self.file.len();
        Ok(parsed)
    }

    /// The next line with its continuations (RFC 2849 note 2).
    fn logical(&mut self) -> Result<Option<Logical>, FormatError> {
        let (start, line) = (self.at, self.line);
        if start >= self.file.len() {
            return Ok(None);
        }
        let first = self.physical()?;
        let mut joined: Option<Vec<u8>> = None;
        while self.file.get(self.at) == Some(&b' ') {
            if first.is_empty() {
                return Self::fail(self.line, "a continuation follows an empty line", "remove the leading space");
            }
            let more = self.physical()?;
            let text = joined.get_or_insert_with(|| self.file.get(first.clone()).unwrap_or_default().to_vec());
            text.extend_from_slice(self.file.get(more.start + 1..more.end).unwrap_or_default());
        }
        let text = joined.map_or(Piece::Span(first), Piece::Own);
        Ok(Some(Logical { raw: start..self.at, text, line }))
    }

    /// The content of the next physical line; `at` moves behind its end.
    fn physical(&mut self) -> Result<Range<usize>, FormatError> {
        let start = self.at;
        let rest = self.file.get(start..).unwrap_or_default();
        let length = rest.iter().position(|b| *b == b'\n');
        self.at = start + length.map_or(rest.len(), |n| n + 1);
        let mut end = start + length.unwrap_or(rest.len());
        if end > start && self.file.get(end - 1) == Some(&b'\r') {
            end -= 1;
        }
        let odd = |b: &u8| *b == 0 || *b == b'\r';
        if self.file.get(start..end).unwrap_or_default().iter().any(odd) {
            return Self::fail(
                self.line,
                "a NUL or a lone carriage return stands in the line",
                "encode the value in base64 (`attribute:: …`)",
            );
        }
        self.line += 1;
        Ok(start..end)
    }

    fn open(&mut self, logical: Logical) -> Result<Record, FormatError> {
        let (raw, line) = (logical.raw.clone(), logical.line);
        let parsed = self.attribute(logical)?;
        if !parsed.name.bytes(self.file).eq_ignore_ascii_case(b"dn") {
            let name = String::from_utf8_lossy(parsed.name.bytes(self.file)).into_owned();
            return Self::fail(
                line,
                format!("a record begins with `{name}:`, not with `dn:`"),
                "export with `ldapsearch -LLL` or `slapcat`, which write nothing else",
            );
        }
        let Ok(text) = std::str::from_utf8(parsed.value.bytes(self.file)) else {
            return Self::fail(line, "the DN is not UTF-8", "encode it in UTF-8");
        };
        let key = match dn::key(text) {
            Ok(key) => key.into_owned(),
            Err(error) => {
                return Self::fail(
                    line,
                    error.to_string(),
                    "write a DN such as `uid=maria,ou=people,dc=example,dc=com`",
                );
            }
        };
        let lead = self.lead..raw.start;
        Ok(Record { line, dn: text.to_owned(), key, lead, head: Some(raw), lines: Vec::new(), gone: false })
    }

    fn close(&mut self, open: &mut Option<Record>, parsed: &mut Parsed) -> Result<(), FormatError> {
        let Some(record) = open.take() else { return Ok(()) };
        let last = record.lines.last().and_then(|line| line.raw.clone());
        self.lead = last.or_else(|| record.head.clone()).map_or(self.lead, |raw| raw.end);
        if record.lines.iter().all(|line| line.name.bytes(self.file).is_empty()) {
            return Self::fail(
                record.line,
                format!("`{}` has no attributes", record.dn),
                "every entry has at least an `objectClass`",
            );
        }
        if let Some(other) = parsed.index.insert(record.key.clone(), parsed.records.len()) {
            let first = parsed.records.get(other).map_or(0, |record| record.line);
            return Self::fail(
                record.line,
                format!("`{}` was already written on line {first}", record.dn),
                "remove one of the two; accord does not choose",
            );
        }
        parsed.records.push(record);
        Ok(())
    }

    fn attribute(&self, logical: Logical) -> Result<Line, FormatError> {
        let Logical { raw, text, line } = logical;
        let bytes = text.bytes(self.file);
        let Some(colon) = bytes.iter().position(|b| *b == b':') else {
            let change = bytes == b"-";
            let message = if change { "a `-` belongs to a change record" } else { "the line has no `:`" };
            return Self::fail(
                line,
                message,
                "this file holds entries (content records), not changes; a long value goes on in a line that begins with a space",
            );
        };
        let name = bytes.get(..colon).unwrap_or_default();
        let valid = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b';' | b'.' | b'_');
        if name.is_empty() || !name.iter().all(valid) {
            let name = String::from_utf8_lossy(name).into_owned();
            return Self::fail(
                line,
                format!("`{name}` is no attribute"),
                "letters, digits, `-`, `.` and options after `;` make a name",
            );
        }
        if name.eq_ignore_ascii_case(b"changetype") || name.eq_ignore_ascii_case(b"control") {
            return Self::fail(
                line,
                "this is a change record",
                "accord reads entries (`slapcat`, `ldapsearch -LLL`), not changes",
            );
        }
        let value = self.value(&text, colon, line)?;
        Ok(Line { name: part(&text, 0..colon), value, raw: Some(raw), gone: false })
    }

    /// What follows the first colon of a line.
    fn value(&self, text: &Piece, colon: usize, line: usize) -> Result<Piece, FormatError> {
        let bytes = text.bytes(self.file);
        let from =
            |start: usize| start + bytes.get(start..).unwrap_or_default().iter().take_while(|b| **b == b' ').count();
        match bytes.get(colon + 1) {
            Some(b':') => match base64::decode(bytes.get(from(colon + 2)..).unwrap_or_default().trim_ascii_end()) {
                Some(value) => Ok(Piece::Own(value)),
                None => {
                    Self::fail(line, "the value after `::` is not base64", "write text after one `:`, base64 after two")
                }
            },
            Some(b'<') => Self::fail(
                line,
                "the value is a URL (`:<`), which accord does not open",
                "put the value itself into the file",
            ),
            _ => {
                let range = from(colon + 1)..bytes.len();
                if std::str::from_utf8(bytes.get(range.clone()).unwrap_or_default()).is_err() {
                    return Self::fail(line, "the value is not UTF-8", "encode it in base64 (`attribute:: …`)");
                }
                Ok(part(text, range))
            }
        }
    }
}

/// A part of a line.
fn part(text: &Piece, range: Range<usize>) -> Piece {
    match text {
        Piece::Span(span) => Piece::Span(span.start + range.start..span.start + range.end),
        Piece::Own(bytes) => Piece::Own(bytes.get(range).unwrap_or_default().to_vec()),
    }
}
