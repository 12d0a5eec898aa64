//! Where a fact was written, small enough to keep beside every entry.
//!
//! Comes in: positions from the YAML parser. Goes out: `file:line` for because
//! chains. Refuses: file contents.

/// Number of a policy file: an index into the policy's list of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A file, line and column. Lines and columns count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Which file.
    pub file: FileId,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}
