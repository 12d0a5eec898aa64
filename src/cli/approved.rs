//! What may be given: who approved what came into the branch since a run last looked.
//!
//! Comes in: policies here, the journal, git, the forge as it was described then. Goes out:
//! what no approval covers, for the plan, and what the journal is to remember. Refuses: to
//! ask where the change says, to learn anything from a file or a message of a commit, and to
//! stop what takes access away because nobody can be asked: without an answer nothing is given.

use super::args::Since;
use super::directories::Live;
use super::failure::Failure;
use super::review;
use super::session::{self, Session};
use super::walk::{self, Walk};
use crate::history::{self, Branch};
use crate::plan::draft::Reason;
use crate::plan::unapproved::{Before, Lacking, RestsOn, Unapproved};
use crate::policy::Policy;
use crate::record::{self, Approved};
use crate::review::approvals::{About, Given, approvals};
use crate::review::ledger::{Access, Missing};
use crate::review::{Side, difference};
use std::collections::BTreeSet;

/// What may be given, and what the journal is to remember of that.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// For the plan.
    pub(super) unapproved: Unapproved,
    /// For the journal.
    pub(super) record: Option<Approved>,
    /// Whether the journal does not know it yet.
    pub(super) is_news: bool,
}

impl Found {
    fn barred(record: Approved, why: impl Into<String>, todo: impl Into<String>) -> Self {
        let reason = Reason::new(why, todo);
        Self {
            unapproved: Unapproved { barred: Some(reason), ..Unapproved::default() },
            record: Some(record),
            is_news: false,
        }
    }
}

/// How to name a commit from which approvals count.
const NAME_IT: &str = "look at what it gives, then name it once: --approved-since REV";

/// Looks. `request` is the one that these policies are of, where it is not merged yet.
///
/// # Errors
/// When the journal or git cannot be read, or `--approved-since` names no commit.
pub(super) fn find(session: &Session<'_>, live: &Live, since: &Since, request: Option<u64>) -> Result<Found, Failure> {
    let root = &session.repository.root;
    let folder = record::journal_folder(root);
    let known = record::approved(&folder).map_err(|error| Failure::file(&folder, "read", &error))?;
    let named = since.approved_since.as_deref().map(|name| history::commit_of(root, name)).transpose()?;
    let known = match named {
        Some(commit) => Approved { since: Some(commit), named: true, ..Approved::default() },
        None => known.unwrap_or_default(),
    };
    let head = session.mark.commit.clone();
    let asks = |policy: &Policy| !policy.oversight.approvals.is_empty() || !policy.oversight.owners.is_empty();
    let Some(base) = known.since.clone() else {
        return Ok(match head {
            Some(head) if !asks(&session.policy) => whole(&Approved::default(), &head, session),
            Some(_) => Found::barred(
                known,
                "there are `approvals`, and no run of accord says up to which commit access was approved",
                NAME_IT,
            ),
            None if asks(&session.policy) => Found::barred(
                known,
                "there are `approvals`, and these policies are in no commit: nobody can have approved them",
                "git init, commit, and have changes reviewed where `forge` says",
            ),
            None => Found::default(),
        });
    };
    let Some(head) = head else {
        let why = "the policies were in git when they were applied last, and are in no commit now";
        return Ok(Found::barred(known, why, "run accord in the repository"));
    };
    if base == head && !session.mark.dirty {
        return Ok(whole(&known, &head, session));
    }
    let Some(branch) = Branch::open(&session.repository.policies)? else { return Ok(Found::default()) };
    if !branch.has(&base) {
        let why = format!("git does not have the commit {} here, up to which access was approved", short(&base));
        return Ok(Found::barred(known, why, "git fetch --unshallow"));
    }
    if !asks(&session.policy) && !session::mentions(session, &base, &["approvals", "policy_owners"])? {
        return Ok(whole(&known, &head, session));
    }
    let Some(before) = session::quietly(session, &base) else {
        let why = format!("the policies of {}, up to which access was approved, cannot be understood", short(&base));
        return Ok(Found::barred(known, why, NAME_IT));
    };
    if !asks(&session.policy) && !asks(&before) {
        return Ok(whole(&known, &head, session));
    }
    Ok(compare((session, live), &branch, &before, &known, request))
}

/// Everything up to `head` is approved, or needs no approval. Of what is not committed
/// nothing is remembered.
fn whole(known: &Approved, head: &str, session: &Session<'_>) -> Found {
    let record = if session.mark.dirty && known.since.is_some() {
        known.clone()
    } else {
        Approved { since: Some(head.to_owned()), named: known.named, ..Approved::default() }
    };
    Found { record: Some(record), ..Found::default() }
}

fn compare(
    (session, live): (&Session<'_>, &Live),
    branch: &Branch,
    before: &Policy,
    known: &Approved,
    request: Option<u64>,
) -> Found {
    let references = walk::references(session, live);
    let (base, head) = (known.since.clone().unwrap_or_default(), session.mark.commit.clone().unwrap_or_default());
    let (ours, theirs) = (references.of(&session.policy), references.of(before));
    let found = difference(Side::new(before, &theirs, session.now), Side::new(&session.policy, &ours, session.now));
    let needs = approvals(&found, Given::default()).needs;
    if needs.is_empty() {
        return whole(known, &head, session);
    }
    let is_loosened = needs.iter().any(|need| matches!(need.about, About::Judge(_)));
    let wanted: BTreeSet<Access> =
        needs.iter().flat_map(|need| &need.access).map(|one| Access::of(&found, *one)).collect();
    let mut walk = Walk::new(session, branch, &references, before, known);
    // Whatever keeps the forge from being asked keeps nothing back but what would be given.
    let asked = review::reader(session.global, before, &session.repository.root, &base);
    let silent = match asked {
        Ok(reader) => walk.follow(&reader, request).err(),
        Err(failure) => Some(failure),
    };
    let silent = silent.map(|failure| told(&failure));
    let since = walk.whole.clone();
    let rests_on = RestsOn { since: base, steps: std::mem::take(&mut walk.steps), lacking: 0 };
    let else_why = silent.clone().unwrap_or_else(|| "no step of the branch shows how it came".to_owned());
    let ledger = walk.ledger;
    let agreed = ledger.agreed().intersection(&wanted);
    let access: Vec<_> = agreed.map(|one| (one.person.clone(), one.entitlement.clone(), one.account.clone())).collect();
    let lacking = ledger.lacking(&found, &else_why);
    let is_whole = silent.is_none() && lacking.is_empty() && !session.mark.dirty;
    let record = match (is_whole, silent.is_some()) {
        (true, _) => Approved { since: Some(head), named: known.named, ..Approved::default() },
        (false, true) => known.clone(),
        (false, false) => Approved { since: Some(since), until: Some(head), access, named: known.named },
    };
    let barred = match (lacking.judges.first(), &silent) {
        (None, None) => None,
        // Whom it concerns is known, and those who may agree are those of before.
        (None, Some(_)) if !is_loosened => None,
        (Some(first), None) => Some(Reason::new(
            format!("by what changes are judged was loosened without those who may: {first}"),
            HOW_TO_AGREE,
        )),
        (_, Some(why)) => Some(Reason::new(format!("nobody could be asked who approved it: {why}"), TRY_AGAIN)),
    };
    let access: Vec<Lacking> = lacking
        .access
        .iter()
        .filter_map(|(access, missing)| one(&session.policy, access, missing, silent.as_ref()))
        .collect();
    let rests_on = RestsOn { lacking: (lacking.access.len() + lacking.judges.len()) as u64, ..rests_on };
    let unapproved = Unapproved { rests_on: Some(rests_on), barred, access };
    let is_news = is_whole || Some(&record) != Some(known);
    Found { unapproved, record: Some(record), is_news }
}

const HOW_TO_AGREE: &str = "have the request approved (`accord review approvals BASE..HEAD --request N`), or revert it and open one, then apply again";

const TRY_AGAIN: &str = "apply again when the forge answers; what takes access away did not wait";

/// In the words of the plan.
fn one(policy: &Policy, access: &Access, missing: &Missing, silent: Option<&String>) -> Option<Lacking> {
    let before = match (missing.was_held, silent) {
        (Some(true), _) => Before::Held,
        // An answer that did not come takes nothing away either.
        (Some(false), None) => Before::NotHeld,
        _ => Before::Unknown,
    };
    Some(Lacking {
        group: policy.group_named(&access.entitlement)?,
        person: policy.person_named(&access.person)?,
        label: policy.label_of(access.account.as_deref())?,
        reason: Reason::new(format!("not approved: {}", missing.why), HOW_TO_AGREE),
        before,
    })
}

/// What a failure says, in one line.
fn told(failure: &Failure) -> String {
    match failure {
        Failure::Said(why, help, _) => [std::slice::from_ref(why), help].concat().join("; "),
        _ => "the policies have errors".to_owned(),
    }
}

/// As much of a commit's name as people read.
pub(super) fn short(commit: &str) -> String {
    commit.chars().take(12).collect()
}

/// The options with which a run that goes on is told the same.
pub(super) fn again(since: &Since) -> Option<(&'static str, String)> {
    since.approved_since.clone().map(|name| ("--approved-since", name))
}
