//! A plan arranged for people: what is most urgent first, by person or by group.
//!
//! Comes in: a [`Plan`]. Goes out: an [`Outline`] that text and Markdown both walk.
//! Refuses: colour, columns and escaping; and to leave a change out.

use crate::model::change::OtherMember;
use crate::model::{Action, Change, Instant};
use crate::plan::facts::is_ready_early;
use crate::plan::{Fact, Plan, Upcoming, Withheld};
use std::collections::{BTreeMap, BTreeSet};

/// What a reader goes through, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outline<'p> {
    /// Sections that are not empty.
    pub sections: Vec<Section<'p>>,
    /// What is kept back, each reason once.
    pub withheld: Vec<Held<'p>>,
    /// The numbers at the end.
    pub totals: Totals,
    /// What the next date brings.
    pub next: Option<Next>,
}

/// Subjects that have something in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section<'p> {
    /// Its heading.
    pub title: &'static str,
    /// The symbol of its subjects.
    pub symbol: char,
    /// Its people, accounts or groups.
    pub subjects: Vec<Subject<'p>>,
}

/// A person, an account that nobody declared, or a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject<'p> {
    /// Its name.
    pub name: String,
    /// Who it is, where a fact says so.
    pub about: Option<&'p Fact>,
    /// Whether it is a group under its own name, which every change repeats.
    pub is_target: bool,
    /// What changes, in the plan's order.
    pub changes: Vec<&'p Change>,
}

/// Changes that are kept back for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held<'p> {
    /// The reason, limit and setting, from the first of them.
    pub why: &'p Withheld,
    /// The changes.
    pub changes: Vec<&'p Change>,
}

/// The numbers at the end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Totals {
    /// People and accounts that gain something.
    pub gain: u64,
    /// People and accounts that lose something.
    pub lose: u64,
    /// Changes by action.
    pub actions: BTreeMap<Action, u64>,
    /// Changes kept back.
    pub withheld: u64,
}

/// What the next date brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Next {
    /// When.
    pub at: Instant,
    /// Who loses what.
    pub losses: BTreeMap<String, Vec<String>>,
    /// How many people more.
    pub more: u64,
}

/// Arranges `plan` by person.
pub(super) fn by_person(plan: &Plan) -> Outline<'_> {
    let mut subjects: BTreeMap<(Order, String), Vec<&Change>> = BTreeMap::new();
    let order = orders(plan);
    for change in &plan.changes {
        let name = subject_name(change);
        let key = order.get(&name).copied().unwrap_or(Order::Changing);
        subjects.entry((key, name)).or_default().push(change);
    }
    let mut sections: Vec<Section> = Vec::new();
    for ((order, name), changes) in subjects {
        let about = about(plan, order, &changes);
        let subject = Subject { name, about, is_target: order == Order::Groups, changes };
        match sections.last_mut() {
            Some(section) if section.title == order.title() => section.subjects.push(subject),
            _ => sections.push(Section { title: order.title(), symbol: order.symbol(), subjects: vec![subject] }),
        }
    }
    Outline { sections, withheld: withheld(plan), totals: totals(plan), next: next(plan) }
}

/// Arranges `plan` by group; changes of accounts come first.
pub(super) fn by_group(plan: &Plan) -> Outline<'_> {
    let mut accounts: BTreeMap<String, Vec<&Change>> = BTreeMap::new();
    let mut groups: BTreeMap<String, Vec<&Change>> = BTreeMap::new();
    for change in &plan.changes {
        match &change.object.group {
            Some(group) => groups.entry(format!("{}/{group}", change.directory)).or_default().push(change),
            None => accounts.entry(change.directory.clone()).or_default().push(change),
        }
    }
    let sections = [section("Accounts", accounts), section("Groups", groups)];
    let sections = sections.into_iter().filter(|section| !section.subjects.is_empty()).collect();
    Outline { sections, withheld: withheld(plan), totals: totals(plan), next: next(plan) }
}

fn section<'p>(title: &'static str, found: BTreeMap<String, Vec<&'p Change>>) -> Section<'p> {
    let subjects =
        found.into_iter().map(|(name, changes)| Subject { name, about: None, is_target: false, changes }).collect();
    Section { title, symbol: '~', subjects }
}

/// How urgent a subject is; the order of the variants is the order of the sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    Leaving,
    Joining,
    Changing,
    Undeclared,
    Groups,
}

impl Order {
    fn title(self) -> &'static str {
        match self {
            Self::Leaving => "Leaving",
            Self::Joining => "Joining",
            Self::Changing => "Changing",
            Self::Undeclared => "Nobody declared",
            Self::Groups => "Groups",
        }
    }

    fn symbol(self) -> char {
        match self {
            Self::Leaving => '✗',
            Self::Joining => '+',
            Self::Changing | Self::Groups => '~',
            Self::Undeclared => '?',
        }
    }
}

/// The most urgent order that any change of a subject asks for.
fn orders(plan: &Plan) -> BTreeMap<String, Order> {
    let mut orders: BTreeMap<String, Order> = BTreeMap::new();
    for change in &plan.changes {
        let order = match (change.action, &change.person) {
            // Who has not begun cannot leave: the account waits for them.
            (Action::DisableAccount, Some(_)) if is_ready_early(plan, change) => Order::Joining,
            (Action::DisableAccount | Action::DeleteAccount, Some(_)) => Order::Leaving,
            (Action::CreateAccount | Action::EnableAccount, _) => Order::Joining,
            (_, Some(_)) => Order::Changing,
            _ if is_access(change) && change.action.takes() => Order::Undeclared,
            _ => Order::Groups,
        };
        let place = orders.entry(subject_name(change)).or_insert(order);
        *place = (*place).min(order);
    }
    orders
}

/// The person's key; otherwise the account, the member that goes, or the group.
fn subject_name(change: &Change) -> String {
    let object = &change.object;
    match (&change.person, &object.account, &object.group) {
        (Some(person), _, _) => person.clone(),
        (None, Some(account), _) => account.clone(),
        (None, None, _) => match &object.member {
            Some(member) if change.action.takes() => member_name(member),
            _ => target(change),
        },
    }
}

/// A member that is no account, in words.
pub(super) fn member_name(member: &OtherMember) -> String {
    match member {
        OtherMember::Group(name) => format!("group {name}"),
        OtherMember::Other(text) => text.clone(),
    }
}

/// `corp` for an account, `corp/sre` for a group and its members.
pub(super) fn target(change: &Change) -> String {
    match &change.object.group {
        Some(group) => format!("{}/{group}", change.directory),
        None => change.directory.clone(),
    }
}

/// The facts behind a change, from the person to the entitlement.
pub(super) fn facts<'p>(plan: &'p Plan, change: &Change) -> Vec<&'p Fact> {
    change.because.iter().filter_map(|index| plan.facts.get(*index as usize)).collect()
}

/// Who a subject is: the first fact of the change that put it into its section.
fn about<'p>(plan: &'p Plan, order: Order, changes: &[&Change]) -> Option<&'p Fact> {
    let speaks = |change: &&&Change| match order {
        Order::Leaving => matches!(change.action, Action::DisableAccount | Action::DeleteAccount),
        Order::Joining => {
            matches!(change.action, Action::CreateAccount | Action::EnableAccount | Action::DisableAccount)
        }
        _ => false,
    };
    facts(plan, changes.iter().find(speaks)?).first().copied()
}

fn withheld(plan: &Plan) -> Vec<Held<'_>> {
    let mut held: Vec<Held> = Vec::new();
    let mut index: BTreeMap<(&str, &Option<String>, &Option<String>), usize> = BTreeMap::new();
    for one in &plan.withheld {
        let key = (one.reason.as_str(), &one.limit, &one.setting);
        let place = *index.entry(key).or_insert_with(|| {
            held.push(Held { why: one, changes: Vec::new() });
            held.len() - 1
        });
        if let Some(block) = held.get_mut(place) {
            block.changes.push(&one.change);
        }
    }
    held
}

fn totals(plan: &Plan) -> Totals {
    let subjects = |matches: fn(Action) -> bool| {
        let names: BTreeSet<_> = plan
            .changes
            .iter()
            .filter(|change| matches(change.action) && is_of_one(change))
            .map(subject_name)
            .collect();
        names.len() as u64
    };
    let mut actions = BTreeMap::new();
    for change in &plan.changes {
        *actions.entry(change.action).or_default() += 1;
    }
    let withheld = plan.withheld.len() as u64;
    Totals { gain: subjects(Action::gives), lose: subjects(Action::takes), actions, withheld }
}

/// Whether somebody gains or loses by a change (deleting a group is about the group).
fn is_access(change: &Change) -> bool {
    change.object.account.is_some() || change.object.member.is_some()
}

/// Whether that is one person or account: how many a group in a group stands for, the
/// change does not say.
fn is_of_one(change: &Change) -> bool {
    is_access(change) && !matches!(change.object.member, Some(OtherMember::Group(_)))
}

fn next(plan: &Plan) -> Option<Next> {
    if let Some(Upcoming { at, losses, more }) = &plan.next {
        return Some(Next { at: *at, losses: losses.clone(), more: *more });
    }
    // A plan of an earlier version knows of its own changes only.
    let ends = |change: &&Change| change.action.gives() && change.object.group.is_some();
    let future = |change: &Change| change.ends.filter(|ends| *ends > plan.at);
    let at = plan.changes.iter().filter(ends).filter_map(future).min()?;
    let mut losses: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for change in plan.changes.iter().filter(ends).filter(|change| change.ends == Some(at)) {
        losses.entry(subject_name(change)).or_default().push(target(change));
    }
    Some(Next { at, losses, more: 0 })
}
