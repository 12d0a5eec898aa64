//! What access control hides inside entries that it shows.
//!
//! Comes in: entries as they pass. Goes out: gaps. Refuses: to take the absence of
//! an attribute that must be there for the truth.

use super::connect::Session;
use super::probe::Server;
use super::read::READS_IN_FLIGHT;
use super::rights::Doubts;
use super::search::{self, Entry, Search};
use crate::provider::active_directory::{CONTROL, EXPIRES, GUID};
use crate::provider::entries::{Collector, Schema};
use crate::provider::{GapScope, Scope, dn};
use futures_util::{StreamExt, stream};
use ldap3::Scope as Depth;
use std::collections::BTreeSet;

/// Looks for what access control hides inside entries that it shows.
pub(super) struct Watch<'a> {
    schema: &'a Schema,
    /// Accounts without a required attribute, if they are of the class that requires
    /// it: DN, name, attribute.
    suspects: Vec<(String, String, String)>,
    /// Attributes that every account carries by its class, among those asked for.
    required: Vec<String>,
    /// Whether a group without a member cannot be.
    members: bool,
    /// What only the server's word on accord's rights can settle, where it gives one.
    doubts: Option<Doubts>,
    /// Groups of a domain that showed no member: DN, name. What is a member says so itself.
    childless: Vec<(String, String)>,
    /// Where those are searched.
    domain: Option<String>,
}

impl<'a> Watch<'a> {
    /// Watches for what `schema` and `server` say must be there.
    pub(super) fn new(server: &Server, schema: &'a Schema, scope: &Scope) -> Self {
        let classes = schema.account_classes.iter().map(AsRef::as_ref);
        let mut asked = schema.account_request(&scope.account_attributes);
        if schema.is_active() {
            // The controller gives them to every account: without them an account's
            // state and identity are not known.
            let domain = server.controller.as_ref().map(|controller| controller.domain.clone());
            asked.retain(|name| [CONTROL, EXPIRES, GUID].contains(&name.as_str()));
            return Self {
                schema,
                suspects: Vec::new(),
                required: asked,
                members: false,
                doubts: None,
                childless: Vec::new(),
                domain,
            };
        }
        let required = server
            .required(classes)
            .into_iter()
            .filter(|name| asked.iter().any(|other| dn::type_key(other) == dn::type_key(name)))
            .collect();
        let members = schema.demands_members()
            && server
                .required([schema.group_class_name()])
                .iter()
                .any(|name| name.eq_ignore_ascii_case(schema.member_attribute()));
        let doubts = server.tells_rights().then(Doubts::default);
        Self { schema, suspects: Vec::new(), required, members, doubts, childless: Vec::new(), domain: None }
    }

    /// Looks at an account entry.
    pub(super) fn account(&mut self, collector: &mut Collector<'_>, entry: Entry<'_>) {
        if self.schema.is_active() {
            return self.active_account(collector, entry);
        }
        let Some(name) = dn::rdn_value(entry.dn, &self.schema.name_attribute) else { return };
        if let Some(doubts) = &mut self.doubts {
            doubts.account(entry.dn);
        }
        let hidden = |attribute: &str| entry.values(attribute).next().is_none();
        if hidden(&self.schema.name_attribute) {
            let gap = hidden_attribute(&self.schema.name_attribute, entry.dn);
            collector.gap(GapScope::Account(name.into_owned()), gap);
        } else if let Some(attribute) = self.required.iter().find(|attribute| hidden(attribute)) {
            self.suspects.push((entry.dn.to_owned(), name.into_owned(), attribute.clone()));
        }
    }

    /// Every account of Active Directory has the same class.
    fn active_account(&self, collector: &mut Collector<'_>, entry: Entry<'_>) {
        match entry.text(&self.schema.name_attribute) {
            None => collector.gap(GapScope::Accounts, hidden_attribute(&self.schema.name_attribute, entry.dn)),
            Some(name) => {
                if let Some(attribute) = self.required.iter().find(|name| entry.values(name).next().is_none()) {
                    collector.gap(GapScope::Account(name.to_owned()), hidden_attribute(attribute, entry.dn));
                }
            }
        }
    }

    /// An entry of another class need not carry what the configured classes require:
    /// asks for those that are of these classes.
    pub(super) async fn settle(&mut self, session: &Session, page_size: u32, collector: &mut Collector<'_>) {
        if let Some(doubts) = &mut self.doubts {
            doubts.accounts(session, self.schema, collector).await;
        }
        if self.suspects.is_empty() {
            return;
        }
        let classes = self.schema.account_classes.iter();
        let parts: Vec<String> =
            classes.map(|class| format!("(objectClass={})", ldap3::ldap_escape(class.as_ref()))).collect();
        let filter = format!("(&{})", parts.concat());
        let none = ["1.1".to_owned()];
        let mut of_class: BTreeSet<String> = BTreeSet::new();
        let mut sure = true;
        for base in self.schema.roots() {
            let search =
                Search { base: &base.dn, scope: Depth::Subtree, filter: &filter, attributes: &none, page_size };
            let ended = search::run(session, &search, |entry| {
                of_class.insert(entry.dn.to_owned());
            })
            .await;
            sure &= ended.result.is_none() && ended.broken.is_none();
        }
        for (dn, name, attribute) in std::mem::take(&mut self.suspects) {
            if !sure || of_class.contains(&dn) {
                let gap = hidden_attribute(&attribute, &dn);
                collector.gap(GapScope::Account(name), gap);
            }
        }
    }

    /// Asks about the groups that showed no member and may have none.
    pub(super) async fn settle_groups(&mut self, session: &Session, collector: &mut Collector<'_>) {
        if let Some(doubts) = &mut self.doubts {
            doubts.groups(session, self.schema, collector).await;
        }
        let Some(domain) = &self.domain else { return };
        let asked = stream::iter(std::mem::take(&mut self.childless))
            .map(|(dn, name)| async move { is_named_by_a_member(session, domain, &dn).await.then_some((dn, name)) });
        let hidden: Vec<_> = asked.buffer_unordered(READS_IN_FLIGHT).filter_map(std::future::ready).collect().await;
        for (dn, name) in hidden {
            let why = format!(
                "no `member` of `{dn}` was returned, although somebody is one: access control hides it; to go on: give \
                 read on `member`"
            );
            collector.gap(GapScope::Group(name), why);
        }
    }

    /// Looks at a group entry.
    pub(super) fn group(&mut self, collector: &mut Collector<'_>, entry: Entry<'_>) {
        let name = self.schema.group_name_attribute();
        if self.schema.is_active() && entry.values(name).next().is_none() {
            return collector.gap(GapScope::Groups, hidden_attribute(name, entry.dn));
        }
        let member = self.schema.member_attribute();
        if entry.values(member).next().is_some() {
            return;
        }
        if self.domain.is_some() {
            let pieces = |name: &str| name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("member;"));
            let name = entry.text(self.schema.group_name_attribute());
            if let Some(name) = name.filter(|_| !entry.attributes().any(|(name, _)| pieces(name))) {
                self.childless.push((entry.dn.to_owned(), name.to_owned()));
            }
            return;
        }
        let Some(name) = dn::rdn_value(entry.dn, "cn") else { return };
        if !self.members {
            if let Some(doubts) = &mut self.doubts {
                doubts.group(entry.dn, &name);
            }
            return;
        }
        let why = format!(
            "no `{member}` of `{}` was returned, and a {} always has one: access control hides it; to go on: give read \
             on `{member}`",
            entry.dn,
            self.schema.group_class_name()
        );
        collector.gap(GapScope::Group(name.into_owned()), why);
    }
}

/// Whether some entry of the domain says that it is a member of the group (`memberOf`).
async fn is_named_by_a_member(session: &Session, domain: &str, group: &str) -> bool {
    let filter = format!("(memberOf={})", ldap3::ldap_escape(group));
    let none = ["1.1".to_owned()];
    let search = Search { base: domain, scope: Depth::Subtree, filter: &filter, attributes: &none, page_size: 1 };
    let mut found = false;
    search::run_while(session, &search, |_| found = true, |_| false).await;
    found
}

fn hidden_attribute(attribute: &str, dn: &str) -> String {
    format!(
        "`{attribute}` of `{dn}` must be there and was not returned: access control hides it; to go on: give read on \
         `{attribute}`"
    )
}
