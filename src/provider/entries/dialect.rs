//! Where entries of one family of directories differ from those of another.
//!
//! Comes in: the kind of the settings. Goes out: which attributes carry a name, an
//! end, an identity, and how their values are written. Refuses: to know a server.

use super::{Disabling, END, LOCKED, LOCKED_FOR_GOOD, Mod, Schema, time};
use crate::model::{Enabled, Instant, Matching, Side};
use crate::policy::settings::{DisableBy, ProviderKind};
use crate::provider::active_directory::{self, Number, control, filetime, group};
use crate::provider::entries::Assert;
use std::borrow::Cow;

/// A family of directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// The standards (RFC 4510 and those it names) and the password policy draft.
    #[default]
    Ldap,
    /// [MS-ADTS]: Microsoft's domain controllers, and Samba's.
    ActiveDirectory,
}

impl Dialect {
    /// The dialect that directories of a kind speak.
    pub fn of(kind: ProviderKind) -> Self {
        match kind {
            ProviderKind::Ldif | ProviderKind::Ldap => Self::Ldap,
            ProviderKind::ActiveDirectory => Self::ActiveDirectory,
        }
    }

    pub(super) fn disabling(self, by: Option<&DisableBy>) -> Disabling {
        match (self, by) {
            (Self::ActiveDirectory, _) => Disabling::AccountControl,
            (Self::Ldap, Some(by)) => Disabling::By(by.clone()),
            (Self::Ldap, None) => Disabling::Locked,
        }
    }
}

impl Schema {
    /// Whether this is Active Directory.
    pub fn is_active(&self) -> bool {
        self.dialect == Dialect::ActiveDirectory
    }

    /// The attribute in the RDN of new accounts.
    pub fn account_rdn(&self) -> &str {
        if self.is_active() { "cn" } else { &self.name_attribute }
    }

    /// The attribute that carries the name of a group.
    pub fn group_name_attribute(&self) -> &'static str {
        if self.is_active() { active_directory::LOGON } else { "cn" }
    }

    /// The attribute that carries the end of an account.
    pub fn end_attribute(&self) -> &'static str {
        if self.is_active() { active_directory::EXPIRES } else { END }
    }

    /// The attribute by which the directory knows an object whatever it is called.
    pub fn object_attribute(&self) -> Option<&'static str> {
        self.is_active().then_some(active_directory::GUID)
    }

    /// An end as the directory writes it.
    pub(super) fn end_text(&self, end: Instant) -> String {
        if self.is_active() { filetime::write(Some(end)) } else { time::write(end) }
    }

    /// The end that a value says.
    pub(super) fn end_said(&self, text: &str) -> Option<Instant> {
        if self.is_active() { filetime::parse(text).flatten() } else { time::parse(text) }
    }

    /// Whether an account with these values of the status attribute can be used. A
    /// lock that the server set after wrong passwords is not a disabled account: it
    /// goes by itself.
    pub(super) fn enabled(&self, status: &[&str]) -> Enabled {
        let disabled = match &self.disabling {
            Disabling::Locked => status.contains(&LOCKED_FOR_GOOD),
            Disabling::By(by) => {
                let wanted = Matching::CaseIgnore.key(&by.disabled);
                status.iter().any(|value| Matching::CaseIgnore.key(value) == wanted)
            }
            Disabling::AccountControl => match status.first().and_then(|text| control::is_disabled(text)) {
                Some(disabled) => disabled,
                None => return Enabled::Unknown,
            },
        };
        if disabled { Enabled::No } else { Enabled::Yes }
    }

    /// What is true of an account that can be used, or of one that cannot.
    pub(super) fn status_assert(&self, enabled: bool) -> Assert {
        let (attribute, value) = match &self.disabling {
            Disabling::Locked => (LOCKED.to_owned(), LOCKED_FOR_GOOD.to_owned()),
            Disabling::By(by) => (by.attribute.clone(), by.disabled.clone()),
            Disabling::AccountControl => {
                return Assert::Bits(active_directory::CONTROL.to_owned(), control::DISABLED, !enabled);
            }
        };
        if enabled { Assert::HasNot(attribute, value) } else { Assert::Has(attribute, value) }
    }

    /// What makes an account usable, or unusable.
    pub(super) fn status_mod(&self, enable: bool) -> Mod {
        match &self.disabling {
            Disabling::Locked if enable => Mod::Replace(LOCKED.to_owned(), Vec::new()),
            Disabling::Locked => Mod::Replace(LOCKED.to_owned(), vec![LOCKED_FOR_GOOD.to_owned()]),
            Disabling::By(by) if enable => Mod::Replace(by.attribute.clone(), by.enabled.iter().cloned().collect()),
            Disabling::By(by) => Mod::Replace(by.attribute.clone(), vec![by.disabled.clone()]),
            Disabling::AccountControl => {
                let (set, clear) = if enable { (0, control::DISABLED) } else { (control::DISABLED, 0) };
                Mod::Number(active_directory::CONTROL.to_owned(), Number::Bits { set, clear })
            }
        }
    }

    /// What puts the end of `after` in the place of that of `before`.
    pub(super) fn end_mod(&self, before: Option<&Side>, after: Option<&Side>) -> Result<Mod, String> {
        let attribute = self.end_attribute().to_owned();
        let (before, after) = (self.end_of(before)?, self.end_of(after)?);
        Ok(match self.dialect {
            Dialect::Ldap => Mod::Replace(attribute, after.map(|end| self.end_text(end)).into_iter().collect()),
            Dialect::ActiveDirectory => Mod::Number(attribute, Number::Ends { before, after }),
        })
    }

    /// The native end that a side asks for.
    pub(super) fn end_of(&self, side: Option<&Side>) -> Result<Option<Instant>, String> {
        let Some(text) = side.and_then(|side| side.get("ends")).and_then(|values| values.first()) else {
            return Ok(None);
        };
        if !self.native_end {
            return Err(format!("this directory cannot hold the end of an account (`{}`)", self.end_attribute()));
        }
        Instant::try_from(text.clone()).map(Some).map_err(|_| format!("`{text}` is no instant"))
    }

    /// A group's value as states and plans say it.
    pub(super) fn group_said<'t>(&self, attribute: &str, text: Cow<'t, str>) -> Cow<'t, str> {
        match self.is_group_type(attribute).then(|| group::Kind::parse(&text)).flatten() {
            Some(kind) => Cow::Owned(kind.words()),
            None => text,
        }
    }

    /// A group's values as the directory writes them.
    pub(super) fn group_written(&self, attribute: &str, values: &[String]) -> Vec<String> {
        let number = |value: &String| match group::Kind::from_words(value).filter(|_| self.is_group_type(attribute)) {
            Some(kind) => kind.write(),
            None => value.clone(),
        };
        values.iter().map(number).collect()
    }

    /// Whether the attribute holds scope and type.
    pub(super) fn is_group_type(&self, attribute: &str) -> bool {
        self.is_active() && attribute.eq_ignore_ascii_case(active_directory::GROUP_TYPE)
    }

    /// What makes a group one of another scope or type.
    pub(super) fn group_type_mod(before: &[String], after: &[String]) -> Result<Mod, String> {
        let kind = |values: &[String]| values.first().and_then(|words| group::Kind::from_words(words));
        let (Some(before), Some(after)) = (kind(before), kind(after)) else {
            return Err("scope and type of a group cannot be taken away, and must be known".to_owned());
        };
        Ok(Mod::Number(active_directory::GROUP_TYPE.to_owned(), before.becomes(after)?))
    }

    /// What new accounts of Active Directory carry beside what is mapped. The account
    /// cannot be used unless the change says so.
    pub(super) fn active_account(&self, name: &str, enabled: bool) -> Vec<(String, Vec<String>)> {
        let bits = if enabled { control::NORMAL } else { control::NEW };
        vec![
            (self.name_attribute.to_string(), vec![name.to_owned()]),
            (active_directory::CONTROL.to_owned(), vec![control::write(bits)]),
        ]
    }

    /// The DN of a new account of Active Directory: its display name where one is
    /// mapped and fits, which is what people look for there. Where that is taken, the
    /// account name is used.
    pub(super) fn display_dn(&self, after: Option<&Side>, base: &str) -> Option<String> {
        let shown = after?.iter().find(|(key, _)| key.eq_ignore_ascii_case("displayName"))?.1.first()?;
        // [MS-ADA1] §2.109, upper range of `cn`.
        let fits = !shown.trim().is_empty() && shown.trim() == shown && shown.encode_utf16().count() <= 64;
        let plain = !shown.chars().any(char::is_control);
        (self.is_active() && fits && plain).then(|| crate::provider::dn::child("cn", shown, base))
    }
}
