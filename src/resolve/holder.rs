//! A person's account as one number, in the sets of `resolve`.
//!
//! Comes in: persons and labels. Goes out: holders: a person with one of their accounts.
//! Refuses: to know whether the person has that account anywhere.
//!
//! A holder is `label · people + person`, so the everyday account is the person's own
//! number: where nobody has a second account, sets of holders are sets of people, and
//! cost nothing more. Which account somebody holds something with never decides whether
//! they hold it: what filters, excepts or constrains is about people, and sees through
//! holders to them.

use super::span::{Reading, Span, each_match, intersect, normalise};
use crate::policy::{Label, PersonId};

/// How many people there are: what takes a holder apart.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Holders {
    people: u32,
}

impl Holders {
    pub(super) fn new(people: usize) -> Self {
        Self { people: u32::try_from(people).unwrap_or(u32::MAX).max(1) }
    }

    /// The person's number.
    pub(super) fn person(self, holder: u32) -> u32 {
        if holder < self.people { holder } else { holder % self.people }
    }

    /// Person and account.
    pub(super) fn parts(self, holder: u32) -> (PersonId, Label) {
        let label = u8::try_from(holder / self.people.max(1)).unwrap_or(u8::MAX);
        (PersonId(self.person(holder)), Label(label))
    }

    /// The number of a person's account.
    pub(super) fn number(self, person: u32, label: Label) -> u32 {
        person.saturating_add(self.people.saturating_mul(u32::from(label.0)))
    }

    /// Whether a sorted list holds second accounts.
    fn has_second(self, list: &[Span]) -> bool {
        list.last().is_some_and(|span| span.person >= self.people)
    }

    /// Turns holders into people, from a position on.
    pub(super) fn forget(self, list: &mut [Span]) {
        for span in list {
            span.person = self.person(span.person);
        }
    }

    /// Holders of `list` whose person is in `only`, a list of people.
    pub(super) fn keep(self, list: &[Span], only: &[Span], reading: Reading) -> Vec<Span> {
        if !self.has_second(list) {
            return intersect(list, only, reading);
        }
        let mut out = Vec::with_capacity(list.len());
        self.each(list, only, |span, other| {
            out.extend(other.map(|other| Span { tick: reading.both(span.tick, other), ..span }));
        });
        out.retain(|span| !reading.is_out(span.tick));
        out
    }

    /// Holders of `list` whose person is not in `away`, a list of people of the flipped reading.
    pub(super) fn subtract(self, list: &mut Vec<Span>, away: &[Span], reading: Reading) {
        if away.is_empty() {
            return;
        }
        let mut out = Vec::with_capacity(list.len());
        self.each(list, away, |span, other| {
            let tick = other.map_or(span.tick, |other| reading.both(span.tick, other));
            if !reading.is_out(tick) {
                out.push(Span { tick, ..span });
            }
        });
        *list = out;
    }

    /// Calls `found` for each holder with the tick of its person in `other`.
    fn each(self, list: &[Span], other: &[Span], mut found: impl FnMut(Span, Option<u32>)) {
        let label = |span: &Span| span.person / self.people.max(1);
        for part in list.chunk_by(|a, b| label(a) == label(b)) {
            let base = part.first().map_or(0, |span| span.person - self.person(span.person));
            each_match(part, base, other, &mut found);
        }
    }

    /// People in both lists: with a second account where either says so, otherwise with
    /// the everyday one.
    pub(super) fn meet(self, a: &[Span], b: &[Span], reading: Reading) -> Vec<Span> {
        if !self.has_second(a) && !self.has_second(b) {
            return intersect(a, b, reading);
        }
        let by_person = |list: &[Span]| {
            let mut list = list.to_vec();
            list.sort_by_key(|span| (self.person(span.person), span.person));
            list
        };
        let (a, b) = (by_person(a), by_person(b));
        let mut out = Vec::new();
        let mut rest = b.as_slice();
        for mine in a.chunk_by(|a, b| self.person(a.person) == self.person(b.person)) {
            let Some(person) = mine.first().map(|span| self.person(span.person)) else { continue };
            let from = rest.partition_point(|span| self.person(span.person) < person);
            rest = rest.get(from..).unwrap_or_default();
            let theirs = rest.get(..rest.partition_point(|span| self.person(span.person) <= person));
            for (one, other) in mine.iter().flat_map(|one| theirs.into_iter().flatten().map(move |other| (one, other)))
            {
                let tick = reading.both(one.tick, other.tick);
                match (one.person == person, other.person == person) {
                    (true, _) => out.push(Span { person: other.person, tick }),
                    (false, true) => out.push(Span { person: one.person, tick }),
                    (false, false) => out.extend([one, other].map(|span| Span { person: span.person, tick })),
                }
            }
        }
        normalise(&mut out, reading);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::Reading::{Possible, Sure};
    use super::*;
    use crate::resolve::span::NEVER;

    const THREE: Holders = Holders { people: 3 };
    const TEN: Holders = Holders { people: 10 };

    fn spans(list: &[(u32, u32)]) -> Vec<Span> {
        list.iter().map(|(person, tick)| Span { person: *person, tick: *tick }).collect()
    }

    #[test]
    fn a_holder_is_a_person_and_an_account() {
        for (person, label) in [(0, 0), (2, 0), (0, 1), (2, 255)] {
            let holder = THREE.number(person, Label(label));
            assert_eq!(THREE.parts(holder), (PersonId(person), Label(label)));
            assert_eq!(THREE.person(holder), person);
        }
    }

    #[test]
    fn what_is_taken_from_a_person_is_taken_from_every_account() {
        let mut list = spans(&[(0, 9), (1, 9), (3, 5), (4, 9), (8, 7)]);
        THREE.subtract(&mut list, &spans(&[(0, 0), (2, 4)]), Sure);
        assert_eq!(list, spans(&[(1, 9), (4, 9), (8, 4)]));
        assert_eq!(THREE.keep(&list, &spans(&[(1, 6)]), Sure), spans(&[(1, 6), (4, 6)]));
    }

    #[test]
    fn who_is_in_both_is_so_with_the_second_account_that_either_says() {
        let everyday = spans(&[(0, 9), (1, 9)]);
        let admin = spans(&[(3, 5), (5, 5)]);
        assert_eq!(THREE.meet(&everyday, &admin, Sure), spans(&[(3, 5)]));
        assert_eq!(THREE.meet(&admin, &everyday, Sure), spans(&[(3, 5)]));
        let both = spans(&[(0, 9), (3, 4)]);
        assert_eq!(THREE.meet(&both, &both, Sure), spans(&[(0, 9), (3, 4)]));
        assert_eq!(THREE.meet(&spans(&[(6, 2)]), &spans(&[(3, 8)]), Possible), spans(&[(3, 8), (6, 8)]));
    }

    #[test]
    fn what_is_taken_away_later_bounds_the_end() {
        let mut sure = spans(&[(1, NEVER), (2, NEVER), (3, 4)]);
        TEN.subtract(&mut sure, &spans(&[(1, 0), (2, 6)]), Sure);
        assert_eq!(sure, spans(&[(2, 6), (3, 4)]));
        let mut possible = spans(&[(1, 0), (2, 0), (3, 4)]);
        TEN.subtract(&mut possible, &spans(&[(1, NEVER), (2, 6)]), Possible);
        assert_eq!(possible, spans(&[(2, 6), (3, 4)]));
    }
}
