//! What other planners did with a directory, and what accord does instead.

use crate::support::model_directory::{Account, Group, ID, Model, ModelKind};
use crate::support::policies::{Draft, day, window};
use accord::model::{Action, Instant};
use accord::plan::{AccountMemory, DirectoryInput, Filter, Inputs, Memory, Plan, PolicyMark, derive, file};
use accord::policy::settings::{GroupManage, Limit, LimitScope};
use accord::policy::{DirectoryId, Policy, Select};
use accord::provider::{Gap, GapScope, Kind, Observed};
use std::collections::BTreeMap;

/// A policy and the directory `corp`; `ext` is empty and nobody needs it.
struct Case {
    policy: Policy,
    model: Model,
    at: Instant,
    filter: Filter,
    memory: Memory,
}

impl Case {
    /// `people` in the group `corp/team`, all of them there already.
    fn settled(count: usize) -> Self {
        let keys: Vec<String> = (0..count).map(|n| format!("p{n:03}")).collect();
        let names: Vec<&str> = keys.iter().map(String::as_str).collect();
        let mut draft = Draft::new(&names, &[], &["corp/team"]);
        let entry = draft.people(&names);
        draft.add_to_group("corp/team", entry);
        for directory in &mut draft.policy.directories {
            directory.settings.accounts.id_attribute = Some(ID.to_owned());
        }
        let mut model = Model::default();
        let mut team = Group::default();
        for key in &keys {
            let id = Some(format!("id-{key}"));
            model.accounts.insert(key.clone(), Account { id, enabled: true, ..Account::default() });
            team.members.insert(key.clone());
        }
        model.groups.insert("team".to_owned(), team);
        Self { policy: draft.policy, model, at: day(100), filter: Filter::default(), memory: Memory::default() }
    }

    fn plan(&self) -> Plan {
        self.plan_of(&self.model.observed())
    }

    fn plan_of(&self, observed: &Observed) -> Plan {
        let kind = ModelKind::default();
        let empty = Observed::default();
        let directories = [
            DirectoryInput { id: DirectoryId(0), kind: &kind, observed },
            DirectoryInput { id: DirectoryId(1), kind: &kind, observed: &empty },
        ];
        let mark = PolicyMark::default();
        derive(&Inputs {
            policy: &self.policy,
            mark: &mark,
            directories: &directories,
            memory: &self.memory,
            at: self.at,
            read_only: false,
            filter: &self.filter,
        })
    }
}

fn words(plan: &Plan) -> Vec<String> {
    plan.changes.iter().map(accord::plan::draft::words).collect()
}

#[test]
fn a_settled_directory_needs_nothing() {
    let plan = Case::settled(40).plan();
    assert_eq!((words(&plan), plan.withheld.len()), (vec![], 0));
}

/// entitlements-app: the folder of groups was empty after a bad merge, 200 of 200
/// groups were deleted, exit 0.
#[test]
fn an_emptied_folder_deletes_nothing() {
    let mut case = Case::settled(40);
    for n in 0..200 {
        let members = case.model.accounts.keys().cloned().collect();
        case.model.groups.insert(format!("g{n:03}"), Group { members, ..Group::default() });
    }
    case.policy.directories[0].settings.groups.manage = GroupManage::Exclusive;
    case.policy.groups.clear();
    case.policy.entries.clear();
    let plan = case.plan();
    assert_eq!(words(&plan), Vec::<String>::new());
    assert_eq!(plan.withheld.len(), 201);
    let held = &plan.withheld[0];
    assert!(held.limit.as_ref().unwrap().contains("40 of"), "{held:#?}");
    assert!(held.setting.as_ref().unwrap().contains("--allow revocations=40"), "{held:#?}");
}

/// entitlements-app: the people search was cut off at 500 of 1,000 (result code 4);
/// half of all memberships were removed, "Successfully applied 199 change(s)!".
#[test]
fn a_read_cut_short_changes_nothing_that_hangs_on_it() {
    let case = Case::settled(40);
    let mut seen = case.model.clone();
    seen.accounts.retain(|name, _| name.as_str() < "p020");
    let gap = Gap { scope: GapScope::Accounts, why: "sizeLimitExceeded (4)".to_owned() };
    let plan = case.plan_of(&seen.observed_with(vec![gap]));
    assert_eq!((words(&plan), plan.withheld.len()), (vec![], 0));
    assert!(!plan.directories[0].complete);
    assert!(plan.notes.iter().any(|note| note.code == "incomplete" && note.text.contains("sizeLimitExceeded")));
}

/// The id of somebody whose own account was cut short is on another account too: that
/// one is not nobody's.
#[test]
fn an_account_with_the_id_of_somebody_unread_keeps_its_memberships() {
    let mut case = Case::settled(2);
    let spare = Account { id: Some("id-p000".to_owned()), enabled: true, ..Account::default() };
    case.model.accounts.insert("spare".to_owned(), spare);
    case.model.groups.get_mut("team").unwrap().members.insert("spare".to_owned());
    let gap = Gap { scope: GapScope::Account("p000".to_owned()), why: "cut short".to_owned() };
    let plan = case.plan_of(&case.model.observed_with(vec![gap]));
    assert_eq!((words(&plan), plan.withheld.len()), (vec![], 0));
}

/// A wrong people base (noSuchObject, 32) was read as "nobody": every group emptied.
#[test]
fn an_unread_directory_is_not_an_empty_one() {
    let case = Case::settled(40);
    let gap = Gap { scope: GapScope::Directory, why: "noSuchObject (32)".to_owned() };
    let plan = case.plan_of(&Observed { gaps: vec![gap], ..Observed::default() });
    assert_eq!((words(&plan), plan.withheld.len()), (vec![], 0));
    assert!(plan.notes.iter().any(|note| note.text.contains("nothing in `corp` is planned")));
}

/// user-sync: since 2.6.4 reaching the limit for removals stops the adds as well.
#[test]
fn a_limit_on_removals_does_not_stop_grants() {
    let mut case = Case::settled(60);
    for n in 0..50 {
        let name = format!("stale{n:02}");
        case.model.accounts.insert(name.clone(), Account { enabled: true, ..Account::default() });
        case.model.groups.get_mut("team").unwrap().members.insert(name);
    }
    case.model.groups.get_mut("team").unwrap().members.remove("p000");
    let plan = case.plan();
    assert_eq!(words(&plan), ["grant corp/team/p000"]);
    assert_eq!(plan.withheld.len(), 50);
    assert!(plan.withheld.iter().all(|held| held.change.action == Action::Revoke));
}

/// peribolos: a limit of a fraction alone stops one removal of three.
#[test]
fn a_small_group_may_change_below_the_floor() {
    let mut case = Case::settled(3);
    case.model.accounts.insert("tmp".to_owned(), Account { enabled: true, ..Account::default() });
    case.model.groups.get_mut("team").unwrap().members.insert("tmp".to_owned());
    assert_eq!(words(&case.plan()), ["revoke corp/team/tmp"]);
}

/// octoDNS: users hit a threshold and could not find the knob.
#[test]
fn a_limit_names_its_knob_and_the_knob_works() {
    let mut case = Case::settled(60);
    case.policy.guardrails.revocations = Limit { floor: 2, percent: 1, per: LimitScope::Directory };
    for n in 0..5 {
        let name = format!("stale{n}");
        case.model.accounts.insert(name.clone(), Account { enabled: true, ..Account::default() });
        case.model.groups.get_mut("team").unwrap().members.insert(name);
    }
    let held = &case.plan().withheld[0];
    assert_eq!(
        held.setting.as_deref(),
        Some("`guardrails.revocations`, or once: `--allow revocations=5 --ticket TICKET`")
    );
    case.filter.allow = BTreeMap::from([("revocations".to_owned(), 5)]);
    assert_eq!(case.plan().withheld.len(), 5, "without a ticket it stays withheld");
    case.filter.ticket = Some("INC-1".to_owned());
    assert_eq!(case.plan().changes.len(), 5);
    case.filter.allow = BTreeMap::from([("revocations".to_owned(), 4)]);
    assert_eq!(case.plan().withheld.len(), 5, "fewer than there are is not enough");
}

/// ssosync, idp-scim-sync: a renamed group was deleted and made anew, with a new id
/// and without its assignments.
#[test]
fn a_renamed_group_is_not_deleted_and_made_anew() {
    let mut case = Case::settled(4);
    let team = case.model.groups.remove("team").unwrap();
    case.model.groups.insert("crew".to_owned(), team);
    case.policy.groups[0].previously = Some("crew".into());
    case.policy.directories[0].settings.groups.manage = GroupManage::Exclusive;
    assert_eq!(words(&case.plan()), ["rename-group corp/crew"]);
}

/// A person who marries: the account is found by its id and an old name, not made a
/// second time.
#[test]
fn a_renamed_account_is_not_deleted_and_made_anew() {
    let mut case = Case::settled(4);
    case.policy.people[1].aliases.push("p001-old".into());
    let account = case.model.accounts.remove("p001").unwrap();
    case.model.accounts.insert("p001-old".to_owned(), account);
    let team = case.model.groups.get_mut("team").unwrap();
    team.members.remove("p001");
    team.members.insert("p001-old".to_owned());
    assert_eq!(words(&case.plan()), ["rename-account corp/p001-old"]);
}

/// The main account of somebody is missing, and an account for administration, which
/// nobody declared, carries the same id: it does not become the main one in silence.
#[test]
fn an_undeclared_second_account_is_not_taken_for_a_rename() {
    let mut case = Case::settled(4);
    let account = case.model.accounts.remove("p001").unwrap();
    case.model.accounts.insert("adm-p001".to_owned(), account);
    case.model.groups.get_mut("team").unwrap().members.remove("p001");
    let plan = case.plan();
    assert_eq!(words(&plan), Vec::<String>::new());
    let told: Vec<&str> = plan.withheld.iter().map(|held| held.reason.as_str()).collect();
    assert!(told[0].starts_with("`adm-p001` in `corp` carries the id of `p001`"), "{told:?}");
    assert!(!told[0].contains("  "), "{told:?}");
    // What an earlier run matched, or somebody says, is the account.
    let known =
        AccountMemory { person: Some("p001".to_owned()), disabled: None, object: None, label: Some(String::new()) };
    case.memory.accounts.insert(("corp".to_owned(), "adm-p001".to_owned()), known);
    assert_eq!(words(&case.plan()), ["rename-account corp/adm-p001", "grant corp/team/p001"]);
    case.memory = Memory::default();
    case.policy.people[1].adopt = true;
    assert_eq!(words(&case.plan()), ["rename-account corp/adm-p001", "grant corp/team/p001"]);
}

/// A leaver's account is disabled whatever its name: the id says whose it is.
#[test]
fn a_leaver_is_found_by_id_under_another_name() {
    let mut case = Case::settled(4);
    case.policy.people[1].periods[0].window = window(None, Some(50));
    let account = case.model.accounts.remove("p001").unwrap();
    case.model.accounts.insert("p001-old".to_owned(), account);
    case.model.groups.get_mut("team").unwrap().members.remove("p001");
    assert!(case.plan().changes.iter().any(|change| change.action == Action::DisableAccount));
}

/// A new person gets the name of one who left: what the old name was in must not
/// become theirs.
#[test]
fn a_new_person_does_not_inherit_an_old_name() {
    let mut case = Case::settled(4);
    case.model.accounts.remove("p001");
    let plan = case.plan();
    assert_eq!(words(&plan), Vec::<String>::new());
    let held: Vec<Action> = plan.withheld.iter().map(|held| held.change.action).collect();
    assert_eq!(held, [Action::CreateAccount, Action::Grant]);
    assert!(plan.withheld[0].reason.contains("still lists `p001`"), "{}", plan.withheld[0].reason);
}

/// An account with the right name and somebody else's id is not taken over.
#[test]
fn the_same_name_with_another_id_is_a_conflict() {
    let mut case = Case::settled(4);
    case.model.accounts.get_mut("p001").unwrap().id = Some("id-9".to_owned());
    case.model.groups.get_mut("team").unwrap().members.remove("p001");
    let plan = case.plan();
    assert_eq!(words(&plan), Vec::<String>::new());
    assert!(plan.withheld[0].reason.contains("`id-9`") && plan.withheld[0].reason.contains("`id-p001`"));
}

/// otterdog's own threat model: `apply` recomputes instead of executing what was
/// reviewed. Here an edited plan file is refused before anything else.
#[test]
fn an_edited_plan_file_is_refused() {
    let mut case = Case::settled(4);
    case.model.groups.get_mut("team").unwrap().members.remove("p001");
    let bytes = file::to_bytes(&case.plan());
    assert!(file::read(&bytes).is_ok());
    let edited = String::from_utf8(bytes).unwrap().replace("p001", "p002");
    assert!(matches!(file::read(edited.as_bytes()), Err(file::FileError::Digest { .. })));
}

/// Only what a date brought is done by a dated plan: an expiry, not a new line.
#[test]
fn a_dated_plan_holds_only_what_time_brought() {
    let mut case = Case::settled(4);
    let expiring = case.policy.entries.len();
    let mut entry = case.policy.entries[0].clone();
    let p1 = case.policy.person_named("p001").unwrap();
    if let Select::People(people) = &mut case.policy.entries[0].select {
        *people = people.iter().copied().filter(|person| *person != p1).collect();
    }
    entry.select = Select::People(vec![p1].into());
    entry.details.get_or_insert_default().window = window(None, Some(95));
    case.policy.entries.push(entry);
    case.policy.groups[0].members.push(accord::policy::EntryId(u32::try_from(expiring).unwrap()));
    case.model.groups.get_mut("team").unwrap().members.remove("p002");
    assert_eq!(words(&case.plan()), ["revoke corp/team/p001", "grant corp/team/p002"]);
    case.filter = Filter { dated: true, since: Some(day(90)), ..Filter::default() };
    assert_eq!(words(&case.plan()), ["revoke corp/team/p001"]);
    case.filter.since = Some(day(96));
    assert_eq!(words(&case.plan()), Vec::<String>::new());
    case.filter.since = None;
    assert_eq!(words(&case.plan()), Vec::<String>::new());
}

/// A leaver is disabled, and loses what they held, in that order of urgency.
#[test]
fn a_leaver_is_disabled_first() {
    let mut case = Case::settled(4);
    case.policy.people[1].periods[0].window = window(None, Some(99));
    assert_eq!(words(&case.plan()), ["disable-account corp/p001", "revoke corp/team/p001", "update-account corp/p001"]);
}

/// The last administrators are not removed, and the next one comes in first.
#[test]
fn a_minimum_of_members_is_kept_at_every_step() {
    let mut case = Case::settled(3);
    case.policy.guardrails.minimum_members.insert("corp/team".to_owned(), 3);
    case.policy.people[1].periods[0].window = window(None, Some(99));
    let plan = case.plan();
    assert_eq!(words(&plan), Vec::<String>::new());
    assert!(plan.withheld.iter().all(|held| held.limit.as_deref() == Some("at least 3; 3 now, 2 after")), "{plan:#?}");
    // With a successor the leaver goes, after the successor came.
    let mut case = Case::settled(4);
    case.policy.guardrails.minimum_members.insert("corp/team".to_owned(), 3);
    case.policy.people[1].periods[0].window = window(None, Some(99));
    case.model.groups.get_mut("team").unwrap().members.remove("p003");
    assert_eq!(
        words(&case.plan()),
        ["grant corp/team/p003", "disable-account corp/p001", "revoke corp/team/p001", "update-account corp/p001"]
    );
}

/// A server without a password policy: what its settings promise it does not keep. A
/// leaver's account is not passed over in silence, and nothing is planned that the
/// server refuses every time.
#[test]
fn a_leaver_where_the_server_cannot_disable_is_told() {
    let mut case = Case::settled(3);
    let left = case.policy.people.iter_mut().find(|person| person.key.as_ref() == "p000").unwrap();
    left.periods[0].window = window(None, Some(50));
    let mut observed = case.model.observed();
    let mut kept = ModelKind::default().capabilities().clone();
    kept.disable = false;
    kept.native_end = false;
    kept.actions.retain(|action| !matches!(action, Action::DisableAccount | Action::EnableAccount));
    observed.capabilities = Some(kept);
    let plan = case.plan_of(&observed);
    assert_eq!(words(&plan), ["revoke corp/team/p000"]);
    let held: Vec<_> = plan.withheld.iter().map(|held| held.change.action).collect();
    assert_eq!(held, [Action::DisableAccount]);
    assert!(plan.withheld[0].reason.contains("can still use it"), "{:#?}", plan.withheld);
    assert!(plan.withheld[0].setting.as_ref().unwrap().contains("accounts.disable"));
}
