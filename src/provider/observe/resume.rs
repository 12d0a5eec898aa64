//! Reading on from a snapshot, and in full where that cannot be.
//!
//! Comes in: jobs, each with a snapshot or the reason why there is none. Goes out: what
//! each directory holds, the same whichever way it was read, and what the next read goes
//! on from. Refuses: to go on from a reading with gaps, and to believe a delta when a
//! sentinel does not show any more: a full read follows, and its gaps count.

use super::merge::{Base, Extent, Unmergeable, merge};
use super::snapshot::Snapshot;
use super::{Checks, Job, Observed, judged};
use crate::model::change::OtherMember;
use crate::model::state::{GroupRef, Member};
use crate::model::{AccountId, Instant, Object, State, StateGroupId};
use crate::provider::entries::Loose;
use crate::provider::identities::{Delta, Identities};
use crate::provider::{Cookie, ProviderError, Reader, Reading, Scope};
use futures_util::future::join_all;

/// How often a directory that changes meanwhile is asked again.
const ATTEMPTS: usize = 4;

/// What a read goes on from.
#[derive(Debug, Clone, Default)]
pub struct Basis {
    /// The last reading, if there is one to go on from.
    pub snapshot: Option<Snapshot>,
    /// Why there is none, for people; nothing where nobody wonders.
    pub why_full: Option<String>,
}

/// What the next read goes on from, beside the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Onward {
    /// Where.
    pub cookie: Cookie,
    /// Which entries the rows are.
    pub identities: Identities,
    /// When the directory was last read whole, if that was not now.
    pub whole: Option<Instant>,
    /// Whether the snapshot that was gone on from is still the newest.
    pub unchanged: bool,
}

impl Onward {
    pub(super) fn new(cookie: Cookie, identities: Identities) -> Self {
        Self { cookie, identities, whole: None, unchanged: false }
    }
}

/// Reads all directories at the same time, each from its snapshot on. The answers are in
/// the order of the jobs, as with [`super::gather`].
pub async fn gather_since(jobs: Vec<(Job<'_>, Basis)>) -> Vec<Observed> {
    join_all(jobs.into_iter().map(|(job, basis)| one(job, basis))).await
}

async fn one(job: Job<'_>, basis: Basis) -> Observed {
    let reader = match job.reader {
        Ok(reader) => reader,
        Err(error) => return Observed { said_nothing: true, ..Observed::failed(&error) },
    };
    let mut why_full = basis.why_full;
    if let Some(snapshot) = basis.snapshot {
        match incremental(reader, &job.scope, &job.checks, snapshot).await {
            Ok(observed) => return observed,
            Err(why) => why_full = Some(why),
        }
    }
    let mut observed = match reader.read(&job.scope, None).await {
        Ok(reading) => judged(reading, &job.scope, &job.checks),
        Err(error) => return Observed { said_nothing: reader.said_nothing(), ..Observed::failed(&error) },
    };
    observed.evidence.extend(why_full.map(|why| format!("read in full: {why}")));
    observed
}

/// What the directory holds, by the snapshot and what changed since; otherwise why it
/// has to be read in full.
async fn incremental(
    reader: &mut dyn Reader,
    scope: &Scope,
    checks: &Checks,
    snapshot: Snapshot,
) -> Result<Observed, String> {
    let Snapshot { mut base, mut cookie, taken, whole } = snapshot;
    let (mut extent, mut looked_at, mut told) = (Extent::default(), 0, None);
    for attempt in 0..ATTEMPTS {
        let reading = sound(reader.read(scope, Some(&cookie)).await)?;
        let same_cookie = reading.cookie.as_ref().is_none_or(|next| *next == cookie);
        let merged = merge(base, &reading).map_err(|error: Unmergeable| error.to_string())?;
        base = merged.base;
        cookie = reading.cookie.unwrap_or(cookie);
        extent.add(merged.extent);
        let told = told.get_or_insert(reading.evidence);
        let mut again = merged.again;
        again.extend(&base.identities.loose);
        let still = attempt == 0 && reading.delta.as_ref().is_some_and(|delta| delta.still);
        // What was read directly was read of the same moment, when nothing came since.
        let settled = still || (attempt > 0 && merged.extent == Extent::default());
        if settled || again.is_empty() {
            let mut evidence = vec![line(taken, extent, looked_at)];
            evidence.append(told);
            if !still {
                strangers(reader, scope, &mut base).await?;
            }
            let Base { state, identities, protected } = base;
            let Reading { capabilities, served, notes, .. } = reading;
            let all =
                Reading { upserts: state, evidence, capabilities, served, notes, protected, ..Reading::default() };
            let mut observed = judged(all, scope, checks);
            if let Some(gap) = observed.gaps.first() {
                return Err(gap.why.clone());
            }
            sentinels(reader, scope, checks).await?;
            let unchanged = attempt == 0 && same_cookie && extent == Extent::default();
            observed.onward = Some(Onward { cookie, identities, whole: Some(whole), unchanged });
            return Ok(observed);
        }
        let objects = named(&base.state, &again);
        looked_at = objects.len();
        base = look_again(reader, scope, base, objects).await?;
    }
    Err(format!("the directory changed during each of {ATTEMPTS} refreshes"))
}

/// A reading to go on with.
fn sound(reading: Result<Reading, ProviderError>) -> Result<Reading, String> {
    let reading = reading.map_err(|error| format!("{}: {}", error.operation, error.message))?;
    match (&reading.refused, reading.gaps.first()) {
        (Some(why), _) => Err(why.clone()),
        (None, Some(gap)) => Err(gap.why.clone()),
        (None, None) => Ok(reading),
    }
}

fn named(state: &State, again: &Loose) -> Vec<Object> {
    let accounts = again.accounts.iter().filter_map(|n| state.account(AccountId(*n)));
    let groups = again.groups.iter().filter_map(|n| state.group(StateGroupId(*n)));
    accounts.map(|a| Object::account(a.name())).chain(groups.map(|g| Object::group(g.name()))).collect()
}

/// The base with objects that may have changed without being written, read directly.
async fn look_again(reader: &mut dyn Reader, scope: &Scope, base: Base, objects: Vec<Object>) -> Result<Base, String> {
    let direct = Scope { only: Some(objects), ..scope.clone() };
    let reading = sound(reader.read(&direct, None).await)?;
    if let Some(object) = reading.deletes.first() {
        let name = object.group.as_ref().or(object.account.as_ref());
        return Err(format!("`{}` was not found again", name.map_or("", String::as_str)));
    }
    let delta = Reading { delta: Some(Delta::default()), ..reading };
    merge(base, &delta).map(|merged| merged.base).map_err(|error| error.to_string())
}

/// What members are that are no account and no group here is asked anew: they stand outside
/// what is read, so that no delta tells of them.
async fn strangers(reader: &mut dyn Reader, scope: &Scope, base: &mut Base) -> Result<(), String> {
    base.protected.retain(|protected| !matches!(protected.object.member, Some(OtherMember::Other(_))));
    let of = |group: GroupRef<'_>| {
        let other = move |member: Member<'_>| match member {
            Member::Other(text) => Some(Object::other(group.name(), OtherMember::Other(text.to_owned()))),
            _ => None,
        };
        group.others().filter_map(other).collect::<Vec<_>>()
    };
    let list: Vec<Object> = base.state.groups().flat_map(of).collect();
    if list.is_empty() {
        return Ok(());
    }
    let asked = Scope { strangers: list, resume: false, ..scope.clone() };
    base.protected.extend(sound(reader.read(&asked, None).await)?.protected);
    base.protected.sort();
    Ok(())
}

/// Sentinels are looked at afresh: what access control hides from now on changes nothing
/// in the directory, and so is in no delta.
async fn sentinels(reader: &mut dyn Reader, scope: &Scope, checks: &Checks) -> Result<(), String> {
    if checks.sentinels.is_empty() {
        return Ok(());
    }
    let only = checks.sentinels.iter().map(|name| Object::account(name.as_str())).collect();
    let direct = Scope { only: Some(only), resume: false, ..scope.clone() };
    let reading =
        reader.read(&direct, None).await.map_err(|error| format!("{}: {}", error.operation, error.message))?;
    let alone = Checks { sentinels: checks.sentinels.clone(), ..Checks::default() };
    match judged(reading, scope, &alone).gaps.first() {
        Some(gap) => Err(gap.why.clone()),
        None => Ok(()),
    }
}

fn line(since: Instant, extent: Extent, again: usize) -> String {
    let many = |n: usize, what: &str| match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    };
    let Extent { accounts, groups, gone } = extent;
    let mut parts = Vec::new();
    if accounts > 0 {
        parts.push(many(accounts, "account"));
    }
    if groups > 0 {
        parts.push(many(groups, "group"));
    }
    let mut what = if parts.is_empty() { String::new() } else { format!("{} changed", parts.join(" and ")) };
    if gone > 0 {
        what = if what.is_empty() { format!("{gone} gone") } else { format!("{what}, {gone} gone") };
    }
    if what.is_empty() {
        "nothing changed".clone_into(&mut what);
    }
    if again > 0 {
        what = format!("{what}, {again} looked at again");
    }
    format!("incremental since {since}: {what}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::state::AccountRef;
    use crate::model::{Matching, StateBuilder};
    use crate::provider::identities::{Gone, ObjectId};
    use futures_util::future::{FutureExt, LocalBoxFuture, ready};
    use std::collections::VecDeque;

    /// Answers as it was told to, and notes how it was asked.
    #[derive(Default)]
    struct Scripted {
        answers: VecDeque<Reading>,
        asked: Vec<&'static str>,
    }

    impl Reader for Scripted {
        fn read<'a>(
            &'a mut self,
            scope: &'a Scope,
            since: Option<&'a Cookie>,
        ) -> LocalBoxFuture<'a, Result<Reading, ProviderError>> {
            self.asked.push(match (since, &scope.only) {
                (Some(_), _) => "since",
                (None, Some(_)) => "only",
                (None, None) => "all",
            });
            Box::pin(ready(Ok(self.answers.pop_front().unwrap())))
        }
    }

    fn reading(names: &[(&str, u8)]) -> Reading {
        let mut b = StateBuilder::new(Matching::CaseIgnore, [""; 0]);
        for (name, _) in names {
            b.account(name, &format!("uid={name},dc=x"));
        }
        let accounts = names.iter().map(|(_, id)| ObjectId([*id; 16])).collect();
        let identities = Some(Identities { accounts, ..Identities::default() });
        Reading { upserts: b.finish().unwrap(), identities, cookie: Some(Cookie(vec![1])), ..Reading::default() }
    }

    fn delta(names: &[(&str, u8)], gone: &[u8]) -> Reading {
        let ids = gone.iter().map(|id| ObjectId([*id; 16])).collect();
        let delta = Delta { accounts: Gone { ids, all_but: None }, ..Delta::default() };
        Reading { delta: Some(delta), cookie: Some(Cookie(vec![2])), ..reading(names) }
    }

    fn snapshot() -> Snapshot {
        let Reading { upserts, identities, cookie, .. } = reading(&[("a", 1), ("b", 2)]);
        let base = Base { state: upserts, identities: identities.unwrap(), protected: Vec::new() };
        let at = Instant::from_seconds(0);
        Snapshot { base, cookie: cookie.unwrap(), taken: at, whole: at }
    }

    fn run(answers: Vec<Reading>, sentinels: &[&str]) -> (Observed, Vec<&'static str>) {
        let mut reader = Scripted { answers: answers.into(), ..Scripted::default() };
        let checks =
            Checks { sentinels: sentinels.iter().map(|name| (*name).to_owned()).collect(), ..Checks::default() };
        let job = Job { reader: Ok(&mut reader), scope: Scope { resume: true, ..Scope::default() }, checks };
        let basis = Basis { snapshot: Some(snapshot()), why_full: None };
        let observed = gather_since(vec![(job, basis)]).now_or_never().unwrap().remove(0);
        (observed, reader.asked)
    }

    fn names(observed: &Observed) -> Vec<&str> {
        observed.state.accounts().map(AccountRef::name).collect()
    }

    #[test]
    fn what_changed_is_put_onto_what_was_there() {
        let (observed, asked) = run(vec![delta(&[("c", 3)], &[1])], &[]);
        assert_eq!((names(&observed), asked), (vec!["b", "c"], vec!["since"]));
        assert_eq!(observed.evidence, ["incremental since 1970-01-01T00:00:00Z: 1 account changed, 1 gone"]);
        assert_eq!(observed.onward.unwrap().identities.accounts, [ObjectId([2; 16]), ObjectId([3; 16])]);
    }

    #[test]
    fn a_refused_cookie_a_gap_and_two_entries_of_one_name_are_read_in_full() {
        let all = || reading(&[("z", 9)]);
        let refused = Reading { refused: Some("LDAP result 4096".to_owned()), ..Reading::default() };
        let gap = crate::provider::Gap { scope: crate::provider::GapScope::Accounts, why: "hidden".to_owned() };
        let with_gap = Reading { gaps: vec![gap], ..delta(&[], &[]) };
        let cases = [
            (refused, "LDAP result 4096"),
            (with_gap, "hidden"),
            (delta(&[("B", 7)], &[]), "two entries are named `B`"),
        ];
        for (answer, why) in cases {
            let (observed, asked) = run(vec![answer, all()], &[]);
            assert_eq!((names(&observed), asked), (vec!["z"], vec!["since", "all"]), "{why}");
            assert_eq!(observed.evidence, [format!("read in full: {why}")]);
        }
    }

    #[test]
    fn a_sentinel_that_does_not_show_any_more_ends_the_trust_in_a_delta() {
        let (observed, asked) = run(vec![delta(&[], &[]), reading(&[("a", 1)])], &["a"]);
        assert_eq!((observed.gaps.len(), asked), (0, vec!["since", "only"]));
        let (observed, asked) = run(vec![delta(&[], &[]), reading(&[]), reading(&[("b", 2)])], &["a"]);
        assert_eq!(asked, ["since", "only", "all"]);
        assert!(observed.gaps[0].why.contains("the sentinel `a` was not shown"), "{:?}", observed.gaps);
        assert_eq!(observed.onward, None, "a reading with gaps is not gone on from");
    }
}
