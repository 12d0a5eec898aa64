//! What a state leaves out and a later, incremental reading needs: which entry each row
//! is, and how the directory writes members where the state does not say it.
//!
//! Comes in: entries as they are collected. Goes out: [`Identities`] beside a state, and
//! what of it is [`Gone`]. Refuses: to hold anything that could be worked out from the
//! state: only spellings that differ are kept.

use super::entries::Loose;
use crate::model::State;
use crate::model::bytes::{Cursor, Damaged, Out};
use std::collections::BTreeSet;

/// What an entry is known by for as long as it lives, however it is named and wherever
/// it is moved (`entryUUID` of RFC 4530, `objectGUID`): 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub [u8; 16]);

impl ObjectId {
    /// The id in its 16 bytes; `None` for any other number of them.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The id as text, `8b9f0b6a-0f2c-4e69-9a5c-0e0ab6a6a6d4` (RFC 4122 §3).
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut out = [0; 16];
        let mut cells = out.iter_mut();
        let mut high: Option<u8> = None;
        for c in text.iter().filter(|c| **c != b'-') {
            let digit = char::from(*c).to_digit(16).and_then(|digit| u8::try_from(digit).ok())?;
            high = match high {
                None => Some(digit),
                Some(high) => {
                    *cells.next()? = high << 4 | digit;
                    None
                }
            };
        }
        (high.is_none() && cells.next().is_none()).then_some(Self(out))
    }
}

/// What a member of a group was resolved to, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// An account of the state.
    Account(u32),
    /// A group of the state.
    Group(u32),
}

/// How groups write members: (group, member) → text. All text is in one piece, because a
/// directory that writes its members in another case writes all million of them so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spellings {
    text: String,
    /// Group, member, where the text begins, where it ends.
    rows: Vec<(u32, Target, u32, u32)>,
}

impl Spellings {
    /// Notes one. More than 4 GiB of text cannot be sealed.
    pub fn push(&mut self, group: u32, target: Target, text: &str) {
        let at = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let start = at(self.text.len());
        self.text.push_str(text);
        self.rows.push((group, target, start, at(self.text.len())));
    }

    /// Puts them and their text in order, after the last one was noted; `number` gives
    /// rows the numbers of the finished state.
    pub fn sort(&mut self, number: impl Fn(u32, Target) -> (u32, Target)) {
        for row in &mut self.rows {
            (row.0, row.1) = number(row.0, row.1);
        }
        self.rows.sort_unstable();
        let unordered = std::mem::take(&mut self.text);
        self.text.reserve(unordered.len());
        for (.., start, end) in &mut self.rows {
            let text = unordered.get(*start as usize..*end as usize).unwrap_or_default();
            *start = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
            self.text.push_str(text);
            *end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        }
    }

    /// How `group` writes `target`, where that is not as usual.
    pub fn get(&self, group: u32, target: Target) -> Option<&str> {
        let at = self.rows.binary_search_by(|row| (row.0, row.1).cmp(&(group, target))).ok()?;
        let (_, _, start, end) = self.rows.get(at)?;
        self.text.get(*start as usize..*end as usize)
    }

    fn encode(&self, out: &mut Out) {
        let texts = self
            .rows
            .iter()
            .map(|(_, _, start, end)| self.text.get(*start as usize..*end as usize).unwrap_or_default());
        let text = texts.clone().collect::<String>();
        out.count(self.rows.len());
        for ((group, target, ..), text) in self.rows.iter().zip(texts) {
            let (is_group, number) = match target {
                Target::Account(number) => (0, number),
                Target::Group(number) => (1, number),
            };
            out.numbers([*group, is_group, *number]);
            out.count(text.len());
        }
        out.text(&text);
    }

    fn decode(cursor: &mut Cursor<'_>, accounts: usize, groups: usize) -> Result<Self, Damaged> {
        let inside = |n: u32, count: usize| if (n as usize) < count { Ok(n) } else { Err(Damaged) };
        let count = cursor.count(16)?;
        let mut numbers = cursor.numbers(count.checked_mul(4).ok_or(Damaged)?)?;
        let text = cursor.text()?.to_owned();
        let mut rows = Vec::with_capacity(count);
        let mut start = 0_u32;
        while let (Some(group), Some(is_group), Some(n), Some(len)) =
            (numbers.next(), numbers.next(), numbers.next(), numbers.next())
        {
            let target = match is_group {
                0 => Target::Account(inside(n, accounts)?),
                1 => Target::Group(inside(n, groups)?),
                _ => return Err(Damaged),
            };
            let end = start.checked_add(len).filter(|end| text.is_char_boundary(*end as usize)).ok_or(Damaged)?;
            rows.push((inside(group, groups)?, target, start, end));
            start = end;
        }
        if start as usize != text.len() || !rows.is_sorted() {
            return Err(Damaged);
        }
        Ok(Self { text, rows })
    }
}

/// Beside a state: the ids of its rows and the spellings of its members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identities {
    /// By account number.
    pub accounts: Vec<ObjectId>,
    /// By group number.
    pub groups: Vec<ObjectId>,
    /// Whether members are account names; otherwise they are handles.
    pub by_name: bool,
    /// How groups write members, where that is not the member's handle (or name) as it is.
    pub spelled: Spellings,
    /// Groups that name one member in two spellings.
    pub ambiguous: BTreeSet<u32>,
    /// Attribute columns of the state whose values are names of its accounts, where the
    /// directory keeps DNs. Sorted.
    pub references: Vec<u32>,
    /// Objects that are looked at again in every reading.
    pub loose: Loose,
    /// Entries that were read and are neither: units, devices. Sorted.
    pub beside: Vec<ObjectId>,
}

/// What is not there any more since the cookie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gone {
    /// These are not.
    pub ids: Vec<ObjectId>,
    /// Where it is given, whatever is neither in it nor new or changed is not.
    pub all_but: Option<Vec<ObjectId>>,
}

impl Gone {
    /// What several searches say together, which show different entries. Nothing where one
    /// names what is gone and another what is there: the latter would take away what only
    /// the former shows.
    pub fn together(list: Vec<Self>) -> Option<Self> {
        let mut list = list.into_iter();
        let mut all = list.next().unwrap_or_default();
        for one in list {
            all.ids.extend(one.ids);
            match (&mut all.all_but, one.all_but) {
                (Some(present), Some(more)) => present.extend(more),
                (None, None) => {}
                _ => return None,
            }
        }
        Some(all)
    }
}

/// What makes a reading a delta.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    /// Accounts that are gone.
    pub accounts: Gone,
    /// Groups that are gone.
    pub groups: Gone,
    /// Entries that are new or changed and are neither.
    pub beside: Vec<ObjectId>,
    /// Whether nothing at all was written since the cookie, not even what no object's own
    /// counter tells: then nothing is looked at again either.
    pub still: bool,
}

impl Identities {
    /// Writes them behind the state that they belong to.
    pub fn encode(&self, out: &mut Out) {
        for ids in [&self.accounts, &self.groups] {
            for id in ids {
                out.raw(&id.0);
            }
        }
        out.count(self.beside.len());
        for id in &self.beside {
            out.raw(&id.0);
        }
        out.u8(u8::from(self.by_name));
        self.spelled.encode(out);
        for numbers in [&self.ambiguous, &self.loose.accounts, &self.loose.groups] {
            out.count(numbers.len());
            out.numbers(numbers.iter().copied());
        }
        out.count(self.references.len());
        out.numbers(self.references.iter().copied());
    }

    /// Reads what [`Self::encode`] wrote behind `state`.
    ///
    /// # Errors
    /// [`Damaged`] when the bytes are not that.
    pub fn decode(cursor: &mut Cursor<'_>, state: &State) -> Result<Self, Damaged> {
        let (accounts, groups) = (state.account_count(), state.group_count());
        let mut ids = |count: usize| -> Result<Vec<ObjectId>, Damaged> {
            let (chunks, _) = cursor.raw(count.checked_mul(16).ok_or(Damaged)?)?.as_chunks::<16>();
            Ok(chunks.iter().copied().map(ObjectId).collect())
        };
        let mut out = Self { accounts: ids(accounts)?, groups: ids(groups)?, ..Self::default() };
        let (beside, _) = {
            let count = cursor.count(16)?;
            cursor.raw(count * 16)?.as_chunks::<16>()
        };
        out.beside = beside.iter().copied().map(ObjectId).collect();
        out.by_name = cursor.u8()? != 0;
        out.spelled = Spellings::decode(cursor, accounts, groups)?;
        let mut numbers = |count: usize| -> Result<BTreeSet<u32>, Damaged> {
            let n = cursor.count(4)?;
            let numbers: BTreeSet<u32> = cursor.numbers(n)?.collect();
            if numbers.last().is_some_and(|last| *last as usize >= count) { Err(Damaged) } else { Ok(numbers) }
        };
        out.ambiguous = numbers(groups)?;
        out.loose = Loose { accounts: numbers(accounts)?, groups: numbers(groups)? };
        out.references = numbers(state.attributes().len())?.into_iter().collect();
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However they were found: a state read in pieces is the same as one read whole.
    #[test]
    fn spellings_are_the_same_in_any_order() {
        let of = |list: [(u32, u32, &str); 3]| {
            let mut out = Spellings::default();
            for (group, account, text) in list {
                out.push(group, Target::Account(account), text);
            }
            out.sort(|group, target| (group, target));
            out
        };
        let one = of([(3, 8, "P8"), (4, 21, "P21"), (3, 1, "p1 ")]);
        assert_eq!(one, of([(4, 21, "P21"), (3, 1, "p1 "), (3, 8, "P8")]));
        assert_eq!((one.get(3, Target::Account(8)), one.get(4, Target::Account(21))), (Some("P8"), Some("P21")));
    }

    #[test]
    fn an_id_is_sixteen_bytes_in_hexadecimal() {
        let id = ObjectId::parse(b"8b9f0b6a-0f2c-4e69-9A5C-0e0ab6a6a6d4").unwrap();
        assert_eq!(id.0[..3], [0x8b, 0x9f, 0x0b]);
        for wrong in ["", "8b9f0b6a", "8b9f0b6a-0f2c-4e69-9a5c-0e0ab6a6a6d", "8b9f0b6a-0f2c-4e69-9a5c-0e0ab6a6a6d4aa"] {
            assert_eq!(ObjectId::parse(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(ObjectId::parse(b"zb9f0b6a-0f2c-4e69-9a5c-0e0ab6a6a6d4"), None);
    }
}
