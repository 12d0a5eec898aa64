//! Whether a read that claims to be complete is believed.
//!
//! Comes in: what was read, what earlier runs saw, which accounts must show. Goes
//! out: gaps. Refuses: nothing else; a doubt never removes what was seen.

use super::Observed;
use crate::model::state::AccountRef;
use crate::policy::settings::DirectorySettings;
use crate::provider::{Gap, GapScope, Scope};

/// So many fewer objects are never taken for a sign: small directories change by
/// large shares.
const NOISE: u64 = 10;
/// How far a count may fall where the settings do not say, in hundredths.
const SHRINK: u64 = 10;

/// Numbers of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Accounts.
    pub accounts: u64,
    /// Groups.
    pub groups: u64,
}

/// What a complete read of one directory must show.
#[derive(Debug, Clone, Default)]
pub struct Checks {
    /// Accounts that every complete read shows, with every compared attribute.
    pub sentinels: Vec<String>,
    /// How far the counts may fall, in hundredths.
    pub shrink: Option<u64>,
    /// What the last run left behind, if there was one.
    pub earlier: Option<Counts>,
}

impl Checks {
    /// The checks that the settings ask for. A `shrink` that is no percentage is
    /// the policy loader's to refuse; here the default stands in.
    pub fn new(settings: &DirectorySettings, earlier: Option<Counts>) -> Self {
        let percent = |text: &str| text.trim().trim_end_matches('%').trim_end().parse().ok();
        Self { sentinels: settings.sentinels.clone(), shrink: settings.shrink.as_deref().and_then(percent), earlier }
    }

    /// The doubts about a read.
    pub(super) fn doubts(&self, observed: &Observed, scope: &Scope) -> Vec<Gap> {
        let mut out: Vec<Gap> = self.sentinels.iter().filter_map(|name| sentinel(observed, scope, name)).collect();
        if let Some(earlier) = self.earlier {
            let now = observed.counts();
            out.extend(self.fall("accounts", GapScope::Accounts, earlier.accounts, now.accounts));
            out.extend(self.fall("groups", GapScope::Groups, earlier.groups, now.groups));
        }
        out
    }

    fn fall(&self, what: &str, scope: GapScope, earlier: u64, now: u64) -> Option<Gap> {
        let percent = self.shrink.unwrap_or(SHRINK);
        let lost = earlier.saturating_sub(now);
        let limit = earlier.saturating_mul(percent) / 100;
        (lost > limit && lost > NOISE).then(|| Gap {
            scope,
            why: format!(
                "{now} {what} were read, the last run left {earlier}: {lost} fewer, more than `shrink: {percent}%` allows ({limit}); \
                 if they really are gone, raise `shrink` for one run"
            ),
        })
    }
}

fn sentinel(observed: &Observed, scope: &Scope, name: &str) -> Option<Gap> {
    let Some(account) = observed.state.account_named(name) else {
        let why = format!("the sentinel `{name}` was not shown: hidden by an access rule, or the base is wrong");
        return Some(Gap { scope: GapScope::Directory, why });
    };
    let hidden = hidden(observed, scope, account)?;
    let why = format!("`{hidden}` of the sentinel `{name}` was not shown: hidden by an access rule");
    Some(Gap { scope: GapScope::Directory, why })
}

/// The first compared attribute of which an account shows no value.
fn hidden<'s>(observed: &Observed, scope: &'s Scope, account: AccountRef<'_>) -> Option<&'s str> {
    let empty = |wanted: &&str| {
        let n = observed.state.attributes().iter().position(|name| name.as_ref() == *wanted);
        n.is_none_or(|n| account.values(n).next().is_none())
    };
    scope.account_attributes.iter().map(AsRef::as_ref).find(empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Matching, StateBuilder};

    fn seen(accounts: usize) -> Observed {
        let mut builder = StateBuilder::new(Matching::CaseIgnore, ["cn", "mail"]);
        for n in 0..accounts {
            let slot = builder.account(&format!("p{n:03}"), &format!("uid=p{n:03}"));
            builder.add_value(slot, 0, "somebody");
        }
        Observed { state: builder.finish().unwrap(), ..Observed::default() }
    }

    fn scope() -> Scope {
        Scope { account_attributes: vec!["cn".into(), "mail".into()], ..Scope::default() }
    }

    #[test]
    fn a_fall_beyond_shrink_is_a_gap_and_a_small_one_is_not() {
        let earlier = Some(Counts { accounts: 200, groups: 0 });
        let checks = Checks { earlier, ..Checks::default() };
        assert!(checks.doubts(&seen(180), &scope()).is_empty());
        let gaps = checks.doubts(&seen(179), &scope());
        assert_eq!(gaps.len(), 1);
        assert_eq!(gaps[0].scope, GapScope::Accounts);
        assert!(gaps[0].why.starts_with("179 accounts were read, the last run left 200: 21 fewer"), "{}", gaps[0].why);
        let few = Checks { earlier: Some(Counts { accounts: 12, groups: 0 }), ..Checks::default() };
        assert!(few.doubts(&seen(2), &scope()).is_empty());
        assert_eq!(few.doubts(&seen(1), &scope()).len(), 1);
    }

    #[test]
    fn a_sentinel_that_is_hidden_or_stripped_is_a_gap_for_everything() {
        let missing = Checks { sentinels: vec!["canary".to_owned()], ..Checks::default() };
        assert!(missing.doubts(&seen(3), &scope())[0].why.contains("`canary` was not shown"));
        let stripped = Checks { sentinels: vec!["p001".to_owned()], ..Checks::default() };
        let gaps = stripped.doubts(&seen(3), &scope());
        assert_eq!(gaps[0].scope, GapScope::Directory);
        assert!(gaps[0].why.contains("`mail` of the sentinel `p001`"), "{}", gaps[0].why);
        let whole = Scope { account_attributes: vec!["cn".into()], ..Scope::default() };
        assert!(stripped.doubts(&seen(3), &whole).is_empty());
    }
}
