//! A tree as any serde type, with the place of every mistake.
//!
//! Comes in: a [`Tree`] and a type. Goes out: the value, or the first [`Error`]
//! with the node where it is. Refuses: null wherever a value is expected, words
//! other than `true` and `false` for flags, and numbers where their spelling and
//! their value differ (`007` is text).
//!
//! A *focus* shows only one path of the tree: parents with a single child. So the
//! search for further mistakes reads one slice after the other with the same
//! types, and needs to know none of them.

use super::error::{Error, quoted};
use super::problem::{Problem, empty_value, listed};
use super::tree::{Kind, Node, NodeId, Tree};
use crate::policy::written::{MARKED, Mark};
use serde::de::value::{StrDeserializer, U32Deserializer};
use serde::de::{
    self, DeserializeSeed, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

/// Reads the whole tree as `T`.
///
/// # Errors
/// The first thing that does not fit `T`.
pub fn read<T: de::DeserializeOwned>(tree: &Tree<'_>) -> Result<T, Error> {
    read_focused(tree, &[])
}

/// Reads what a focus shows: for each node of `focus` but the last only the next
/// one among its children.
pub(in crate::policy) fn read_focused<T: de::DeserializeOwned>(tree: &Tree<'_>, focus: &[NodeId]) -> Result<T, Error> {
    T::deserialize(Reader { tree, focus, id: 0, key: None })
}

/// The ways to say where a secret is (`policy::settings::SecretRef`).
const SECRETS: &[&str] = &["env", "file", "command"];

/// A node to be read.
#[derive(Clone, Copy)]
struct Reader<'a, 't> {
    tree: &'a Tree<'t>,
    focus: &'a [NodeId],
    id: NodeId,
    key: Option<NodeId>,
}

impl<'a, 't> Reader<'a, 't> {
    fn node(&self) -> Result<&'a Node<'t>, Error> {
        let nothing = || Error::new(Problem::new("empty-value", "there is nothing here", Mark::default()));
        let node = self.tree.node(self.id).ok_or_else(nothing)?;
        if node.is_null() {
            let key = self.key.and_then(|key| self.tree.text(key));
            let mark = self.tree.mark(self.key.unwrap_or(self.id));
            return Err(Error::new(empty_value(key, mark)).at(self.id, mark));
        }
        Ok(node)
    }

    fn attach<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|error| error.at(self.id, self.tree.mark(self.id)))
    }

    fn wrong<T>(&self, expected: &str) -> Result<T, Error> {
        let found = match &self.node()?.kind {
            Kind::Scalar(text, _) => quoted(text),
            Kind::List => "a list".to_owned(),
            Kind::Map => "a mapping".to_owned(),
        };
        let message = format!("expected {expected}, found {found}");
        self.attach(Err(Error::new(Problem::new("wrong-type", message, Mark::default()))))
    }

    fn text(&self, expected: &str) -> Result<(&'a str, bool), Error> {
        match &self.node()?.kind {
            Kind::Scalar(text, plain) => Ok((text, *plain)),
            _ => self.wrong(expected),
        }
    }

    /// Whether a child of this node is to be read.
    fn shows(&self, child: NodeId) -> bool {
        if self.tree.hidden.contains(&child) {
            return false;
        }
        match self.focus.iter().position(|node| *node == self.id) {
            Some(depth) => self.focus.get(depth + 1).is_none_or(|next| *next == child),
            None => true,
        }
    }

    fn child(&self, id: NodeId, key: Option<NodeId>) -> Self {
        Self { id, key, ..*self }
    }

    fn list<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.attach(visitor.visit_seq(Children { of: self, next: self.id + 1, end: self.tree.end(self.id) }))
    }

    fn mapping<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let children = Children { of: self, next: self.id + 1, end: self.tree.end(self.id) };
        self.attach(visitor.visit_map(Pairs { children, pair: None }))
    }

    fn integer<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let (text, plain) = self.text("a whole number")?;
        match (plain, canonical_integer(text)) {
            (true, Some(number)) => self.attach(visitor.visit_i64(number)),
            _ => self.wrong("a whole number"),
        }
    }
}

/// A whole number whose spelling is the only one it has: `7`, not `+7` or `007`.
fn canonical_integer(text: &str) -> Option<i64> {
    let first = text.bytes().next()?;
    if first != b'-' && !first.is_ascii_digit() {
        return None;
    }
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn flag(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

macro_rules! integers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.integer(visitor)
        })*
    };
}

impl<'de> de::Deserializer<'de> for Reader<'_, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node()?.kind {
            Kind::List => self.list(visitor),
            Kind::Map => self.mapping(visitor),
            Kind::Scalar(text, false) => self.attach(visitor.visit_str(text)),
            Kind::Scalar(text, true) => self.attach(match (flag(text), canonical_integer(text)) {
                (Some(flag), _) => visitor.visit_bool(flag),
                (None, Some(number)) => visitor.visit_i64(number),
                (None, None) => visitor.visit_str(text),
            }),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.text("`true` or `false`")? {
            (text, true) if flag(text).is_some() => self.attach(visitor.visit_bool(flag(text) == Some(true))),
            _ => self.wrong("`true` or `false`"),
        }
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let (text, _) = self.text("text")?;
        self.attach(visitor.visit_str(text))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.node()?;
        self.attach(visitor.visit_some(self))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node()?.kind {
            Kind::List => self.list(visitor),
            _ => self.wrong("a list (`[…]`, or lines with `- `)"),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node()?.kind {
            Kind::Map => self.mapping(visitor),
            _ => self.wrong("a mapping (lines with `name: …`)"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        if name == MARKED {
            visitor.visit_seq(Marked { of: self, step: 0 })
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let expected = listed(words);
        match &self.node()?.kind {
            // What stands there may be the secret itself: it is not repeated.
            Kind::Scalar(..) if words == SECRETS => {
                let problem = Problem::new(
                    super::problem::SECRET,
                    "a secret is never written in a policy",
                    Mark::default(),
                )
                .help(
                    "change the secret, for it is known now; then say where it is: `{ env: NAME }`, `{ file: PATH }`",
                );
                self.attach(Err(Error::new(problem)))
            }
            Kind::Scalar(..) => self.attach(visitor.visit_enum(Choice { word: self, value: None })),
            Kind::List => self.wrong(&expected),
            Kind::Map => {
                let mut shown = self.tree.pairs(self.id).filter(|(_, value)| self.shows(*value));
                let (Some((key, value)), None) = (shown.next(), shown.next()) else {
                    let problem =
                        Problem::new("wrong-type", format!("expected exactly one of {expected}"), Mark::default());
                    return self.attach(Err(Error::new(problem)));
                };
                let word = self.child(key, None);
                self.attach(visitor.visit_enum(Choice { word, value: Some(self.child(value, Some(key))) }))
            }
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct }
}

/// Children of a container, hidden ones left out.
struct Children<'a, 't> {
    of: Reader<'a, 't>,
    next: NodeId,
    end: NodeId,
}

impl Children<'_, '_> {
    /// Children that are left, hidden ones counted too: lists then take the room they
    /// need and no more.
    fn count(&self) -> usize {
        let after = |id: &NodeId| Some(self.of.tree.end(*id));
        std::iter::successors(Some(self.next), after).take_while(|id| *id < self.end).count()
    }

    fn take(&mut self) -> Option<NodeId> {
        let this = self.next;
        (this < self.end).then(|| {
            self.next = self.of.tree.end(this);
            this
        })
    }
}

impl<'de> SeqAccess<'de> for Children<'_, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        while let Some(item) = self.take() {
            if self.of.shows(item) {
                return seed.deserialize(self.of.child(item, None)).map(Some);
            }
        }
        Ok(None)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.count())
    }
}

struct Pairs<'a, 't> {
    children: Children<'a, 't>,
    pair: Option<(NodeId, NodeId)>,
}

impl<'de> MapAccess<'de> for Pairs<'_, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        while let (Some(key), Some(value)) = (self.children.take(), self.children.take()) {
            if self.children.of.shows(value) {
                self.pair = Some((key, value));
                return seed.deserialize(self.children.of.child(key, None)).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (key, value) = self.pair.take().ok_or_else(|| Error::custom("a value without a key"))?;
        seed.deserialize(self.children.of.child(value, Some(key)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.children.count() / 2)
    }
}

/// Line, column, length and value, for `At`.
struct Marked<'a, 't> {
    of: Reader<'a, 't>,
    step: u8,
}

impl<'de> SeqAccess<'de> for Marked<'_, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let mark = self.of.tree.mark(self.of.id);
        self.step += 1;
        let number = match self.step {
            1 => mark.line,
            2 => u32::from(mark.column),
            3 => u32::from(mark.length),
            4 => return seed.deserialize(self.of).map(Some),
            _ => return Ok(None),
        };
        let number: U32Deserializer<Error> = number.into_deserializer();
        seed.deserialize(number).map(Some)
    }
}

/// One of several words, alone or with a value.
struct Choice<'a, 't> {
    word: Reader<'a, 't>,
    value: Option<Reader<'a, 't>>,
}

impl<'de> EnumAccess<'de> for Choice<'_, '_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let (text, _) = self.word.text("a word")?;
        let word: StrDeserializer<'_, Error> = text.into_deserializer();
        let variant = self.word.attach(seed.deserialize(word))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_, '_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.value {
            None => Ok(()),
            Some(value) => {
                let word = self.word.text("a word")?.0;
                value.wrong(&format!("the word `{word}` alone"))
            }
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        if let Some(value) = self.value {
            return seed.deserialize(value);
        }
        let word = self.word.text("a word")?.0;
        self.word.wrong(&format!("`{word}: …`"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        self.word.wrong("a word")
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Some(value) => de::Deserializer::deserialize_map(value, visitor),
            None => self.word.wrong("a mapping (lines with `name: …`)"),
        }
    }
}
