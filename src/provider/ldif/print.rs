//! A file as bytes again.
//!
//! Comes in: a document. Goes out: its bytes: what was not touched as it stood, what
//! was touched in the canonical form of RFC 2849, new entries sorted among their
//! siblings. Refuses: nothing; the order depends on the content alone.

use super::base64;
use super::document::Document;
use super::format::{Line, Record};
use crate::provider::dn;
use std::collections::BTreeMap;

/// Longest line, without its end (RFC 2849 note 10 recommends at most 76).
const WIDTH: usize = 76;

impl Document {
    /// The file's bytes.
    pub fn print(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes.len() + 1024);
        let crlf = self.bytes.windows(2).any(|pair| pair == b"\r\n");
        let printer = Printer { file: &self.bytes, end: if crlf { b"\r\n" } else { b"\n" } };
        if self.bytes.is_empty() {
            out.extend_from_slice(b"version: 1");
            out.extend_from_slice(printer.end);
        }
        let mut added = self.added_by_parent();
        let last = self.last_siblings(&added);
        for (n, record) in self.parsed.records.iter().enumerate() {
            if record.line == 0 {
                continue;
            }
            let parent = dn::parent(&record.key).unwrap_or_default();
            // The first record carries the version line: nothing goes before it.
            if let Some(queue) = added.get_mut(parent) {
                let split = if n == 0 { 0 } else { queue.partition_point(|next| next.key < record.key) };
                for next in queue.drain(..split).collect::<Vec<_>>() {
                    printer.record(&mut out, next);
                    flush(&printer, &mut out, &mut added, &next.key);
                }
            }
            printer.record(&mut out, record);
            for parent in last.get(&n).into_iter().flatten() {
                flush(&printer, &mut out, &mut added, parent);
            }
        }
        // What is left has no sibling and no parent in the old file.
        while let Some(parent) = added.keys().next().cloned() {
            let top = top_of(&added, &parent);
            flush(&printer, &mut out, &mut added, &top);
        }
        out.extend_from_slice(self.bytes.get(self.parsed.tail.clone()).unwrap_or_default());
        out
    }

    /// New entries by parent, sorted by key.
    fn added_by_parent(&self) -> BTreeMap<String, Vec<&Record>> {
        let mut added: BTreeMap<String, Vec<&Record>> = BTreeMap::new();
        for record in self.parsed.records.iter().filter(|record| record.line == 0 && !record.gone) {
            added.entry(dn::parent(&record.key).unwrap_or_default().to_owned()).or_default().push(record);
        }
        for list in added.values_mut() {
            list.sort_by(|a, b| a.key.cmp(&b.key));
        }
        added
    }

    /// Position in the file after which the rest of a parent's new entries goes:
    /// its last old child, otherwise the parent itself.
    fn last_siblings(&self, added: &BTreeMap<String, Vec<&Record>>) -> BTreeMap<usize, Vec<String>> {
        let mut last: BTreeMap<&str, usize> = BTreeMap::new();
        for (n, record) in self.parsed.records.iter().enumerate().filter(|(_, record)| record.line != 0) {
            let parent = dn::parent(&record.key).unwrap_or_default();
            if let Some((parent, _)) = added.get_key_value(parent) {
                last.insert(parent, n);
            }
            if let Some((own, _)) = added.get_key_value(record.key.as_str()) {
                last.entry(own).or_insert(n);
            }
        }
        let mut out: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (parent, n) in last {
            out.entry(n).or_default().push(parent.to_owned());
        }
        out
    }
}

/// Prints the new entries of a parent, each followed by those below it.
fn flush(printer: &Printer<'_>, out: &mut Vec<u8>, added: &mut BTreeMap<String, Vec<&Record>>, parent: &str) {
    for record in added.remove(parent).into_iter().flatten() {
        printer.record(out, record);
        flush(printer, out, added, &record.key);
    }
}

/// The highest ancestor of `parent` that itself has new entries below it.
fn top_of(added: &BTreeMap<String, Vec<&Record>>, parent: &str) -> String {
    let mut top = parent.to_owned();
    let mut at = parent;
    while let Some(up) = dn::parent(at) {
        if added.contains_key(up) {
            up.clone_into(&mut top);
        }
        at = up;
    }
    if added.contains_key("") { String::new() } else { top }
}

struct Printer<'f> {
    file: &'f [u8],
    end: &'f [u8],
}

impl Printer<'_> {
    fn record(&self, out: &mut Vec<u8>, record: &Record) {
        let lead = self.file.get(record.lead.clone()).unwrap_or_default();
        // A removed entry takes its blank lines along, but no comment and no version.
        if !record.gone || !lead.trim_ascii().is_empty() {
            out.extend_from_slice(lead);
        }
        if record.gone {
            return;
        }
        if record.line == 0 {
            self.finish_line(out);
            out.extend_from_slice(self.end);
        }
        match &record.head {
            Some(range) => out.extend_from_slice(self.file.get(range.clone()).unwrap_or_default()),
            None => self.line(out, "dn", record.dn.as_bytes()),
        }
        for line in self.in_order(&record.lines) {
            if let Some(range) = &line.raw {
                out.extend_from_slice(self.file.get(range.clone()).unwrap_or_default());
            } else {
                self.finish_line(out);
                let name = String::from_utf8_lossy(line.name.bytes(self.file));
                self.line(out, &name, line.value.bytes(self.file));
            }
        }
    }

    /// New lines after the last line of the same attribute, others where they stood.
    fn in_order<'r>(&self, lines: &'r [Line]) -> Vec<&'r Line> {
        let type_of = |line: &Line| dn::type_key(&String::from_utf8_lossy(line.name.bytes(self.file))).into_owned();
        if lines.iter().all(|line| line.raw.is_some()) || lines.iter().all(|line| line.raw.is_none()) {
            return lines.iter().filter(|line| !line.gone).collect();
        }
        let mut last: BTreeMap<String, usize> = BTreeMap::new();
        for (n, line) in lines.iter().enumerate().filter(|(_, line)| line.raw.is_some()) {
            last.insert(type_of(line), n);
        }
        let mut ordered: Vec<(usize, usize, &Line)> = Vec::with_capacity(lines.len());
        for (n, line) in lines.iter().enumerate().filter(|(_, line)| !line.gone) {
            let place = match &line.raw {
                Some(_) => n,
                None => last.get(&type_of(line)).copied().unwrap_or(lines.len()),
            };
            ordered.push((place, n, line));
        }
        ordered.sort_by_key(|(place, n, _)| (*place, *n));
        ordered.into_iter().map(|(_, _, line)| line).collect()
    }

    /// A file may end without a line end.
    fn finish_line(&self, out: &mut Vec<u8>) {
        if !out.is_empty() && out.last() != Some(&b'\n') {
            out.extend_from_slice(self.end);
        }
    }

    fn line(&self, out: &mut Vec<u8>, name: &str, value: &[u8]) {
        let text = match std::str::from_utf8(value) {
            Ok(text) if is_safe(text) => format!("{name}: {text}"),
            _ => format!("{name}:: {}", base64::encode(value)),
        };
        let mut room = WIDTH;
        let mut rest = text.as_bytes();
        // A safe line is ASCII: any byte is a place to fold.
        while let Some((head, tail)) = rest.split_at_checked(room.min(rest.len())) {
            out.extend_from_slice(head);
            out.extend_from_slice(self.end);
            if tail.is_empty() {
                return;
            }
            out.push(b' ');
            room = WIDTH - 1;
            rest = tail;
        }
    }
}

/// SAFE-STRING of RFC 2849, and no space at the end (note 8).
fn is_safe(text: &str) -> bool {
    !text.starts_with([' ', ':', '<']) && !text.ends_with(' ') && text.bytes().all(|b| (0x20..0x7f).contains(&b))
}
