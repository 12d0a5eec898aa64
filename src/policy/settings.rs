//! `accord.yaml`: directories and guardrails. The written form of a directory's
//! settings is plain data and is what providers are built from.
//!
//! Comes in: YAML through serde. Goes out: settings, JSON Schema. Refuses: secret
//! values (only references to secrets can be written).

pub use super::connection::{ClientCertificate, Tls, Urls};
pub use super::forge::{ForgeKind, ForgeSettings};
use crate::model::{Place, Term};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Number of a directory: position in `Policy::directories`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DirectoryId(pub u16);

/// A directory with its name.
#[derive(Debug, Clone)]
pub struct Directory {
    /// Name in the policy.
    pub name: Box<str>,
    /// What is written about it.
    pub settings: DirectorySettings,
    /// `accounts.for`, with the rule compiled.
    pub accounts_for: AccountsFor,
    /// The rules of `accounts.bases`, in their order; `None`: whoever no rule before took.
    pub bases: Vec<Option<super::RuleId>>,
    /// Where it was written.
    pub place: Place,
}

/// Who gets an account in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccountsFor {
    /// Whoever holds something there.
    #[default]
    Entitled,
    /// Everybody who is with the organisation.
    Everyone,
    /// Everybody with a position for which the rule is true.
    Rule(super::RuleId),
}

/// A live system that holds accounts and groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectorySettings {
    /// Which provider speaks to it.
    pub kind: ProviderKind,
    /// `ldaps://host[:port]`, `ldap://host[:port]` (StartTLS) or `ldapi://%2Fpath`. Of several (a list, or separated by spaces) the first that answers serves the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Urls>,
    /// `none` lets `ldap://` speak in the clear, only to this machine; `{ cert: FILE, key: { file: NAME } }` shows a certificate of accord's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// PEM file with the private certification authority, inside the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Who accord is when it writes (and when it reads, without `plan_bind`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind: Option<Bind>,
    /// Who accord is when it only reads: planning never holds a writer's credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_bind: Option<Bind>,
    /// The LDIF file of `kind: ldif`, inside the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Whether `apply` may make the LDIF file when it is not there.
    #[serde(default)]
    pub create: bool,
    /// Where people's accounts are and what they carry.
    #[serde(default)]
    pub accounts: AccountSettings,
    /// Where groups are and how far accord goes with them.
    #[serde(default)]
    pub groups: GroupSettings,
    /// What accord never touches.
    #[serde(default)]
    pub protect: Protect,
    /// What happens to the account of somebody whose last period has ended.
    #[serde(default)]
    pub leavers: Leavers,
    /// What happens to members that nobody declared.
    #[serde(default)]
    pub undeclared: Undeclared,
    /// Directories whose changes all come before this one's grants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// How far the number of accounts or groups may fall between two runs before the read is doubted, `10%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shrink: Option<String>,
    /// Accounts that every complete read shows; a read without one of them is not believed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sentinels: Vec<String>,
    /// How long reads may go on from the last one.
    #[serde(default)]
    pub refresh: Refresh,
    /// Seconds to wait for a connection (default 10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<u32>,
    /// Seconds to wait for one answer (default 60).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// Entries per page of a read (default 1000).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_size: Option<u32>,
}

/// Which provider speaks to a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderKind {
    /// One LDIF file (RFC 2849), written whole and atomically.
    Ldif,
    /// An LDAP server (RFC 4511): OpenLDAP and its relatives.
    Ldap,
    /// A domain of Microsoft Active Directory, or of Samba as its domain controller.
    ActiveDirectory,
}

impl ProviderKind {
    /// The word in the policy.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ldif => "ldif",
            Self::Ldap => "ldap",
            Self::ActiveDirectory => "active-directory",
        }
    }
}

impl DirectorySettings {
    /// The same with what its kind has as a default where nothing is written.
    #[must_use]
    pub fn filled(mut self) -> Self {
        if self.kind == ProviderKind::ActiveDirectory {
            self.accounts.match_attribute.get_or_insert_with(|| "sAMAccountName".to_owned());
            self.accounts.id_attribute.get_or_insert_with(|| "employeeID".to_owned());
            if self.accounts.object_classes.is_empty() {
                self.accounts.object_classes.push("user".to_owned());
            }
            self.groups.object_class.get_or_insert(GroupClass::Group);
        }
        self
    }
}

/// How accord proves who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bind {
    /// Distinguished name of the simple bind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dn: Option<String>,
    /// Its password, by reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
    /// `external`: SASL EXTERNAL (RFC 4422): who the certificate of `tls` or, over ldapi, the process belongs to; `gssapi`: Kerberos (RFC 4752), where accord was built with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sasl: Option<Sasl>,
}

/// A SASL mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sasl {
    /// RFC 4422 appendix A.
    External,
    /// Kerberos (RFC 4752), with the ticket in the credential cache of whoever runs accord.
    Gssapi,
}

/// Where a secret is; never the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum SecretRef {
    /// Name of an environment variable.
    Env(String),
    /// File inside `--secrets-dir`; one trailing line break is dropped.
    File(String),
    /// Program and arguments whose first output line (of a PEM key: all of it) is the secret; only with `--allow-exec`.
    Command(Vec<String>),
}

/// Where people's accounts are and what they carry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccountSettings {
    /// DN below which the accounts are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Several such DNs, chosen by rule, instead of `base`: the first rule that is true says where an account belongs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bases: Vec<AccountBase>,
    /// The attribute that carries the account name (default `uid`; Active Directory: `sAMAccountName`).
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub match_attribute: Option<String>,
    /// The attribute that carries the person's `id` (default in Active Directory: `employeeID`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_attribute: Option<String>,
    /// `full`: created, updated, disabled, deleted; `reference`: looked up only.
    pub manage: AccountManage,
    /// Who gets an account: `entitled` (whoever holds something here), `everyone`, or a rule.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub for_whom: Option<String>,
    /// Object classes of new accounts (default `inetOrgPerson`; Active Directory: `user`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub object_classes: Vec<String>,
    /// Directory attribute → where its value comes from.
    pub attributes: BTreeMap<String, AttributeSource>,
    /// Whether an existing account whose id is missing may be taken over by name, for a first run.
    pub adopt: bool,
    /// The attribute that disables an account where the server has no password policy, with the values for on and off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable: Option<DisableBy>,
    /// Whether the person's end is written to the directory's own end (`pwdEndTime`, `accountExpires`): `auto` where the server offers it.
    pub native_end: NativeEnd,
    /// How a new account gets its first password; without it, it gets none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_password: Option<SecretRef>,
    /// How long before somebody's first day (or return) the account is made, so that it is ready: `5d`. It cannot be used before that day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_before: Option<String>,
}

impl AccountSettings {
    /// Every DN below which accounts are, in the order written; the last is for whoever
    /// no rule takes.
    pub fn all_bases(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.base
            .iter()
            .filter(|_| self.bases.is_empty())
            .chain(self.bases.iter().map(|one| &one.base))
            .map(String::as_str)
    }

    /// How long before a person begins the account is made; one that is no term was
    /// refused when the policy was loaded.
    pub fn create_before(&self) -> Option<Term> {
        super::date::term(self.create_before.as_deref()?).ok()
    }
}

/// Where the accounts of some people are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountBase {
    /// Whose: a rule such as `person.kind == "service"`. The last base has none and takes everybody else.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Of second accounts with that label only: `admin`. Without it every account counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// DN below which their accounts are.
    pub base: String,
}

/// How far accord goes with accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AccountManage {
    /// Created, updated, renamed, disabled, deleted.
    #[default]
    Full,
    /// Looked up only.
    Reference,
}

/// Whether an end is kept in the directory too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NativeEnd {
    /// Where the server offers it.
    #[default]
    Auto,
    /// Never.
    Off,
}

/// An attribute whose value says whether an account can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DisableBy {
    /// The attribute.
    pub attribute: String,
    /// Its value on a disabled account.
    pub disabled: String,
    /// Its value on an enabled account; without one the attribute is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<String>,
}

/// Where the value of an account's attribute comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AttributeSource {
    /// An attribute of the person: `name`, `email`, `department`, …
    Person(String),
    /// A text in which words in braces are replaced.
    Template(Template),
    /// The account, in this directory, of the person whom a field names; written there as its DN.
    Account {
        /// `manager`, `sponsor` or `owner`.
        account: String,
    },
}

/// A text in which words in braces are replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Fixed text in which `{account}`, `{key}`, `{label}` (the word of a second account) and `{attribute}` are replaced.
    pub template: String,
    /// What second accounts have instead: `"{name} ({label})"`; an empty text is no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<String>,
}

impl Template {
    /// The text for an everyday or a second account; `None` where it has no value.
    pub fn text(&self, second: bool) -> Option<&str> {
        let own = self.second.as_deref().filter(|_| second);
        Some(own.unwrap_or(&self.template)).filter(|text| !text.is_empty())
    }
}

/// Where groups are and how far accord goes with them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GroupSettings {
    /// DN below which the groups are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Object class of groups (default `groupOfNames`; Active Directory: `group`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_class: Option<GroupClass>,
    /// `declared`: only groups named in the policy; `exclusive`: others under the base are deleted.
    pub manage: GroupManage,
    /// Further object classes of new groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub object_classes: Vec<String>,
    /// What `members: [group: …]` of a group in the same directory becomes: `accounts`, the people of that group one by one; `native`,
    /// the group itself as a member, where that gives the same people.
    pub nesting: Nesting,
    /// Member written into a group that may not be empty (default: the group's own DN).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placeholder: Option<String>,
    /// Whether the end of a grant is written as the membership's own end (Active Directory: a link with a time to live): `auto` where the server offers it.
    pub native_end: NativeEnd,
}

/// What becomes of a group in a group of the same directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Nesting {
    /// Its people are members, one by one.
    #[default]
    Accounts,
    /// It is a member itself; where that would give other people, they are members one by one.
    Native,
}

/// Object class of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum GroupClass {
    /// RFC 4519 §3.5: members are DNs, at least one.
    #[default]
    #[serde(rename = "groupOfNames")]
    GroupOfNames,
    /// RFC 4519 §3.6: members are DNs with an optional unique id, at least one.
    #[serde(rename = "groupOfUniqueNames")]
    GroupOfUniqueNames,
    /// RFC 2307 §3: members are account names, may be empty, has a `gidNumber`.
    #[serde(rename = "posixGroup")]
    PosixGroup,
    /// Active Directory: members are DNs, may be empty, has a scope and a type.
    #[serde(rename = "group")]
    Group,
}

/// How far accord goes with groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GroupManage {
    /// Only groups named in the policy.
    #[default]
    Declared,
    /// Groups under the base that the policy does not name are deleted.
    Exclusive,
}

/// What accord never touches: names or globs (`breakglass-*`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Protect {
    /// Accounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// Groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// What happens to a leaver's account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Leavers {
    /// First step.
    pub then: LeaverAction,
    /// Deleted that long after both the end and the disable: `30d`, or `never`.
    pub delete_after: String,
}

impl Default for Leavers {
    fn default() -> Self {
        Self { then: LeaverAction::Disable, delete_after: "never".to_owned() }
    }
}

/// First step with a leaver's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LeaverAction {
    /// Nothing but a line in the plan.
    Report,
    /// The account is disabled.
    #[default]
    Disable,
    /// The account is disabled, then deleted after `delete_after`.
    Delete,
}

/// How long reads may go on from the last one, reading only what changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Refresh {
    /// After so long everything is read again, whatever the directory says has changed: `24h`; `0h` is always.
    pub full_every: String,
}

impl Default for Refresh {
    fn default() -> Self {
        Self { full_every: "24h".to_owned() }
    }
}

/// What happens to members that nobody declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Undeclared {
    /// Revoked or reported.
    pub then: UndeclaredAction,
    /// How long after accord first saw it: `0h`, `24h`.
    pub after: String,
}

impl Default for Undeclared {
    fn default() -> Self {
        Self { then: UndeclaredAction::Revoke, after: "0h".to_owned() }
    }
}

/// What happens to members that nobody declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UndeclaredAction {
    /// Revoked.
    #[default]
    Revoke,
    /// Reported and kept.
    Report,
}

/// Limits on one plan: a class of changes is withheld when more objects than
/// `floor` AND more than `percent` of them are touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Guardrails {
    /// People who lose a membership.
    pub revocations: Limit,
    /// Accounts that are disabled.
    pub disables: Limit,
    /// People who gain a membership.
    pub grants: Limit,
    /// Accounts and groups that are deleted.
    pub deletions: Limit,
    /// `directory/group` → least number of enabled accounts in it.
    pub minimum_members: BTreeMap<String, u32>,
}

impl Default for Guardrails {
    fn default() -> Self {
        Self {
            revocations: Limit { floor: 25, percent: 20, per: LimitScope::Directory },
            disables: Limit { floor: 25, percent: 10, per: LimitScope::Directory },
            grants: Limit { floor: 200, percent: 20, per: LimitScope::Group },
            deletions: Limit { floor: 5, percent: 1, per: LimitScope::Directory },
            minimum_members: BTreeMap::new(),
        }
    }
}

/// One limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// So many are always allowed.
    pub floor: u32,
    /// So many of a hundred are always allowed.
    pub percent: u32,
    /// Over what is counted.
    #[serde(default)]
    pub per: LimitScope,
}

/// Over what a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LimitScope {
    /// Each directory for itself.
    #[default]
    Directory,
    /// Each group for itself.
    Group,
}
