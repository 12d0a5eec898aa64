//! The plan file: canonical JSON, written in one pass, its digest last.
//!
//! Comes in: a [`Plan`], or the bytes of a file. Goes out: the bytes, or a plan that
//! is exactly what was sealed. Refuses: other formats, files that are too large or
//! too deep, unknown fields, a digest that does not match, and any bytes that this
//! module would not have written itself (so no key is ever read twice).
//!
//! One line per key and per element of a list, keys in the order of the types, maps
//! sorted. The digest is SHA-256 over every byte before its own line.

use super::{FORMAT, Plan};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{self, Write};

/// Longest plan file that is read, in bytes (1 GiB: about three million changes).
pub const LONGEST: usize = 1 << 30;

/// Why a plan file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It is larger than [`LONGEST`].
    #[error("the plan file has {bytes} bytes, more than {LONGEST}; split the change, or plan with `--directory`")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// It is no JSON, or no plan.
    #[error("not a plan file: {0}; make it again with `accord plan --out FILE`")]
    Malformed(String),
    /// Another version of the format.
    #[error("the plan file has format `{found}`, this accord reads `{FORMAT}`; make it again with this version")]
    Format {
        /// What it says.
        found: String,
    },
    /// The bytes are not those that were sealed.
    #[error(
        "the plan file says digest {claimed}, its content has {actual}: it was changed after it was made; make it again and have that reviewed"
    )]
    Digest {
        /// What it says.
        claimed: String,
        /// What its bytes have.
        actual: String,
    },
    /// It can be parsed but is not what accord writes.
    #[error("the plan file is not in the form that accord writes: {0}; make it again with `accord plan --out FILE`")]
    NotCanonical(String),
}

/// Writes the plan and returns its digest. `plan.digest` is not read.
///
/// # Errors
/// Those of `out`.
pub fn write(plan: &Plan, out: impl Write) -> io::Result<String> {
    let mut sink = Sealing { out, hash: Sha256::new() };
    // Every field by name: a new one does not compile until it is written.
    let Plan {
        format,
        policy,
        approvals,
        at,
        read_only,
        filter,
        versions,
        directories,
        references,
        facts,
        changes,
        barriers,
        withheld,
        notes,
        next,
        summary,
        digest: _,
    } = plan;
    sink.write_all(b"{\n\"format\":")?;
    sink.value(format)?;
    sink.key("policy", policy)?;
    if let Some(approvals) = approvals {
        sink.key("approvals", approvals)?;
    }
    sink.key("at", at)?;
    if *read_only {
        sink.key("read_only", read_only)?;
    }
    sink.key("filter", filter)?;
    sink.key("versions", versions)?;
    sink.list("directories", directories)?;
    sink.key("references", references)?;
    sink.list("facts", facts)?;
    sink.list("changes", changes)?;
    if !barriers.is_empty() {
        sink.list("barriers", barriers)?;
    }
    sink.list("withheld", withheld)?;
    if !notes.is_empty() {
        sink.list("notes", notes)?;
    }
    if let Some(next) = next {
        sink.key("next", next)?;
    }
    sink.key("summary", summary)?;
    sink.write_all(b",\n")?;
    let digest = hex(&sink.hash.finalize());
    sink.out.write_all(format!("\"digest\":\"{digest}\"\n}}\n").as_bytes())?;
    sink.out.flush()?;
    Ok(digest)
}

/// The bytes of the plan's file.
pub fn to_bytes(plan: &Plan) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A vector takes everything, and every value of a plan can be written.
    let _ = write(plan, &mut bytes);
    bytes
}

/// Computes the digest and keeps it in the plan.
pub fn seal(plan: &mut Plan) {
    if let Ok(digest) = write(plan, io::sink()) {
        plan.digest = digest;
    }
}

/// Reads what [`write()`] wrote, and nothing else.
///
/// # Errors
/// [`FileError`], which says what is wrong and what to do.
pub fn read(bytes: &[u8]) -> Result<Plan, FileError> {
    #[derive(Deserialize)]
    struct Head {
        format: String,
    }
    if bytes.len() > LONGEST {
        return Err(FileError::TooLarge { bytes: bytes.len() });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| FileError::Malformed(error.to_string()))?;
    let head: Head = serde_json::from_str(text).map_err(|error| FileError::Malformed(error.to_string()))?;
    if head.format != FORMAT {
        return Err(FileError::Format { found: head.format.chars().take(80).collect() });
    }
    let (sealed, claimed) =
        text.rsplit_once("\"digest\":\"").ok_or_else(|| FileError::NotCanonical("it has no digest".to_owned()))?;
    let claimed: String = claimed.chars().take_while(|c| *c != '"').take(64).collect();
    let actual = hex(&Sha256::digest(sealed.as_bytes()));
    if claimed != actual {
        return Err(FileError::Digest { claimed, actual });
    }
    let plan: Plan = serde_json::from_str(text).map_err(|error| FileError::Malformed(error.to_string()))?;
    consistent(&plan)?;
    let mut same = Comparing { rest: bytes };
    let rewritten = write(&plan, &mut same).is_ok() && same.rest.is_empty();
    if !rewritten {
        return Err(FileError::NotCanonical("keys, spaces or numbers are written in another way".to_owned()));
    }
    Ok(plan)
}

/// What the types cannot say: numbers that must point to something.
fn consistent(plan: &Plan) -> Result<(), FileError> {
    let wrong = |text: String| Err(FileError::NotCanonical(text));
    let count = plan.changes.len();
    let last = count + plan.barriers.len();
    for (n, change) in plan.changes.iter().enumerate() {
        if change.id as usize != n + 1 {
            return wrong(format!("change {} has number {}", n + 1, change.id));
        }
        for need in &change.needs {
            let need = *need as usize;
            if need == 0 || need > last || (need <= count && need > n) {
                return wrong(format!("change {} needs {need}, which does not come before it", change.id));
            }
        }
        if let Some(fact) = change.because.iter().find(|fact| **fact as usize >= plan.facts.len()) {
            return wrong(format!("change {} refers to fact {fact}, there are {}", change.id, plan.facts.len()));
        }
    }
    for (n, barrier) in plan.barriers.iter().enumerate() {
        if barrier.id as usize != count + n + 1 {
            return wrong(format!("barrier {} has number {}", count + n + 1, barrier.id));
        }
        if let Some(need) = barrier.needs.iter().find(|need| **need == 0 || **need as usize > count) {
            return wrong(format!("barrier {} needs {need}, which is no change", barrier.id));
        }
    }
    for held in &plan.withheld {
        if held.change.because.iter().any(|fact| *fact as usize >= plan.facts.len()) {
            return wrong("a withheld change refers to a fact that is not there".to_owned());
        }
    }
    Ok(())
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Hashes what passes through.
struct Sealing<W> {
    out: W,
    hash: Sha256,
}

impl<W: Write> Sealing<W> {
    fn value(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(self, value).map_err(io::Error::from)
    }

    fn key(&mut self, key: &str, value: &impl Serialize) -> io::Result<()> {
        self.write_all(format!(",\n\"{key}\":").as_bytes())?;
        self.value(value)
    }

    fn list(&mut self, key: &str, values: &[impl Serialize]) -> io::Result<()> {
        self.write_all(format!(",\n\"{key}\":[").as_bytes())?;
        for (n, value) in values.iter().enumerate() {
            self.write_all(if n == 0 { b"\n" } else { b",\n" })?;
            self.value(value)?;
        }
        self.write_all(b"]")
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Takes only the bytes it was given, in their order.
struct Comparing<'b> {
    rest: &'b [u8],
}

impl Write for Comparing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest = self.rest.strip_prefix(bytes).ok_or_else(|| io::Error::other("different"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
