//! Sorted lists of people with one small number each, and the set operations on them.
//!
//! Comes in: unsorted spans from entries. Goes out: sorted, unique spans. Refuses:
//! to know policies.
//!
//! The number is a *tick*. In a sure list it is the end of the access (0 is past,
//! [`NEVER`] is no end). In a possible list it is the instant from which the person
//! counts (0 is now). The two readings mirror each other: what is latest in one is
//! earliest in the other, and taking away one narrows the other.

/// A tick that never comes.
pub(super) const NEVER: u32 = u32::MAX;

/// One person in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) person: u32,
    pub(super) tick: u32,
}

/// Which of the two readings a list is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// In force now; what is unknown counts as no.
    Sure,
    /// Expired included; what is unknown counts as yes.
    Possible,
}

impl Reading {
    /// The reading of what is taken away.
    pub(super) fn flipped(self) -> Self {
        match self {
            Self::Sure => Self::Possible,
            Self::Possible => Self::Sure,
        }
    }

    /// The tick of a person who is in one list or the other.
    fn either(self, a: u32, b: u32) -> u32 {
        match self {
            Self::Sure => a.max(b),
            Self::Possible => a.min(b),
        }
    }

    /// The tick of a person who must be in both.
    pub(super) fn both(self, a: u32, b: u32) -> u32 {
        match self {
            Self::Sure => a.min(b),
            Self::Possible => a.max(b),
        }
    }

    /// Whether a tick says that the person is not in the list at all.
    pub(super) fn is_out(self, tick: u32) -> bool {
        match self {
            Self::Sure => tick == 0,
            Self::Possible => tick == NEVER,
        }
    }
}

/// Sorts by person and keeps one span for each.
pub(super) fn normalise(list: &mut Vec<Span>, reading: Reading) {
    list.retain(|span| !reading.is_out(span.tick));
    if list.is_sorted_by(|a, b| a.person < b.person) {
        return;
    }
    // The stable sort finds the sorted runs that entries come in.
    list.sort_by_key(|span| span.person);
    list.dedup_by(|later, first| {
        let same = later.person == first.person;
        if same {
            first.tick = reading.either(first.tick, later.tick);
        }
        same
    });
}

/// People in both lists, both normalised.
pub(super) fn intersect(a: &[Span], b: &[Span], reading: Reading) -> Vec<Span> {
    let (small, large) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let mut out = Vec::with_capacity(small.len());
    each_match(small, 0, large, |span, other| {
        if let Some(other) = other {
            out.push(Span { person: span.person, tick: reading.both(span.tick, other) });
        }
    });
    out
}

/// Calls `found` for each of `list` with the tick in `other` of whoever has the same
/// number less `base`.
pub(super) fn each_match(list: &[Span], base: u32, other: &[Span], mut found: impl FnMut(Span, Option<u32>)) {
    if list.len().saturating_mul(16) < other.len() {
        for span in list {
            found(*span, find(other, span.person - base));
        }
        return;
    }
    let mut rest = other.iter().peekable();
    for span in list {
        let person = span.person - base;
        while rest.next_if(|o| o.person < person).is_some() {}
        found(*span, rest.peek().filter(|o| o.person == person).map(|o| o.tick));
    }
}

/// The tick of a person in a normalised list.
pub(super) fn find(list: &[Span], person: u32) -> Option<u32> {
    let n = list.binary_search_by_key(&person, |span| span.person).ok()?;
    list.get(n).map(|span| span.tick)
}

#[cfg(test)]
mod tests {
    use super::Reading::{Possible, Sure};
    use super::*;

    fn spans(list: &[(u32, u32)]) -> Vec<Span> {
        list.iter().map(|(person, tick)| Span { person: *person, tick: *tick }).collect()
    }

    #[test]
    fn the_readings_mirror_each_other() {
        let mut list = spans(&[(2, 5), (1, 3), (2, 7), (4, 0)]);
        let mut possible = list.clone();
        normalise(&mut list, Sure);
        assert_eq!(list, spans(&[(1, 3), (2, 7)]));
        normalise(&mut possible, Possible);
        assert_eq!(possible, spans(&[(1, 3), (2, 5), (4, 0)]));
        assert_eq!(intersect(&list, &spans(&[(2, 9), (3, 9)]), Sure), spans(&[(2, 7)]));
        assert_eq!(intersect(&possible, &spans(&[(2, 9), (3, 9)]), Possible), spans(&[(2, 9)]));
    }
}
