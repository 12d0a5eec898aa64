//! A state as bytes and back, for the snapshot of a directory.
//!
//! Comes in: a [`State`]; or bytes that may be anything. Goes out: the columns one
//! after the other; or the state again. Refuses: bytes whose numbers lead outside of
//! what is there, and names or members that are not in their order.
//!
//! The columns are what a state is made of, so that reading them back is copying: a
//! hundred thousand accounts take milliseconds, not the parsing of each. All text is one
//! arena, written anew in the order of the rows; a row holds only lengths, and where a
//! piece begins follows from those before it. Equal states have equal bytes.

use super::{AccountId, AccountRow, Enabled, GroupRow, State, Text, number};
use crate::model::bytes::{Cursor, Damaged, Out};
use crate::model::name::Matching;
use crate::model::time::Instant;
use std::collections::BTreeMap;

/// In the place of a length: there is no such text.
const NONE: u32 = u32::MAX;
/// Numbers per account: lengths of name, key, handle and id.
const ACCOUNT: usize = 4;
/// Numbers per group: lengths of name, key and handle.
const GROUP: usize = 3;
/// In an account's flags: an end follows in the column of ends.
const ENDS: u8 = 4;

impl State {
    /// Writes the columns.
    pub fn encode(&self, out: &mut Out) {
        out.u8(match self.names {
            Matching::CaseIgnore => 0,
            Matching::CaseExact => 1,
            Matching::Exact => 2,
            Matching::Dn => 3,
        });
        out.count(self.attributes.len());
        self.attributes.iter().for_each(|name| out.text(name));
        out.count(self.accounts.len());
        out.count(self.groups.len());
        let length = |text: Option<&str>| text.map_or(NONE, |text| number(text.len()));
        let account = |row| self.account_texts(row).map(length);
        let group = |row| self.group_texts(row).map(length);
        out.numbers(self.accounts.iter().flat_map(account));
        out.numbers(self.groups.iter().flat_map(group));
        out.numbers(self.accounts.iter().flat_map(|row| self.cells(row).map(length)));
        self.encode_text(out);
        self.encode_status(out);
        self.encode_more(out);
        self.encode_groups(out);
    }

    /// All text, in the order of the rows.
    fn encode_text(&self, out: &mut Out) {
        let accounts =
            || self.accounts.iter().flat_map(|row| self.account_texts(row).into_iter().chain(self.cells(row)));
        let groups = || self.groups.iter().flat_map(|row| self.group_texts(row));
        let all = || accounts().chain(groups()).flatten();
        out.count(all().map(str::len).sum());
        all().for_each(|text| out.raw(text.as_bytes()));
    }

    /// Name, key where it is another text than the name, handle, id.
    fn account_texts(&self, row: &AccountRow) -> [Option<&str>; ACCOUNT] {
        let [name, key, handle] = self.texts(row.name, row.key, row.handle);
        [name, key, handle, row.id.some().map(|id| self.text(id))]
    }

    fn group_texts(&self, row: &GroupRow) -> [Option<&str>; GROUP] {
        self.texts(row.name, row.key, row.handle)
    }

    fn texts(&self, name: Text, key: Text, handle: Text) -> [Option<&str>; GROUP] {
        let (name, key) = (self.text(name), self.text(key));
        [Some(name), Some(key).filter(|key| *key != name), Some(self.text(handle))]
    }

    /// The first value of each attribute.
    fn cells(&self, row: &AccountRow) -> impl Iterator<Item = Option<&str>> {
        let width = self.attributes.len();
        let first = row.values as usize * width;
        let cells = self.values.get(first..first + width).unwrap_or_default();
        cells.iter().map(|cell| cell.some().map(|text| self.text(text)))
    }

    fn encode_status(&self, out: &mut Out) {
        let flags = |row: &AccountRow| {
            let enabled = match row.enabled {
                Enabled::Yes => 0,
                Enabled::No => 1,
                Enabled::Unknown => 2,
            };
            if row.ends != 0 { enabled | ENDS } else { enabled }
        };
        out.raw(&self.accounts.iter().map(flags).collect::<Vec<u8>>());
        out.numbers(self.accounts.iter().map(|row| row.ends).filter(|ends| *ends != 0));
    }

    /// Further values, by the account's number.
    fn encode_more(&self, out: &mut Out) {
        let mut more = BTreeMap::new();
        if !self.more.is_empty() {
            for (n, row) in self.accounts.iter().enumerate() {
                for (key, values) in self.more.range((row.values, 0)..=(row.values, u16::MAX)) {
                    more.insert((number(n), key.1), values);
                }
            }
        }
        out.count(more.len());
        for ((account, attribute), values) in more {
            out.numbers([account, u32::from(attribute)]);
            encode_texts(out, values);
        }
    }

    fn encode_groups(&self, out: &mut Out) {
        for row in &self.groups {
            out.count(row.attributes.len());
            for (name, values) in &row.attributes {
                out.text(name);
                encode_texts(out, values);
            }
        }
        out.count(self.members.len());
        out.numbers(self.offsets.iter().copied());
        out.numbers(self.members.iter().map(|id| id.0));
        out.count(self.ends.len());
        out.numbers(self.ends.iter().copied());
        out.count(self.instants.len());
        self.instants.iter().for_each(|instant| out.i64(instant.as_seconds()));
        out.count(self.others.len());
        for (group, list) in &self.others {
            out.u32(*group);
            out.count(list.len());
            for (is_group, text) in list {
                out.u8(u8::from(*is_group));
                out.text(text);
            }
        }
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`Damaged`] when the bytes are not that.
    pub fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Damaged> {
        let names = match cursor.u8()? {
            0 => Matching::CaseIgnore,
            1 => Matching::CaseExact,
            2 => Matching::Exact,
            3 => Matching::Dn,
            _ => return Err(Damaged),
        };
        let mut state = Self { names, attributes: decode_texts(cursor)?, ..Self::default() };
        let (accounts, groups) = (cursor.count(0)?, cursor.count(0)?);
        let width = state.attributes.len();
        let of_accounts = cursor.numbers(accounts.checked_mul(ACCOUNT).ok_or(Damaged)?)?;
        let of_groups = cursor.numbers(groups.checked_mul(GROUP).ok_or(Damaged)?)?;
        let cells = cursor.numbers(accounts.checked_mul(width).ok_or(Damaged)?)?;
        cursor.text()?.clone_into(&mut state.text);
        let pieces = state.decode_accounts(accounts, of_accounts, cells)?;
        state.decode_group_rows(groups, of_groups, pieces)?;
        state.decode_status(cursor)?;
        state.decode_more(cursor)?;
        state.decode_groups(cursor)?;
        Ok(state)
    }

    fn decode_accounts(
        &mut self,
        accounts: usize,
        mut lengths: impl Iterator<Item = u32>,
        mut cells: impl ExactSizeIterator<Item = u32>,
    ) -> Result<u32, Damaged> {
        let mut pieces = Pieces { text: &self.text, at: 0 };
        self.accounts.reserve_exact(accounts);
        self.values.reserve_exact(cells.len());
        let mut before: Option<Text> = None;
        for values in 0..number(accounts) {
            let mut length = || lengths.next().ok_or(Damaged);
            let name = pieces.next(length()?)?;
            let key = pieces.optional(length()?)?.unwrap_or(name);
            let handle = pieces.next(length()?)?;
            let id = pieces.optional(length()?)?.unwrap_or(Text::NONE);
            for _ in 0..self.attributes.len() {
                self.values.push(pieces.optional(cells.next().ok_or(Damaged)?)?.unwrap_or(Text::NONE));
            }
            pieces.ascending(before.replace(key), key)?;
            self.accounts.push(AccountRow { id, ..AccountRow::new(key, name, handle, values) });
        }
        Ok(pieces.at)
    }

    fn decode_group_rows(
        &mut self,
        groups: usize,
        mut lengths: impl Iterator<Item = u32>,
        at: u32,
    ) -> Result<(), Damaged> {
        let mut pieces = Pieces { text: &self.text, at };
        self.groups.reserve_exact(groups);
        let mut before: Option<Text> = None;
        for _ in 0..groups {
            let mut length = || lengths.next().ok_or(Damaged);
            let name = pieces.next(length()?)?;
            let key = pieces.optional(length()?)?.unwrap_or(name);
            let handle = pieces.next(length()?)?;
            pieces.ascending(before.replace(key), key)?;
            self.groups.push(GroupRow { key, name, handle, attributes: Vec::new() });
        }
        if pieces.at as usize == self.text.len() { Ok(()) } else { Err(Damaged) }
    }

    fn decode_status(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Damaged> {
        let flags = cursor.raw(self.accounts.len())?;
        for (row, flags) in self.accounts.iter_mut().zip(flags) {
            row.enabled = match flags & !ENDS {
                0 => Enabled::Yes,
                1 => Enabled::No,
                2 => Enabled::Unknown,
                _ => return Err(Damaged),
            };
            row.ends = if flags & ENDS == 0 { 0 } else { cursor.u32()? };
        }
        Ok(())
    }

    fn decode_more(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Damaged> {
        for _ in 0..cursor.count(12)? {
            let (account, attribute) = (cursor.u32()?, cursor.u32()?);
            let known = (account as usize) < self.accounts.len() && (attribute as usize) < self.attributes.len();
            let attribute = u16::try_from(attribute).ok().filter(|_| known).ok_or(Damaged)?;
            self.more.insert((account, attribute), decode_texts(cursor)?);
        }
        Ok(())
    }

    fn decode_groups(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Damaged> {
        for row in &mut self.groups {
            for _ in 0..cursor.count(8)? {
                let name = cursor.text()?.into();
                row.attributes.push((name, decode_texts(cursor)?));
            }
        }
        let members = cursor.count(4)?;
        self.offsets = cursor.numbers(self.groups.len() + 1)?.collect();
        self.members = cursor.numbers(members)?.map(AccountId).collect();
        self.check_members()?;
        let count = cursor.count(4)?;
        self.ends = cursor.numbers(count)?.collect();
        if count != 0 && count != members {
            return Err(Damaged);
        }
        for _ in 0..cursor.count(8)? {
            self.instants.push(Instant::from_seconds(cursor.i64()?));
        }
        let mut ends = self.ends.iter().copied().chain(self.accounts.iter().map(|row| row.ends));
        if ends.any(|end| end as usize > self.instants.len()) {
            return Err(Damaged);
        }
        for _ in 0..cursor.count(8)? {
            let group = cursor.u32()?;
            let mut list = Vec::new();
            for _ in 0..cursor.count(5)? {
                list.push((cursor.u8()? != 0, cursor.text()?.into()));
            }
            if group as usize >= self.groups.len() || !list.is_sorted() {
                return Err(Damaged);
            }
            self.others.insert(group, list);
        }
        Ok(())
    }

    /// Every group's stretch lies inside, and its members are accounts in order.
    fn check_members(&self) -> Result<(), Damaged> {
        let accounts = number(self.accounts.len());
        let whole = self.offsets.first() == Some(&0)
            && self.offsets.last().is_some_and(|last| *last as usize == self.members.len())
            && self.offsets.is_sorted();
        let inside = |pair: &[u32]| match pair {
            [from, to] => self.members.get(*from as usize..*to as usize).is_some_and(|members| {
                members.is_sorted_by(|a, b| a < b) && members.last().is_none_or(|last| last.0 < accounts)
            }),
            _ => false,
        };
        if whole && self.offsets.windows(2).all(inside) { Ok(()) } else { Err(Damaged) }
    }
}

fn encode_texts(out: &mut Out, texts: &[Box<str>]) {
    out.count(texts.len());
    for text in texts {
        out.text(text);
    }
}

fn decode_texts(cursor: &mut Cursor<'_>) -> Result<Vec<Box<str>>, Damaged> {
    (0..cursor.count(4)?).map(|_| cursor.text().map(Into::into)).collect()
}

/// The arena, cut piece by piece.
struct Pieces<'t> {
    text: &'t str,
    at: u32,
}

impl Pieces<'_> {
    fn next(&mut self, len: u32) -> Result<Text, Damaged> {
        let piece = Text { start: self.at, len };
        let end = self.at.checked_add(len).ok_or(Damaged)?;
        if !self.text.is_char_boundary(end as usize) {
            return Err(Damaged);
        }
        self.at = end;
        Ok(piece)
    }

    fn optional(&mut self, len: u32) -> Result<Option<Text>, Damaged> {
        if len == NONE { Ok(None) } else { self.next(len).map(Some) }
    }

    fn get(&self, piece: Text) -> &str {
        self.text.get(piece.start as usize..(piece.start + piece.len) as usize).unwrap_or_default()
    }

    /// That names stand in their order, which everybody who looks for one relies on.
    fn ascending(&self, before: Option<Text>, key: Text) -> Result<(), Damaged> {
        if before.is_none_or(|before| self.get(before) < self.get(key)) { Ok(()) } else { Err(Damaged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StateBuilder;

    fn bytes(state: &State) -> Vec<u8> {
        let mut out = Out::default();
        state.encode(&mut out);
        out.finish().unwrap()
    }

    fn sample(order: [&str; 3]) -> State {
        let mut b = StateBuilder::new(Matching::CaseIgnore, ["cn", "mail"]);
        let mut slots = BTreeMap::new();
        for name in order {
            let slot = b.account(name, &format!("uid={name},ou=people"));
            b.add_value(slot, 0, &format!("Ms {name}"));
            slots.insert(name, slot);
        }
        b.set_id(slots["Zoë"], "10482");
        b.add_value(slots["b"], 1, "b@example.com");
        b.add_value(slots["b"], 1, "bee@example.com");
        b.set_status(slots["a"], Enabled::No, Some(Instant::from_seconds(-5)));
        let (g, h) = (b.group("G", "cn=G"), b.group("h", "cn=h"));
        b.set_group_attribute(g, "description", vec!["one".into(), "two".into()]);
        b.member(h, slots["b"], None);
        b.member(h, slots["a"], Some(Instant::from_seconds(77)));
        b.member(g, slots["Zoë"], None);
        b.other(g, true, "h");
        b.other(g, false, "uid=gone");
        b.finish().unwrap()
    }

    #[test]
    fn a_state_comes_back_and_equal_states_have_equal_bytes() {
        let state = sample(["a", "b", "Zoë"]);
        let first = bytes(&state);
        assert_eq!(first, bytes(&sample(["Zoë", "b", "a"])));
        let mut cursor = Cursor::new(&first);
        let back = State::decode(&mut cursor).unwrap();
        cursor.end().unwrap();
        assert_eq!(bytes(&back), first);
        let zoe = back.account_named("ZOË").unwrap();
        assert_eq!((zoe.name(), zoe.person_id(), zoe.handle()), ("Zoë", Some("10482"), "uid=Zoë,ou=people"));
        let b = back.account_named("b").unwrap();
        assert_eq!(b.values(1).collect::<Vec<_>>(), ["b@example.com", "bee@example.com"]);
        assert_eq!(back.account_named("a").unwrap().ends(), Some(Instant::from_seconds(-5)));
        let h = back.group_named("h").unwrap();
        assert_eq!((h.members().len(), h.ends(0)), (2, Some(Instant::from_seconds(77))));
        assert_eq!(back.group_named("g").unwrap().others().len(), 2);
    }

    #[test]
    fn every_torn_end_and_every_changed_byte_is_refused_or_still_a_state() {
        let whole = bytes(&sample(["a", "b", "Zoë"]));
        for end in 0..whole.len() {
            assert!(State::decode(&mut Cursor::new(&whole[..end])).is_err(), "{end}");
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                let Ok(state) = State::decode(&mut Cursor::new(&bytes)) else { continue };
                for group in state.groups() {
                    assert!(group.members().iter().all(|id| state.account(*id).is_some()), "{at}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_something_too() {
        let nothing = State::default();
        let empty = StateBuilder::new(Matching::CaseIgnore, [""; 0]).finish().unwrap();
        assert!(State::decode(&mut Cursor::new(&bytes(&empty))).is_ok());
        assert!(State::decode(&mut Cursor::new(&bytes(&nothing))).is_err(), "a state that nobody built");
    }
}
