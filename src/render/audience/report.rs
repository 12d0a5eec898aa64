//! A difference and approvals for an audience.
//!
//! Comes in: whole reports. Goes out: reports to be shown. Refuses: an order from which
//! names could be guessed.

use super::{Audience, Redactor, Shown};
use crate::render::answers::Link;
use crate::render::approvals;
use crate::render::review::{Before, Line, Member, Person, Report, Role, Scheduled, Unsettled, Warning};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

impl Redactor {
    /// A difference as the audience may see it.
    pub fn report<'a>(&self, report: &'a Report) -> Shown<'a, Report> {
        if let Some(whole) = self.whole_for(report) {
            return whole;
        }
        // Written out, so that a new part of a report is a question here.
        let Report { base, head, at, and, totals, .. } = report.clone();
        let Report { gained, lost, extended, shortened, scheduled, called_off, groups, .. } = report.clone();
        let mut shown = Report {
            base,
            head,
            at,
            and,
            totals,
            gained,
            lost,
            extended,
            shortened,
            scheduled,
            called_off,
            unsettled: report.unsettled.iter().map(|one| self.unsettled(one)).collect(),
            people: report.people.iter().map(|person| self.shift(person)).collect(),
            roles: report.roles.iter().map(|role| self.role(role)).collect(),
            groups,
            warnings: report.warnings.iter().map(|warning| self.warning(warning)).collect(),
        };
        for list in [&mut shown.gained, &mut shown.lost, &mut shown.extended, &mut shown.shortened] {
            *list = list.iter().map(|line| self.line(line)).collect();
            self.mixed(list, |line| (line.member.clone(), line.ends));
        }
        for list in [&mut shown.scheduled, &mut shown.called_off] {
            *list = list.iter().map(|moment| self.moment(moment)).collect();
        }
        self.mixed(&mut shown.people, |person| person.person.clone());
        for group in &mut shown.groups {
            group.entitlement = self.entitlement(&group.entitlement);
        }
        if self.audience == Audience::Public {
            shown.groups.sort_by(|a, b| (&a.entitlement, a.change).cmp(&(&b.entitlement, b.change)));
            shown.roles.sort_by(|a, b| a.role.cmp(&b.role));
            shown.warnings.dedup();
            number(&mut shown);
        }
        Shown(Cow::Owned(shown))
    }

    /// Approvals as the audience may see them.
    pub fn approvals<'a>(&self, report: &'a approvals::Report) -> Shown<'a, approvals::Report> {
        if let Some(whole) = self.whole_for(report) {
            return whole;
        }
        let mut shown = report.clone();
        let person = |key: &str| self.person(key);
        let entitlement = |name: &str| self.entitlement(name);
        shown.redact(self.audience == Audience::Public, &person, &entitlement);
        Shown(Cow::Owned(shown))
    }

    /// For the public in the order of pseudonyms, which says nothing.
    fn mixed<T, K: Ord>(&self, list: &mut [T], key: impl Fn(&T) -> K) {
        if self.audience == Audience::Public {
            list.sort_by_cached_key(key);
        }
    }

    fn member(&self, member: &Member) -> Member {
        Member {
            person: self.person(&member.person),
            entitlement: self.entitlement(&member.entitlement),
            account: member.account.clone().filter(|_| self.audience != Audience::Public),
            privileged: member.privileged,
        }
    }

    fn links(&self, links: &[Link]) -> Vec<Link> {
        if self.audience == Audience::Public {
            return Vec::new();
        }
        let one = |link: &Link| Link {
            text: self.sentence(&link.text, ""),
            note: link.note.as_ref().map(|note| self.sentence(note, "")),
            ..link.clone()
        };
        links.iter().map(one).collect()
    }

    fn line(&self, line: &Line) -> Line {
        let before = line.before.as_ref();
        Line {
            member: self.member(&line.member),
            ends: line.ends,
            because: self.links(&line.because),
            before: before.map(|before| Before { ends: before.ends, because: self.links(&before.because) }),
            now: self.links(&line.now),
            number: line.number,
        }
    }

    fn moment(&self, moment: &Scheduled) -> Scheduled {
        let members = |list: &[Member]| {
            let mut list: Vec<Member> = list.iter().map(|member| self.member(member)).collect();
            self.mixed(&mut list, Member::clone);
            list
        };
        Scheduled { instant: moment.instant, gained: members(&moment.gained), lost: members(&moment.lost) }
    }

    fn unsettled(&self, one: &Unsettled) -> Unsettled {
        let people = |list: &[String]| {
            let mut list: Vec<String> = list.iter().map(|key| self.person(key)).collect();
            self.mixed(&mut list, String::clone);
            list
        };
        Unsettled {
            entitlement: self.entitlement(&one.entitlement),
            unread: one.unread.iter().map(|name| self.entitlement(name)).collect(),
            since: one.since,
            privileged: one.privileged,
            may_gain: people(&one.may_gain),
            may_lose: people(&one.may_lose),
        }
    }

    fn shift(&self, person: &Person) -> Person {
        let public = self.audience == Audience::Public;
        Person {
            person: self.person(&person.person),
            formerly: person.formerly.as_ref().map(|key| self.person(key)),
            accounts: if public { Vec::new() } else { person.accounts.clone() },
            ..person.clone()
        }
    }

    /// A role that has to do with something privileged has no name for the public.
    fn role(&self, role: &Role) -> Role {
        let public = self.audience == Audience::Public;
        let lists = [&role.grants_added, &role.grants_removed];
        let is_open = lists.iter().all(|list| !list.is_empty() && list.iter().all(|name| self.open.contains(name)));
        let names = |list: &[String]| -> Vec<String> {
            let shown: BTreeSet<String> = list.iter().map(|name| self.entitlement(name)).collect();
            shown.into_iter().collect()
        };
        // Of an included role nobody can see here what it gives.
        let roles = |list: &[String]| if public { Vec::new() } else { list.to_vec() };
        Role {
            role: if public && !is_open { "a role".to_owned() } else { role.role.clone() },
            change: role.change,
            grants_added: names(&role.grants_added),
            grants_removed: names(&role.grants_removed),
            includes_added: roles(&role.includes_added),
            includes_removed: roles(&role.includes_removed),
        }
    }

    fn warning(&self, warning: &Warning) -> Warning {
        let public = self.audience == Audience::Public;
        Warning {
            code: warning.code,
            text: self.sentence(&warning.text, &warning.code.replace('-', " ")),
            file: warning.file.clone().filter(|_| !public),
            line: warning.line.filter(|_| !public),
        }
    }
}

/// Numbers people by their pseudonyms: texts are ordered by number.
fn number(report: &mut Report) {
    let lists = [&report.gained, &report.lost, &report.extended, &report.shortened];
    let lines = lists.into_iter().flatten().map(|line| line.member.person.clone());
    let names: BTreeSet<String> = lines.chain(report.people.iter().map(|person| person.person.clone())).collect();
    let numbers: BTreeMap<String, u32> = names.into_iter().zip(0..).collect();
    let of = |name: &str| numbers.get(name).copied().unwrap_or_default();
    for list in [&mut report.gained, &mut report.lost, &mut report.extended, &mut report.shortened] {
        for line in list {
            line.number = of(&line.member.person);
        }
    }
    for person in &mut report.people {
        person.number = of(&person.person);
    }
}
