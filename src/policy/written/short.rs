//! Texts that are mostly short.
//!
//! Comes in: any text. Goes out: the same, as `&str`. Refuses: to grow.
//!
//! A company has a million entries that are a person's key, and an allocation takes 32
//! bytes however short the text: up to fourteen bytes stand where the pointer would.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;

/// Longest text without an allocation, in bytes.
const INSIDE: usize = 14;

/// A text in as many bytes as a pointer to one takes.
#[derive(Clone)]
pub struct Short(Held);

#[derive(Clone)]
enum Held {
    /// So many of these bytes: whole UTF-8, because nothing else is put there.
    Inside(u8, [u8; INSIDE]),
    Outside(Box<Long>),
}

#[derive(Clone)]
struct Long(Box<str>);

impl Short {
    fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Held::Inside(length, bytes) => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Held::Outside(long) => long.0.as_bytes(),
        }
    }
}

impl From<&str> for Short {
    fn from(text: &str) -> Self {
        let mut bytes = [0; INSIDE];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(inside), Ok(length)) => {
                inside.copy_from_slice(text.as_bytes());
                Self(Held::Inside(length, bytes))
            }
            _ => Self(Held::Outside(Box::new(Long(text.into())))),
        }
    }
}

impl From<&Short> for Box<str> {
    fn from(text: &Short) -> Self {
        (**text).into()
    }
}

impl Deref for Short {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Held::Inside(..) => std::str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Held::Outside(long) => &long.0,
        }
    }
}

impl Default for Short {
    fn default() -> Self {
        Self::from("")
    }
}

impl PartialEq for Short {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Short {}

impl PartialOrd for Short {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As `str` is ordered: by its bytes.
impl Ord for Short {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl fmt::Debug for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl<'de> Deserialize<'de> for Short {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(ShortVisitor)
    }
}

struct ShortVisitor;

impl Visitor<'_> for ShortVisitor {
    type Value = Short;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Short, E> {
        Ok(text.into())
    }
}

impl JsonSchema for Short {
    fn inline_schema() -> bool {
        String::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_any_length_reads_compares_and_prints_as_it_is() {
        assert_eq!((size_of::<Short>(), size_of::<Option<Short>>()), (16, 16));
        let texts = ["", "maria.lopez", "fourteen bytes", "fifteen bytes..", "Zoë Zoë Zoë", "ëëëëëëë", "aëëëëëëë", "a"];
        for text in texts {
            let short = Short::from(text);
            assert_eq!((&*short, format!("{short:?} {short:>20}")), (text, format!("{text:?} {text:>20}")));
            assert_eq!((short.clone(), Box::<str>::from(&short)), (short, text.into()));
            for other in texts {
                assert_eq!(Short::from(text).cmp(&other.into()), text.cmp(other));
                assert_eq!(Short::from(text) == other.into(), text == other);
            }
        }
    }
}
