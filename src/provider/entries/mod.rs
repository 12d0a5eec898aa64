//! How LDAP-shaped entries and the model translate into each other. Shared by every
//! kind whose objects are entries with attributes.
//!
//! Comes in: a directory's settings; entries; changes. Goes out: a [`Schema`], with
//! it a [`State`](crate::model::State) from entries ([`Collector`]) and edits of
//! entries from changes ([`Schema::edit`]). Refuses: connections, files, and
//! credential attributes in either direction.

mod collect;
mod dialect;
mod edit;
mod kind;
mod loose;
mod protection;
mod ranges;
mod table;
pub mod time;
mod trace;

pub use collect::{Collected, Collector, EVERY, Entry, without_unique_id};
pub use dialect::Dialect;
pub use edit::{Assert, Edit, Mod};
pub use kind::EntryKind;
pub use loose::{Loose, loose, mentioning};
pub(in crate::provider) use table::{Found, Table};
pub(crate) use trace::{Named, ambiguous};
pub use trace::{Relative, Traced};

use super::ProviderError;
use super::active_directory::CONTROL;
use super::active_directory::protection::ASKED;
use super::dn;
use crate::model::Matching;
use crate::policy::settings::{AttributeSource, Directory, DisableBy, GroupClass, NativeEnd};

/// Attribute of the password policy (draft-behera-ldap-password-policy §5.3.3) that
/// says since when an account is locked.
pub const LOCKED: &str = "pwdAccountLockedTime";
/// The value of [`LOCKED`] that only an administrator can lift.
pub const LOCKED_FOR_GOOD: &str = "000001010000Z";
/// Attribute of the password policy (§5.3.11) after which nobody can log in.
pub const END: &str = "pwdEndTime";

/// Attributes that hold credentials: never asked for, never read into a state.
const CREDENTIALS: &[&str] = &[
    "userpassword",
    "authpassword",
    "unicodepwd",
    "dbcspwd",
    "ntpwdhistory",
    "lmpwdhistory",
    "pwdhistory",
    "sambantpassword",
    "sambalmpassword",
    "krbprincipalkey",
    "oathsecret",
    "ipanthash",
];

/// Whether an attribute holds a credential.
pub fn is_credential(attribute: &str) -> bool {
    let bare = attribute.split(';').next().unwrap_or(attribute);
    CREDENTIALS.iter().any(|name| name.eq_ignore_ascii_case(bare))
        || (bare.contains('.') && CREDENTIALS.contains(&dn::type_key(bare).as_ref()))
}

/// How an account is made unusable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disabling {
    /// [`LOCKED`] carries [`LOCKED_FOR_GOOD`].
    Locked,
    /// An attribute of the organisation's own carries a value.
    By(DisableBy),
    /// One bit of `userAccountControl` is set.
    AccountControl,
}

/// An entry that others are below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Its DN, as written.
    pub dn: Box<str>,
    /// Its comparison key.
    pub key: Box<str>,
}

/// What a directory's settings say about its entries, with every default filled in.
#[derive(Debug, Clone)]
pub struct Schema {
    /// Name of the directory in the policy.
    pub directory: Box<str>,
    /// How entries of this family of directories are made.
    pub dialect: Dialect,
    /// DNs below which the accounts are; at least one, and the last is for whoever no rule takes.
    pub bases: Vec<Base>,
    /// DN below which the groups are, as written; `None`: groups are not managed here.
    pub groups_base: Option<Box<str>>,
    /// Its comparison key.
    pub groups_key: Option<Box<str>>,
    /// The attribute that carries the account name.
    pub name_attribute: Box<str>,
    /// The attribute that carries the person's `id`.
    pub id_attribute: Option<Box<str>>,
    /// Object classes of new accounts.
    pub account_classes: Vec<Box<str>>,
    /// Compared account attributes, sorted.
    pub attributes: Vec<Box<str>>,
    /// Those of them that hold the DN of another account, which states call by name.
    pub references: Vec<Box<str>>,
    /// How accounts are disabled.
    pub disabling: Disabling,
    /// Whether the end of an account ([`Self::end_attribute`]) is read and written.
    pub native_end: bool,
    /// Whether memberships get an end of their own where the server offers it.
    pub link_ends: bool,
    /// Object class of groups.
    pub group_class: GroupClass,
    /// Further object classes of new groups.
    pub group_classes: Vec<Box<str>>,
    /// Whether the server lets a group of that class be without members, so that only
    /// a configured placeholder is written.
    pub may_be_empty: bool,
    /// The configured placeholder member, as written.
    pub placeholder: Option<Box<str>>,
    /// Its comparison key.
    placeholder_key: Option<Box<str>>,
}

impl Schema {
    /// The schema of a directory. `native_end` is whether entries of this kind of
    /// directory can carry an end; the settings can only switch it off.
    ///
    /// # Errors
    /// [`ProviderError`] when a base is missing or no DN, or a credential is mapped.
    pub fn new(directory: &Directory, native_end: bool) -> Result<Self, ProviderError> {
        let fail = |message: String, help: &str| ProviderError {
            directory: directory.name.to_string(),
            operation: "settings".to_owned(),
            message,
            help: vec![help.to_owned()],
        };
        let key = |setting: &str, text: &str| {
            dn::key(text).map(|key| Box::from(key.as_ref())).map_err(|error| {
                fail(format!("`{setting}`: {error}"), "write a DN such as `ou=people,dc=example,dc=com`")
            })
        };
        let settings = directory.settings.clone().filled();
        let dialect = Dialect::of(settings.kind);
        let (accounts, groups) = (&settings.accounts, &settings.groups);
        let bases = accounts.all_bases().map(|base| Ok(Base { dn: base.into(), key: key("accounts.base", base)? }));
        let bases = bases.collect::<Result<Vec<Base>, ProviderError>>()?;
        if bases.is_empty() {
            return Err(fail(
                "`accounts.base` is missing".to_owned(),
                "say where the accounts are: `accounts: { base: \"ou=people,dc=example,dc=com\" }`",
            ));
        }
        let mut mapped = accounts.attributes.keys().chain(&accounts.match_attribute).chain(&accounts.id_attribute);
        if let Some(secret) = mapped.find(|attribute| is_credential(attribute)) {
            return Err(fail(
                format!("`{secret}` holds a credential and is never read or compared"),
                "remove it; `accounts.initial_password` gives new accounts a first password",
            ));
        }
        Ok(Self {
            directory: directory.name.clone(),
            dialect,
            bases,
            groups_key: groups.base.as_deref().map(|base| key("groups.base", base)).transpose()?,
            groups_base: groups.base.as_deref().map(Into::into),
            name_attribute: accounts.match_attribute.as_deref().unwrap_or("uid").into(),
            id_attribute: accounts.id_attribute.as_deref().map(Into::into),
            account_classes: or_default(&accounts.object_classes, "inetOrgPerson"),
            attributes: accounts.attributes.keys().map(|name| name.as_str().into()).collect(),
            references: accounts
                .attributes
                .iter()
                .filter(|(_, source)| matches!(source, AttributeSource::Account { .. }))
                .map(|(name, _)| name.as_str().into())
                .collect(),
            disabling: dialect.disabling(accounts.disable.as_ref()),
            native_end: native_end && accounts.native_end == NativeEnd::Auto,
            link_ends: groups.native_end == NativeEnd::Auto,
            group_class: groups.object_class.unwrap_or_default(),
            group_classes: groups.object_classes.iter().map(|class| class.as_str().into()).collect(),
            may_be_empty: false,
            placeholder_key: groups.placeholder.as_deref().map(|dn| key("groups.placeholder", dn)).transpose()?,
            placeholder: groups.placeholder.as_deref().map(Into::into),
        })
    }

    /// Whether an account attribute holds the DN of another account.
    pub fn is_reference(&self, attribute: &str) -> bool {
        self.references.iter().any(|name| dn::type_key(name) == dn::type_key(attribute))
    }

    /// The attribute that holds the members of a group.
    pub fn member_attribute(&self) -> &'static str {
        match self.group_class {
            GroupClass::GroupOfNames | GroupClass::Group => "member",
            GroupClass::GroupOfUniqueNames => "uniqueMember",
            GroupClass::PosixGroup => "memberUid",
        }
    }

    /// The name of the groups' object class.
    pub fn group_class_name(&self) -> &'static str {
        match self.group_class {
            GroupClass::GroupOfNames => "groupOfNames",
            GroupClass::GroupOfUniqueNames => "groupOfUniqueNames",
            GroupClass::PosixGroup => "posixGroup",
            GroupClass::Group => "group",
        }
    }

    /// Whether members are DNs; otherwise they are account names.
    pub fn members_are_dns(&self) -> bool {
        self.group_class != GroupClass::PosixGroup
    }

    /// Whether the groups' class demands at least one member.
    pub fn demands_members(&self) -> bool {
        matches!(self.group_class, GroupClass::GroupOfNames | GroupClass::GroupOfUniqueNames)
    }

    /// The member that keeps a group from being empty where its class forbids that:
    /// the configured one, or the group's own DN.
    pub fn placeholder<'a>(&'a self, group_dn: &'a str) -> Option<&'a str> {
        let own = (!self.may_be_empty).then_some(group_dn);
        self.placeholder.as_deref().or(own).filter(|_| self.demands_members())
    }

    /// Whether a member (by comparison key) is the placeholder of a group (by key).
    /// The group's own DN always is: being a member of oneself means nothing.
    pub fn is_placeholder(&self, member_key: &str, group_key: &str) -> bool {
        self.demands_members() && (member_key == group_key || self.placeholder_key.as_deref() == Some(member_key))
    }

    /// The handle of a new account that no rule puts anywhere else.
    pub fn account_dn(&self, name: &str) -> String {
        self.account_dn_in(name, self.default_base())
    }

    /// The handle of a new account below a base.
    pub fn account_dn_in(&self, name: &str, base: &str) -> String {
        dn::child(self.account_rdn(), name, base)
    }

    /// The base of accounts that no rule puts anywhere else, as written.
    pub fn default_base(&self) -> &str {
        self.bases.last().map_or("", |base| &base.dn)
    }

    /// The bases of accounts that are read: below none of the others, each once.
    pub fn roots(&self) -> impl Iterator<Item = &Base> + Clone {
        self.bases.iter().enumerate().filter_map(|(n, base)| {
            let is_twice = self.bases.iter().take(n).any(|other| other.key == base.key);
            let is_inside = self.bases.iter().any(|other| dn::is_below(&base.key, &other.key));
            (!is_twice && !is_inside).then_some(base)
        })
    }

    /// The base that an entry with that DN stands below: the innermost.
    pub fn base_of(&self, dn: &str) -> Option<&Base> {
        let key = dn::key(dn).ok()?;
        let around = self.bases.iter().filter(|base| dn::is_below(&key, &base.key));
        around.max_by_key(|base| base.key.len())
    }

    /// Whether an entry (by comparison key) is below one of the accounts' bases.
    pub fn is_below_a_base(&self, key: &str) -> bool {
        self.bases.iter().any(|base| dn::is_below(key, &base.key))
    }

    /// The handle of a new group.
    pub fn group_dn(&self, name: &str) -> String {
        dn::child("cn", name, self.groups_base.as_deref().unwrap_or_default())
    }

    /// What is asked of account entries: names, compared attributes, status, authors.
    pub fn account_request(&self, attributes: &[Box<str>]) -> Vec<String> {
        let mut list = vec![self.name_attribute.to_string()];
        list.extend(self.id_attribute.iter().map(ToString::to_string));
        list.extend(attributes.iter().map(ToString::to_string));
        match &self.disabling {
            Disabling::Locked => list.push(LOCKED.to_owned()),
            Disabling::By(by) => list.push(by.attribute.clone()),
            Disabling::AccountControl => list.push(CONTROL.to_owned()),
        }
        if self.native_end {
            list.push(self.end_attribute().to_owned());
        }
        list.extend(self.object_attribute().map(str::to_owned));
        if self.is_active() {
            list.extend(ASKED.map(str::to_owned));
        }
        requested(list)
    }

    /// What is asked of group entries.
    pub fn group_request(&self, attributes: &[Box<str>]) -> Vec<String> {
        let name = self.group_name_attribute().to_owned();
        let mut list = vec![name, "description".to_owned(), self.member_attribute().to_owned()];
        list.extend(attributes.iter().map(ToString::to_string));
        requested(list)
    }

    /// How values of an attribute compare (the equality rules of RFC 4519, RFC 2798
    /// and RFC 2307; case does not count where nothing is known).
    pub fn matching(attribute: &str) -> Matching {
        match dn::type_key(attribute).as_ref() {
            "member" | "uniquemember" | "manager" | "secretary" | "owner" | "seealso" | "roleoccupant" => Matching::Dn,
            "homedirectory" | "loginshell" | "memberuid" | "gecos" | "labeleduri" | "krbprincipalname" => {
                Matching::CaseExact
            }
            "uidnumber" | "gidnumber" | "grouptype" | "jpegphoto" | "usercertificate" | "usersmimecertificate" => {
                Matching::Exact
            }
            _ => Matching::CaseIgnore,
        }
    }
}

fn or_default(list: &[String], default: &str) -> Vec<Box<str>> {
    if list.is_empty() { vec![default.into()] } else { list.iter().map(|item| item.as_str().into()).collect() }
}

/// Each attribute once, none of them a credential.
fn requested(list: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::with_capacity(list.len());
    for name in list {
        if !is_credential(&name) && !out.iter().any(|other| other.eq_ignore_ascii_case(&name)) {
            out.push(name);
        }
    }
    out
}
