//! All tests at one instant.
//!
//! Comes in: a part of the policy resolved at an instant. Goes out: whom each test fails
//! for then, and the later instants at which an end could fail it. Refuses: to explain.

use super::What;
use super::part::{Part, Test};
use crate::model::{Instant, time};
use crate::policy::{Claim, Holding, PersonId, Subject};
use crate::resolve::Resolution;
use std::collections::{BTreeMap, BTreeSet};

/// Most people that are kept for one test at one instant; the others are counted.
pub(super) const MOST: usize = 20;

/// What one test says at one instant.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What is wrong, by person; at most [`MOST`], those that are sure first.
    pub(super) failing: Vec<Failing>,
    /// How many more there are.
    pub(super) further: usize,
    /// Later instants at which it has to be asked again, because something ends then.
    pub(super) again: BTreeSet<Instant>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failing {
    /// People in the part's numbers.
    pub(super) what: What,
    pub(super) until: Option<Instant>,
    pub(super) sure: bool,
}

/// Somebody's being in a set at the instant.
#[derive(Debug, Clone, Copy)]
struct In {
    /// When it ends, if that is known.
    ends: Option<Instant>,
    sure: bool,
}

/// Asks the tests of a part.
pub(super) struct Judge<'p> {
    part: &'p Part<'p>,
}

impl<'p> Judge<'p> {
    pub(super) fn new(part: &'p Part<'p>) -> Self {
        Self { part }
    }

    /// Every test that is asked for then.
    pub(super) fn at(&self, resolution: &Resolution) -> Vec<Option<Found>> {
        let mut unsettled = BTreeMap::new();
        for test in &self.part.tests {
            for holding in test.claim.holdings().into_iter().chain(test.among).chain(test.outside) {
                let people = || resolution.unsettled_in(holding).collect();
                unsettled.entry(holding).or_insert_with(people);
            }
        }
        let now = Now { part: self.part, resolution, unsettled };
        let tests = self.part.tests.iter();
        tests.map(|test| test.is_asked(resolution.at()).then(|| now.ask(test))).collect()
    }
}

/// One instant.
struct Now<'j> {
    part: &'j Part<'j>,
    resolution: &'j Resolution,
    unsettled: BTreeMap<Holding, BTreeSet<PersonId>>,
}

impl Now<'_> {
    fn ask(&self, test: &Test<'_>) -> Found {
        let mut found = Found::default();
        match test.claim {
            Claim::NobodyReaches { holdings, .. } => {
                for holding in holdings {
                    self.nobody(test, *holding, &mut found);
                }
            }
            Claim::Holds { who, has, has_not } => {
                for (person, within) in self.subjects(test, who) {
                    for holding in has {
                        self.must_hold(test, (person, within), *holding, &mut found);
                    }
                    for holding in has_not {
                        self.must_not_hold(person, *holding, &mut found);
                    }
                }
            }
            Claim::Counts { of, at_least, at_most } => self.count(test, of, (*at_least, *at_most), &mut found),
        }
        // One person may reach several things; what is sure comes first.
        found.failing.sort_by_key(|one| (!one.sure, one.what));
        found.failing.dedup_by_key(|one| one.what);
        found.further = found.failing.len().saturating_sub(MOST);
        found.failing.truncate(MOST);
        found
    }

    /// Whether the person is in it, or may be.
    fn is_in(&self, person: PersonId, holding: Holding) -> Option<In> {
        if let Some(held) = self.resolution.held(person, holding) {
            return Some(In { ends: held.ends, sure: true });
        }
        let open = self.unsettled.get(&holding).is_some_and(|people| people.contains(&person));
        open.then_some(In { ends: None, sure: false })
    }

    /// Everybody who is in it, or may be, of those that were asked for.
    fn everybody_in(&self, holding: Holding) -> Vec<(PersonId, In)> {
        let mut list: Vec<(PersonId, In)> = Vec::new();
        let asked = |person: PersonId| self.part.slice.asked.get(person.0 as usize) == Some(&true);
        for held in self.resolution.held_in(holding).filter(|held| asked(held.person)) {
            list.push((held.person, In { ends: held.ends, sure: true }));
        }
        let open = self.unsettled.get(&holding).into_iter().flatten().copied().filter(|person| asked(*person));
        list.extend(open.map(|person| (person, In { ends: None, sure: false })));
        // With several accounts, the one that ends last counts.
        list.sort_by_key(|(person, one)| (*person, !one.sure, one.ends.is_some(), std::cmp::Reverse(one.ends)));
        list.dedup_by_key(|(person, _)| *person);
        list
    }

    fn nobody(&self, test: &Test<'_>, holding: Holding, found: &mut Found) {
        for (person, reach) in self.everybody_in(holding) {
            let among = match test.among {
                None => In { ends: None, sure: true },
                Some(among) => match self.is_in(person, among) {
                    Some(one) => one,
                    None => continue,
                },
            };
            let until = time::earlier(reach.ends, among.ends);
            let mut sure = reach.sure && among.sure;
            if let Some(outside) = test.outside {
                match self.is_in(person, outside) {
                    Some(In { ends, sure: true }) => {
                        // They may, until then.
                        let still = |end: &Instant| until.is_none_or(|until| *end < until);
                        found.again.extend(ends.filter(still).filter(|end| test.is_asked(*end)));
                        continue;
                    }
                    Some(In { sure: false, .. }) => sure = false,
                    None => {}
                }
            }
            found.failing.push(Failing { what: What::Holds(person, holding), until, sure });
        }
    }

    /// Of whom it speaks, and how they are one of them.
    fn subjects(&self, test: &Test<'_>, who: &Subject) -> Vec<(PersonId, In)> {
        match who {
            Subject::Person(_) => {
                test.person.map(|person| (person, In { ends: None, sure: true })).into_iter().collect()
            }
            Subject::Everybody(_) => test.among.map(|among| self.everybody_in(among)).unwrap_or_default(),
        }
    }

    fn must_hold(&self, test: &Test<'_>, (person, within): (PersonId, In), holding: Holding, found: &mut Found) {
        let what = What::Lacks(person, holding);
        match self.is_in(person, holding) {
            Some(In { ends, sure: true }) => {
                let still = |end: &Instant| within.ends.is_none_or(|until| *end < until);
                found.again.extend(ends.filter(still).filter(|end| test.is_asked(*end)));
            }
            Some(In { sure: false, .. }) => found.failing.push(Failing { what, until: None, sure: false }),
            None => found.failing.push(Failing { what, until: within.ends, sure: within.sure }),
        }
    }

    fn must_not_hold(&self, person: PersonId, holding: Holding, found: &mut Found) {
        if let Some(In { ends, sure }) = self.is_in(person, holding) {
            found.failing.push(Failing { what: What::Holds(person, holding), until: ends, sure });
        }
    }

    fn count(&self, test: &Test<'_>, of: &[Holding], (least, most): (Option<u32>, Option<u32>), found: &mut Found) {
        let mut people: BTreeMap<PersonId, In> = BTreeMap::new();
        for (person, one) in of.iter().flat_map(|holding| self.everybody_in(*holding)) {
            people
                .entry(person)
                .and_modify(|known| {
                    let longer = time::later(known.ends, one.ends);
                    *known = match (known.sure, one.sure) {
                        (true, true) => In { ends: longer, sure: true },
                        (false, true) => one,
                        (_, false) => *known,
                    };
                })
                .or_insert(one);
        }
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let sure = number(people.values().filter(|one| one.sure).count());
        let all = number(people.len());
        if let Some(most) = most.filter(|most| all > *most) {
            let is_sure = sure > most;
            let what = What::More(if is_sure { sure } else { all }, most);
            found.failing.push(Failing { what, until: None, sure: is_sure });
        }
        let Some(least) = least else { return };
        if sure < least {
            let is_sure = all < least;
            let what = What::Fewer(if is_sure { all } else { sure }, least);
            found.failing.push(Failing { what, until: None, sure: is_sure });
            return;
        }
        let mut ends: Vec<Instant> = people.values().filter(|one| one.sure).filter_map(|one| one.ends).collect();
        ends.sort_unstable();
        let spare = usize::try_from(sure - least).unwrap_or(usize::MAX);
        found.again.extend(ends.get(spare).copied().filter(|end| test.is_asked(*end)));
    }
}
