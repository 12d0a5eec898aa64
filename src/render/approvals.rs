//! The answer to `accord review approvals`.
//!
//! Comes in: a difference and who agreed. Goes out: text, Markdown and data for JSON.
//! Refuses: to decide anything.

use super::audience::Shown;
use super::escape;
use crate::review::approvals::{About, Approvals, Need, claims};
use crate::review::{Difference, Membership};
use serde::Serialize;
use std::fmt::Write as _;

/// Memberships that are shown for each need.
const SHOWN: usize = 20;

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// The commit before the change.
    pub base: String,
    /// The change's last commit: only approvals of exactly this one count.
    pub head: String,
    /// The request, as people call it: `example/access#12`.
    pub request: Option<String>,
    /// Who asks for the change, on the forge.
    pub author: Option<String>,
    /// What shows that all reviews were read.
    pub evidence: Vec<String>,
}

/// Who must agree, who has, and who could.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    #[serde(flatten)]
    asked: Asked,
    covered: bool,
    unguarded: bool,
    needs: Vec<Line>,
    claimed: Vec<Claimed>,
    not_counted: Vec<Uncounted>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Line {
    kind: &'static str,
    name: String,
    covered: bool,
    count: usize,
    approved_by: Vec<String>,
    could_approve: Vec<String>,
    access: Vec<Access>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Access {
    person: String,
    entitlement: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
}

/// What a file says of who approved an access.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Claimed {
    #[serde(flatten)]
    access: Access,
    approved_by: String,
    /// Whether a review of the change's last commit says so too.
    reviewed: bool,
    file: String,
    line: u32,
}

/// An account on the forge whose verdict does not count, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Uncounted {
    /// Its name.
    pub account: String,
    /// Why.
    pub why: String,
}

impl Report {
    /// Puts it into words. `uncounted`: what the forge's reader did not count.
    pub fn new(difference: &Difference<'_>, found: &Approvals, asked: Asked, uncounted: Vec<Uncounted>) -> Self {
        let mut not_counted = uncounted;
        not_counted.extend(
            found.mute.iter().map(|mute| Uncounted { account: mute.account.login.to_string(), why: mute.why.clone() }),
        );
        let needs = found.needs.iter().map(|need| line(difference, need)).collect();
        let claimed = claims(difference, &found.voices).into_iter().map(|claim| {
            let (file, line) = difference.head.policy.locate(claim.place);
            let access = access(difference, claim.membership);
            Claimed { access, approved_by: claim.by, reviewed: claim.matches, file: file.to_string(), line }
        });
        let claimed = claimed.collect();
        Self { asked, covered: found.is_covered(), unguarded: found.unguarded, needs, claimed, not_counted }
    }
}

fn access(difference: &Difference<'_>, membership: Membership) -> Access {
    Access {
        person: difference.person_key(membership).to_owned(),
        entitlement: difference.entitlement(membership.group),
        account: difference.account(membership).map(str::to_owned),
    }
}

fn line(difference: &Difference<'_>, need: &Need) -> Line {
    let (kind, name) = match &need.about {
        About::Access(rule) => ("access", rule.to_string()),
        About::Judge(what) => ("policy", what.clone()),
    };
    let access = need.access.iter().map(|membership| access(difference, *membership));
    Line {
        kind,
        name,
        covered: need.is_covered(),
        count: need.count,
        approved_by: need.did.clone(),
        could_approve: need.could.iter().filter(|key| !need.did.contains(key)).cloned().collect(),
        access: access.collect(),
    }
}

impl Report {
    /// Leaves out what an audience may not see: for everybody but auditors the evidence,
    /// which may quote; for the public names and whatever may hold one.
    pub(super) fn redact(
        &mut self,
        public: bool,
        person: &dyn Fn(&str) -> String,
        entitlement: &dyn Fn(&str) -> String,
    ) {
        self.asked.evidence.clear();
        if !public {
            return;
        }
        self.claimed.clear();
        self.asked.author = self.asked.author.as_ref().map(|_| "somebody".to_owned());
        for uncounted in &mut self.not_counted {
            *uncounted = Uncounted { account: "somebody".to_owned(), why: "it does not count".to_owned() };
        }
        for line in &mut self.needs {
            if line.kind == "policy" {
                "what judges".clone_into(&mut line.name);
            }
            for list in [&mut line.approved_by, &mut line.could_approve] {
                *list = list.iter().map(|key| person(key)).collect();
                list.sort_unstable();
            }
            for access in &mut line.access {
                let (who, what) = (person(&access.person), entitlement(&access.entitlement));
                *access = Access { person: who, entitlement: what, account: None };
            }
            line.access.sort_by(|a, b| (&a.person, &a.entitlement).cmp(&(&b.person, &b.entitlement)));
        }
    }
}

impl Line {
    fn state(&self) -> &'static str {
        if self.covered { "covered" } else { "missing" }
    }

    fn what(&self) -> String {
        if self.kind == "access" { format!("approval `{}`", self.name) } else { self.name.clone() }
    }

    /// Who agreed and who could, in one sentence.
    fn who(&self) -> String {
        let Self { approved_by, could_approve, count, .. } = self;
        let agreed = if approved_by.is_empty() {
            "nobody agreed".to_owned()
        } else {
            format!("agreed: {}", approved_by.join(", "))
        };
        if self.covered {
            return agreed;
        }
        let left = count - approved_by.len();
        let could = if could_approve.len() < left {
            format!("{left} more must agree, and only {} could: name more policy owners first", could_approve.len())
        } else {
            format!("{left} more of: {}", could_approve.join(", "))
        };
        format!("{agreed}; {could}")
    }
}

impl Claimed {
    fn words(&self) -> String {
        let Self { access, approved_by, reviewed, file, line } = self;
        let so = if *reviewed { "a review says so too" } else { "no review of the last commit says so" };
        format!("{}: approved by {approved_by} ({file}:{line}); {so}", access.words())
    }
}

impl Access {
    fn words(&self) -> String {
        let account = self.account.as_ref().map(|label| format!(" (account {label})")).unwrap_or_default();
        format!("{} in {}{account}", self.person, self.entitlement)
    }
}

/// For a terminal.
pub fn text(report: &Shown<'_, Report>) -> String {
    let mut out = String::new();
    let asked = &report.asked;
    let request = asked.request.as_ref().map(|request| format!(", request {request}")).unwrap_or_default();
    let author = asked.author.as_ref().map(|author| format!(" by {author}")).unwrap_or_default();
    let mut say = |line: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", escape::terminal(&line));
    };
    say(format!("approvals of {}..{}{request}{author}", short(&asked.base), short(&asked.head)));
    for line in &report.needs {
        say(format!("{}  {}: {}", line.state(), line.what(), line.who()));
        for access in line.access.iter().take(SHOWN) {
            say(format!("         {}", access.words()));
        }
        if line.access.len() > SHOWN {
            say(format!("         and {} more", line.access.len() - SHOWN));
        }
    }
    for claim in report.claimed.iter().take(SHOWN) {
        say(format!("claimed  {}", claim.words()));
    }
    if report.claimed.len() > SHOWN {
        say(format!("claimed  and {} more", report.claimed.len() - SHOWN));
    }
    for Uncounted { account, why } in &report.not_counted {
        say(format!("not counted: {account}: {why}"));
    }
    if report.unguarded {
        say(UNGUARDED.to_owned());
    }
    for evidence in &asked.evidence {
        say(format!("read: {evidence}"));
    }
    say(verdict(report).to_owned());
    out
}

const UNGUARDED: &str =
    "nobody was charged with approving before this change (`policy_owners`), so what judges is not guarded yet";

fn verdict(report: &Report) -> &'static str {
    match (report.needs.is_empty(), report.covered) {
        (true, _) => "nothing needs an approval",
        (false, true) => "everything that needs an approval has it",
        (false, false) => "approvals are missing",
    }
}

/// For a comment on the request.
pub fn markdown(report: &Shown<'_, Report>) -> String {
    let mut out = String::new();
    let (base, head) = (short(&report.asked.base), short(&report.asked.head));
    // Writing to a String cannot fail.
    let _ = writeln!(out, "### Approvals of `{base}..{head}`: {}\n", verdict(report));
    for line in &report.needs {
        let mark = if line.covered { "x" } else { " " };
        let _ = writeln!(out, "- [{mark}] {}: {}", escape::markdown(&line.what()), escape::markdown(&line.who()));
        for access in line.access.iter().take(SHOWN) {
            let _ = writeln!(out, "  - {}", escape::markdown(&access.words()));
        }
        if line.access.len() > SHOWN {
            let _ = writeln!(out, "  - and {} more", line.access.len() - SHOWN);
        }
    }
    if !report.claimed.is_empty() {
        let _ = writeln!(out, "\nClaimed in the files:\n");
        for claim in report.claimed.iter().take(SHOWN) {
            let _ = writeln!(out, "- {}", escape::markdown(&claim.words()));
        }
        if report.claimed.len() > SHOWN {
            let _ = writeln!(out, "- and {} more", report.claimed.len() - SHOWN);
        }
    }
    if !report.not_counted.is_empty() {
        let _ = writeln!(out, "\nNot counted:\n");
        for Uncounted { account, why } in &report.not_counted {
            let _ = writeln!(out, "- {}: {}", escape::markdown(account), escape::markdown(why));
        }
    }
    if report.unguarded {
        let _ = writeln!(out, "\n{}", escape::markdown(UNGUARDED));
    }
    out
}

fn short(commit: &str) -> String {
    commit.chars().take(12).collect()
}
