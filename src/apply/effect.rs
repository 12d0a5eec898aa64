//! What a read proves about changes.
//!
//! Comes in: changes and a reading of the objects they touched. Goes out: whether
//! each is in effect, is not, or cannot be told. Refuses: to conclude anything
//! from what was not read completely.
//!
//! A change is taken apart into facts: an object exists, a value is so, somebody is a member.
//! The last word on each fact counts, so an object is read once, after its last change.

use super::names::{Names, Sort, new_name, subject};
use crate::model::change::OtherMember;
use crate::model::state::{GroupRef, Member};
use crate::model::{Action, Change, Enabled, Instant, Matching, Object, Side, State};
use crate::provider::entries::EVERY;
use crate::provider::{Gap, GapScope, Kind, Observed, Reading, dn, same_end};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// An object by sort and comparison key; most names are their own key.
pub(super) type Subject<'c> = (Sort, Cow<'c, str>);

/// What is claimed about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim<'c> {
    /// The object exists.
    Exists(Subject<'c>),
    /// A property of the object.
    Value(Subject<'c>, &'c str),
    /// A member of the group: its sort as a member (`true` is a group) and its text.
    Member(Subject<'c>, bool, Cow<'c, str>),
    /// When the directory itself ends that account's membership of the group.
    Until(Subject<'c>, Subject<'c>),
}

impl<'c> Claim<'c> {
    pub(super) fn of(&self) -> &Subject<'c> {
        match self {
            Self::Exists(of) | Self::Value(of, _) | Self::Member(of, ..) | Self::Until(of, _) => of,
        }
    }
}

/// What is claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claimed<'c> {
    /// It is so, or it is not.
    Is(bool),
    /// The property has these values.
    Values(Cow<'c, [String]>),
}

/// How a change and a reading fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// What the change wants is there.
    Shown,
    /// What was there before is there.
    Undone(String),
    /// Neither: somebody else was there.
    Else(String),
    /// The reading does not tell.
    Hidden(String),
}

impl Effect {
    /// Of two claims of one change the worse counts.
    pub(super) fn badness(&self) -> u8 {
        match self {
            Self::Undone(_) | Self::Else(_) => 2,
            // What could not be read is not covered by what could.
            Self::Hidden(_) => 1,
            Self::Shown => 0,
        }
    }
}

/// What a set of changes claims together.
#[derive(Debug, Default)]
pub(super) struct Expectation<'c> {
    pub(super) claims: BTreeMap<Claim<'c>, (Claimed<'c>, usize)>,
    /// Whether names moved: what a change calls a member may be called otherwise now.
    pub(super) renamed: bool,
    /// Whether ends of memberships are claimed.
    pub(super) dated: bool,
    /// Names that are not their own key, as they are written, for reading.
    named: BTreeMap<Subject<'c>, &'c str>,
}

impl<'c> Expectation<'c> {
    /// Adds what holds after `change`, which is node `node`. Call in the order in
    /// which the changes became done.
    pub(super) fn add(&mut self, change: &'c Change, node: usize, names: &Names<'_>) {
        let Some((sort, name)) = subject(&change.object) else { return };
        let this = self.subject(sort, name, names);
        match change.action {
            Action::CreateAccount | Action::CreateGroup => {
                self.claim(Claim::Exists(this.clone()), Claimed::Is(true), node);
                self.values(&this, change.after.as_ref(), &["name"], node);
            }
            Action::DeleteAccount | Action::DeleteGroup => {
                self.forget(&this);
                self.claim(Claim::Exists(this), Claimed::Is(false), node);
            }
            Action::RenameAccount | Action::RenameGroup => {
                let new = new_name(change).unwrap_or(name);
                let renamed = self.subject(sort, new, names);
                self.rename(&this, &renamed);
                self.renamed = true;
                self.claim(Claim::Exists(this), Claimed::Is(false), node);
                self.claim(Claim::Exists(renamed.clone()), Claimed::Is(true), node);
                self.claim(Claim::Value(renamed.clone(), "name"), only(new), node);
                self.values(&renamed, change.after.as_ref(), &["name"], node);
            }
            Action::UpdateAccount | Action::UpdateGroup => {
                self.removed(&this, change, node);
                self.values(&this, change.after.as_ref(), &["name"], node);
            }
            Action::DisableAccount | Action::EnableAccount => {
                self.values(&this, change.after.as_ref(), &["name", "enabled"], node);
                let enabled = if change.action == Action::EnableAccount { "true" } else { "false" };
                self.claim(Claim::Value(this, "enabled"), only(enabled), node);
            }
            Action::Grant | Action::UpdateMembership => {
                self.until(&this, change, change.after.as_ref(), node, names);
                self.member(this, &change.object, true, node, names);
            }
            Action::Revoke => {
                if let Some(account) = change.object.account.as_deref() {
                    let account = self.subject(Sort::Account, account, names);
                    self.claims.remove(&Claim::Until(this.clone(), account));
                }
                self.member(this, &change.object, false, node, names);
            }
        }
    }

    /// What held before `change`.
    fn before(change: &'c Change, names: &Names<'_>) -> Self {
        let mut out = Self::default();
        let Some((sort, name)) = subject(&change.object) else { return out };
        let this = out.subject(sort, name, names);
        match change.action {
            Action::CreateAccount | Action::CreateGroup => out.claim(Claim::Exists(this), Claimed::Is(false), 0),
            Action::DeleteAccount | Action::DeleteGroup | Action::RenameAccount | Action::RenameGroup => {
                out.claim(Claim::Exists(this.clone()), Claimed::Is(true), 0);
                out.claim(Claim::Value(this.clone(), "name"), only(name), 0);
                out.values(&this, change.before.as_ref(), &["name"], 0);
            }
            Action::UpdateAccount | Action::UpdateGroup => {
                out.added(&this, change);
                out.values(&this, change.before.as_ref(), &["name"], 0);
            }
            Action::DisableAccount | Action::EnableAccount => {
                let enabled = if change.action == Action::EnableAccount { "false" } else { "true" };
                out.claim(Claim::Value(this, "enabled"), only(enabled), 0);
            }
            Action::Grant => out.member(this, &change.object, false, 0, names),
            Action::UpdateMembership => {
                out.until(&this, change, change.before.as_ref(), 0, names);
                out.member(this, &change.object, true, 0, names);
            }
            Action::Revoke => out.member(this, &change.object, true, 0, names),
        }
        out
    }

    /// What is claimed about, sorted.
    pub(super) fn subjects(&self) -> Vec<Subject<'c>> {
        let subjects: BTreeSet<&Subject<'c>> = self.claims.keys().map(Claim::of).collect();
        subjects.into_iter().cloned().collect()
    }

    /// The objects to read.
    pub(super) fn objects(&self) -> Vec<Object> {
        self.objects_for(&self.subjects())
    }

    /// The objects to read for claims about some subjects, which are sorted. A group
    /// alone does not tell who its members are: of whom an end is claimed is read with it.
    pub(super) fn objects_for(&self, subjects: &[Subject<'c>]) -> Vec<Object> {
        let mut all: BTreeSet<&Subject<'c>> = subjects.iter().collect();
        if self.dated {
            let until = self.claims.keys().filter_map(|claim| match claim {
                Claim::Until(group, account) if subjects.binary_search(group).is_ok() => Some(account),
                _ => None,
            });
            all.extend(until);
        }
        all.into_iter().map(|subject| self.object(subject)).collect()
    }

    pub(super) fn object(&self, subject: &Subject<'_>) -> Object {
        let name = self.named.get(subject).copied().unwrap_or(&subject.1);
        match subject.0 {
            Sort::Account => Object::account(name),
            Sort::Group => Object::group(name),
        }
    }

    /// Nodes with claims about one of `about`, which are sorted.
    pub(super) fn nodes(&self, about: &[Subject<'_>]) -> BTreeSet<usize> {
        let claims = self.claims.iter().filter(|(claim, _)| about.binary_search(claim.of()).is_ok());
        claims.map(|(_, (_, node))| *node).collect()
    }

    /// How each node's claims fit the reading: node → effect. A node with several
    /// claims is in effect if all of them hold. Those of `confirmed` are, whatever
    /// was read. Only claims about one of `about`, which are sorted, are judged.
    pub(super) fn judge(
        &self,
        seen: &Seen<'_>,
        confirmed: &BTreeSet<usize>,
        about: &[Subject<'_>],
    ) -> BTreeMap<usize, Effect> {
        let mut out: BTreeMap<usize, Effect> = confirmed.iter().map(|node| (*node, Effect::Shown)).collect();
        // Claims about members of one group stand together.
        let mut members = Members::default();
        for (claim, (claimed, node)) in &self.claims {
            if confirmed.contains(node) || about.binary_search(claim.of()).is_err() {
                continue;
            }
            if let Claim::Member((_, group), ..) = claim
                && members.group.as_deref() != Some(group)
            {
                members = seen.members(group);
            }
            worse(&mut out, *node, seen.check(claim, claimed, &members));
        }
        out
    }

    fn subject(&mut self, sort: Sort, name: &'c str, names: &Names<'_>) -> Subject<'c> {
        let subject = (sort, names.key(name));
        if subject.1 != name {
            self.named.insert(subject.clone(), name);
        }
        subject
    }

    fn claim(&mut self, claim: Claim<'c>, claimed: Claimed<'c>, node: usize) {
        self.claims.insert(claim, (claimed, node));
    }

    fn values(&mut self, of: &Subject<'c>, side: Option<&'c Side>, except: &[&str], node: usize) {
        for (key, values) in side.into_iter().flatten().filter(|(key, _)| !except.contains(&key.as_str())) {
            self.claim(Claim::Value(of.clone(), key), Claimed::Values(values.into()), node);
        }
    }

    /// Properties that the change takes away altogether.
    fn removed(&mut self, of: &Subject<'c>, change: &'c Change, node: usize) {
        for key in change.before.iter().flatten().map(|(key, _)| key).filter(|key| *key != "name") {
            self.claim(Claim::Value(of.clone(), key), Claimed::Values(Cow::Borrowed(&[])), node);
        }
    }

    /// Properties that the change brings and that were not there.
    fn added(&mut self, of: &Subject<'c>, change: &'c Change) {
        for key in change.after.iter().flatten().map(|(key, _)| key).filter(|key| *key != "name") {
            self.claim(Claim::Value(of.clone(), key), Claimed::Values(Cow::Borrowed(&[])), 0);
        }
    }

    /// The end that the directory itself is to give a membership; an update without one
    /// takes it away.
    fn until(
        &mut self,
        group: &Subject<'c>,
        change: &'c Change,
        side: Option<&'c Side>,
        node: usize,
        names: &Names<'_>,
    ) {
        let ends = side.and_then(|side| side.get("ends")).map_or(&[][..], Vec::as_slice);
        let is_about_ends = !ends.is_empty() || change.action == Action::UpdateMembership;
        if let Some(account) = change.object.account.as_deref().filter(|_| is_about_ends) {
            let account = self.subject(Sort::Account, account, names);
            self.dated = true;
            self.claim(Claim::Until(group.clone(), account), Claimed::Values(Cow::Borrowed(ends)), node);
        }
    }

    fn member(&mut self, group: Subject<'c>, object: &'c Object, present: bool, node: usize, names: &Names<'_>) {
        let (is_group, text) = match object {
            Object { account: Some(account), .. } => (false, account),
            Object { member: Some(OtherMember::Group(name)), .. } => (true, name),
            Object { member: Some(OtherMember::Other(text)), .. } => (false, text),
            _ => return,
        };
        self.claim(Claim::Member(group, is_group, names.key(text)), Claimed::Is(present), node);
    }

    /// What was claimed of an object that is gone.
    fn forget(&mut self, gone: &Subject<'c>) {
        self.claims.retain(|claim, _| match claim {
            Claim::Exists(of) | Claim::Value(of, _) => of != gone,
            Claim::Member(group, is_group, text) => {
                group != gone && (*text != gone.1 || *is_group != (gone.0 == Sort::Group))
            }
            Claim::Until(group, account) => group != gone && account != gone,
        });
    }

    /// What was claimed under the old name is claimed under the new one.
    fn rename(&mut self, old: &Subject<'c>, new: &Subject<'c>) {
        let swap = |of: Subject<'c>| if of == *old { new.clone() } else { of };
        self.claims = std::mem::take(&mut self.claims)
            .into_iter()
            .map(|(claim, claimed)| {
                let claim = match claim {
                    Claim::Exists(of) => Claim::Exists(swap(of)),
                    Claim::Value(of, key) => Claim::Value(swap(of), key),
                    Claim::Member(group, is_group, text) if text == old.1 && is_group == (old.0 == Sort::Group) => {
                        Claim::Member(swap(group), is_group, new.1.clone())
                    }
                    Claim::Member(group, is_group, text) => Claim::Member(swap(group), is_group, text),
                    Claim::Until(group, account) => Claim::Until(swap(group), swap(account)),
                };
                (claim, claimed)
            })
            .collect();
    }
}

/// Notes an effect of a node, unless a worse one is known.
pub(super) fn worse(effects: &mut BTreeMap<usize, Effect>, node: usize, effect: Effect) {
    match effects.get(&node) {
        Some(other) if other.badness() >= effect.badness() => {}
        _ => drop(effects.insert(node, effect)),
    }
}

/// Exactly this value.
fn only<'c>(value: &str) -> Claimed<'c> {
    Claimed::Values(Cow::Owned(vec![value.to_owned()]))
}

/// Whether one change whose answer did not come is in effect.
pub(super) fn probe(change: &Change, seen: &Seen<'_>) -> Effect {
    let mut after = Expectation::default();
    after.add(change, 0, seen.names);
    let say = |effect| match effect {
        Effect::Undone(why) | Effect::Else(why) => why,
        _ => String::new(),
    };
    let judged = |claims: &Expectation<'_>| claims.judge(seen, &BTreeSet::new(), &claims.subjects()).remove(&0);
    match judged(&after) {
        Some(Effect::Shown) => Effect::Shown,
        None => Effect::Hidden("the change names no object".to_owned()),
        Some(Effect::Hidden(why)) => Effect::Hidden(why),
        Some(other) => match judged(&Expectation::before(change, seen.names)) {
            Some(Effect::Shown) => Effect::Undone(say(other)),
            Some(Effect::Hidden(why)) => Effect::Hidden(why),
            _ => Effect::Else(say(other)),
        },
    }
}

/// The objects that the probe of a change reads.
pub(super) fn objects_of(change: &Change, names: &Names<'_>) -> Vec<Object> {
    let mut after = Expectation::default();
    after.add(change, 0, names);
    after.objects()
}

/// What a directory was seen to hold before anything was sent.
pub struct Found<'a> {
    kind: &'a dyn Kind,
    observed: &'a Observed,
    names: Names<'a>,
}

impl<'a> Found<'a> {
    /// What `observed` shows of a directory of that kind.
    pub fn new(kind: &'a dyn Kind, observed: &'a Observed) -> Self {
        Self { kind, observed, names: Names::new(kind, observed) }
    }

    /// Whether what `change` wants is there: only where everything was read.
    pub fn holds(&self, change: &Change) -> bool {
        let Self { kind, observed, names } = self;
        let seen = Seen { kind: *kind, names, state: &observed.state, gaps: &observed.gaps };
        observed.gaps.is_empty() && probe(change, &seen) == Effect::Shown
    }
}

/// What was read, prepared for questions.
pub(super) struct Seen<'a> {
    kind: &'a dyn Kind,
    names: &'a Names<'a>,
    state: &'a State,
    gaps: &'a [Gap],
}

/// The members of one group as they were read, by comparison key, sorted.
#[derive(Default)]
struct Members<'a> {
    /// Key of the group; `None` before the first.
    group: Option<Cow<'a, str>>,
    accounts: Vec<Cow<'a, str>>,
    groups: Vec<Cow<'a, str>>,
    /// Accounts that were not read with the group stand there as the directory
    /// writes them, and so may groups.
    either: Vec<Cow<'a, str>>,
}

impl Members<'_> {
    fn has(&self, is_group: bool, key: &str) -> bool {
        let own = if is_group { &self.groups } else { &self.accounts };
        [own, &self.either].into_iter().any(|list| list.binary_search_by(|member| member.as_ref().cmp(key)).is_ok())
    }
}

impl<'a> Seen<'a> {
    pub(super) fn new(kind: &'a dyn Kind, names: &'a Names<'a>, reading: &'a Reading) -> Self {
        Self { kind, names, state: &reading.upserts, gaps: &reading.gaps }
    }

    fn members(&self, group: &str) -> Members<'a> {
        let mut members = Members { group: Some(Cow::Owned(group.to_owned())), ..Members::default() };
        let state = self.state;
        let Some(group) = state.group_named(group) else { return members };
        let accounts = group.members().iter().filter_map(|id| state.account(*id));
        members.accounts = accounts.map(|account| Cow::Borrowed(account.key())).collect();
        for member in group.others() {
            let (list, text): (_, &'a str) = match member {
                Member::Group(name) => (&mut members.groups, name),
                Member::Account(text) | Member::Other(text) => (&mut members.either, text),
            };
            let key = self.names.key(text);
            list.extend(dn::key(text).ok().filter(|by_dn| *by_dn != key));
            list.push(key);
        }
        for list in [&mut members.accounts, &mut members.groups, &mut members.either] {
            list.sort_unstable();
        }
        members
    }

    fn check(&self, claim: &Claim<'_>, claimed: &Claimed<'_>, members: &Members<'_>) -> Effect {
        let of = claim.of();
        if let Some(why) = self.gap(of) {
            return Effect::Hidden(why);
        }
        let exists = match of.0 {
            Sort::Account => self.state.account_named(&of.1).is_some(),
            Sort::Group => self.state.group_named(&of.1).is_some(),
        };
        match (claim, claimed) {
            (Claim::Exists(_), Claimed::Is(wanted)) if exists == *wanted => Effect::Shown,
            (Claim::Exists(_), _) if exists => Effect::Else(format!("`{}` is there", of.1)),
            (Claim::Value(_, key), Claimed::Values(wanted)) if exists => self.value(of, key, wanted),
            (Claim::Until(_, account), Claimed::Values(wanted)) if exists => self.until(of, account, wanted),
            (Claim::Member(_, is_group, text), Claimed::Is(wanted)) => {
                let found = exists && self.is_member(members, *is_group, text);
                match (found == *wanted, found) {
                    (true, _) => Effect::Shown,
                    (false, true) => Effect::Else(format!("`{text}` is a member of `{}`", of.1)),
                    (false, false) if exists => Effect::Else(format!("`{text}` is no member of `{}`", of.1)),
                    (false, false) => Effect::Else(format!("`{}` is not there", of.1)),
                }
            }
            _ => Effect::Else(format!("`{}` is not there", of.1)),
        }
    }

    fn until(&self, of: &Subject<'_>, account: &Subject<'_>, wanted: &[String]) -> Effect {
        let state = self.state;
        let found = state.group_named(&of.1).zip(state.account_named(&account.1));
        let end = found.and_then(|(group, account)| {
            let position = group.members().binary_search(&account.id()).ok()?;
            Some(group.ends(position))
        });
        let wanted = wanted.first().and_then(|text| Instant::try_from(text.clone()).ok());
        match end {
            Some(end) if same_end(end, wanted) => Effect::Shown,
            Some(_) => Effect::Else(format!("the membership of `{}` in `{}` has another end", account.1, of.1)),
            None => Effect::Else(format!("`{}` is no member of `{}`", account.1, of.1)),
        }
    }

    fn is_member(&self, members: &Members<'_>, is_group: bool, text: &str) -> bool {
        let by_dn = |dn: &str| dn::key(dn).is_ok_and(|key| members.has(is_group, &key));
        let sort = if is_group { Sort::Group } else { Sort::Account };
        members.has(is_group, text) || by_dn(text) || self.names.handle(sort, text).is_some_and(by_dn)
    }

    fn value(&self, of: &Subject<'_>, key: &str, wanted: &[String]) -> Effect {
        let state = self.state;
        let there: Option<Vec<String>> = match of.0 {
            Sort::Account => state.account_named(&of.1).and_then(|account| match key {
                "name" => Some(vec![account.name().to_owned()]),
                "enabled" => match account.enabled() {
                    Enabled::Yes => Some(vec!["true".to_owned()]),
                    Enabled::No => Some(vec!["false".to_owned()]),
                    Enabled::Unknown => None,
                },
                "ends" => Some(account.ends().map(|ends| ends.to_string()).into_iter().collect()),
                "base" => Some(vec![self.kind.base_of(account.handle())?.to_owned()]),
                // Unless it is compared too, it is held apart.
                _ if self.is_id(key) && !state.attributes().iter().any(|name| name.eq_ignore_ascii_case(key)) => {
                    Some(account.person_id().map(str::to_owned).into_iter().collect())
                }
                _ => {
                    let n = state.attributes().iter().position(|name| name.eq_ignore_ascii_case(key))?;
                    Some(account.values(n).map(str::to_owned).collect())
                }
            }),
            Sort::Group => state.group_named(&of.1).and_then(|group| self.group_value(group, key)),
        };
        let Some(there) = there else { return Effect::Hidden(format!("`{key}` is not read")) };
        let matching = match key {
            "name" | "enabled" | "ends" => Matching::Exact,
            "base" => Matching::Dn,
            _ => self.kind.matching(key),
        };
        // Which of the two is read hangs on whether the named account was read too.
        if of.0 == Sort::Account && self.kind.names_accounts(key) {
            let dn = |name: &String| self.names.handle(Sort::Account, name).unwrap_or(name).to_owned();
            let dns = |values: &[String]| -> BTreeSet<String> {
                values
                    .iter()
                    .map(dn)
                    .map(|text| dn::key(&text).map_or_else(|_| text.clone(), Cow::into_owned))
                    .collect()
            };
            let same = dns(&there) == dns(wanted);
            return if same { Effect::Shown } else { Effect::Else(format!("`{key}` of `{}` is different", of.1)) };
        }
        let keys = |values: &[String]| -> BTreeSet<String> {
            values
                .iter()
                .map(|value| match matching {
                    Matching::Dn => dn::key(value).map_or_else(|_| value.clone(), std::borrow::Cow::into_owned),
                    _ => matching.key(value).into_owned(),
                })
                .collect()
        };
        if keys(&there) == keys(wanted) {
            Effect::Shown
        } else {
            // The values themselves may be personal: the journal keeps this text.
            Effect::Else(format!("`{key}` of `{}` is different", of.1))
        }
    }

    fn is_id(&self, key: &str) -> bool {
        self.kind.id_attribute().is_some_and(|id| id.eq_ignore_ascii_case(key))
    }

    fn group_value(&self, group: GroupRef<'_>, key: &str) -> Option<Vec<String>> {
        if key == "name" {
            return Some(vec![group.name().to_owned()]);
        }
        let found = group.attributes().iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
        if let Some((_, values)) = found {
            return Some(values.iter().map(ToString::to_string).collect());
        }
        let scope = self.kind.scope();
        let asked = |name: &str| name == EVERY || name.eq_ignore_ascii_case(key);
        let is_read = key == "description" || scope.group_attributes.iter().any(|name| asked(name));
        is_read.then(Vec::new)
    }

    /// Why nothing can be said about an object.
    fn gap(&self, of: &Subject<'_>) -> Option<String> {
        let concerns = |scope: &GapScope| match (scope, of.0) {
            (GapScope::Directory, _) | (GapScope::Accounts, Sort::Account) | (GapScope::Groups, Sort::Group) => true,
            (GapScope::Account(name), Sort::Account) | (GapScope::Group(name), Sort::Group) => {
                self.names.key(name) == of.1
            }
            _ => false,
        };
        self.gaps.iter().find(|gap| concerns(&gap.scope)).map(|gap| gap.why.clone())
    }
}
