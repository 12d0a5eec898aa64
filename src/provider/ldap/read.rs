//! Reading a directory, with evidence that it was read completely.
//!
//! Comes in: a scope. Goes out: a [`Reading`]: state, gaps, evidence, authors.
//! Refuses: to call a read complete without every page, success on each, and an
//! unchanged change counter or a second equal read.
//!
//! What no read can show from outside: entries, and single values, that access
//! control hides altogether. Sentinels and the comparison with the last run are for
//! those, and live in the core.

use super::above::{id_attribute, id_of};
use super::connect::Session;
use super::errors;
use super::link_ends;
use super::probe::{self, Server};
use super::refresh;
use super::search::{self, Ended, Entry, Search};
use super::watch::Watch;
use super::{Directory, active, bases, touched};
use crate::model::{Matching, Object};
use crate::provider::active_directory::{ACCOUNTS, link};
use crate::provider::entries::{self, Collector, Schema, Traced};
use crate::provider::{Cookie, Gap, GapScope, ObjectId, ProviderError, Reading, Scope, dn};
use futures_util::{StreamExt, stream};
use ldap3::Scope as Depth;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;

/// How often a directory that changes meanwhile is read before that becomes a gap.
pub(super) const ATTEMPTS: u32 = 4;

/// Single objects looked for at once.
pub(super) const READS_IN_FLIGHT: usize = 64;

/// So many objects are worth asking for by pages before the rest is looked for singly.
const MANY: usize = 1000;

/// Accounts are asked for without a name or class in the filter, which would make
/// entries vanish whose attribute access control hides. Groups are asked for by class:
/// one of another class is none of ours, and would look empty.
pub(super) const EVERYTHING: &str = "(objectClass=*)";

impl entries::Entry for Entry<'_> {
    fn dn(&self) -> &str {
        self.dn
    }

    fn id(&self) -> Option<ObjectId> {
        id_of(*self)
    }

    fn visit<'e>(&'e self, each: &mut dyn FnMut(&'e str, &'e [u8])) {
        for (name, values) in self.attributes() {
            for value in values {
                each(name, value);
            }
        }
    }
}

/// One pass over the directory.
struct Pass {
    reading: Reading,
    /// What the next read needs to go on, where it was asked for.
    traced: Option<Traced>,
    /// Why it cannot go on although all was read.
    hidden: Option<String>,
    /// Sum over the hashes of all that came: equal for equal contents in any order.
    digest: u64,
    pages: u32,
    /// Whether every search ended in success.
    whole: bool,
}

impl Pass {
    /// Says where the next read goes on, or why it cannot.
    fn go_on(&mut self, mark: Option<Result<Cookie, String>>) {
        match (mark, self.traced.take()) {
            (Some(Ok(cookie)), Some(Traced { identities: Ok(identities), .. })) => {
                self.reading.cookie = Some(cookie);
                self.reading.identities = Some(identities);
            }
            (Some(Err(why)), _) => self.reading.evidence.push(format!("the next read is full too: {why}")),
            _ => {}
        }
    }
}

impl Directory {
    /// Reads everything.
    pub(super) async fn read_all(
        &self,
        session: &Session,
        server: &Server,
        schema: &Schema,
        scope: &Scope,
    ) -> Result<Reading, ProviderError> {
        let suffixes = suffixes(server, schema);
        let mut last: Option<u64> = None;
        // Before the first read: a cookie may be older than what was read, never newer.
        let begun = match scope.resume && touched::tells(server) {
            // A membership that ends by itself is nothing that was written.
            true if server.may_end_links() => Some(Err(link_ends::UNTOLD.to_owned())),
            true => Some(self.begin(session, server, schema).await),
            false => None,
        };
        for attempt in 1..=ATTEMPTS {
            let before = counters(session, server, &suffixes).await?;
            // Before the read: what is written meanwhile must not count as read.
            let ahead = match &before {
                Some(counters) if scope.resume && begun.is_none() => {
                    refresh::ahead(session, server, schema, counters).await
                }
                _ => Ok(Vec::new()),
            };
            let mut pass = self.pass(session, server, schema, scope).await?;
            if !pass.whole {
                return Ok(pass.reading);
            }
            let mark = match (&begun, &before, &pass.traced) {
                (Some(_), _, Some(_)) if pass.hidden.is_some() => pass.hidden.take().map(Err),
                (Some(Ok(mark)), _, Some(traced)) => {
                    Some(self.end(session, server, schema, mark.clone(), traced).await)
                }
                (Some(Err(why)), _, Some(_)) => Some(Err(why.clone())),
                (None, Some(counters), Some(traced)) => {
                    Some(self.mark_of(session, server, schema, traced, counters, ahead).await)
                }
                _ => None,
            };
            let after = counters(session, server, &suffixes).await?;
            let pages = format!("{} pages", pass.pages);
            if before.is_some() && before == after {
                pass.reading.evidence = vec![pages, unchanged(server, before.as_deref())];
                pass.go_on(mark);
                return Ok(pass.reading);
            }
            if last == Some(pass.digest) {
                pass.reading.evidence = vec![pages, "two equal reads".to_owned()];
                pass.go_on(mark.filter(|_| begun.is_some()));
                return Ok(pass.reading);
            }
            last = Some(pass.digest);
            if attempt == ATTEMPTS {
                pass.reading.evidence = vec![pages];
                let why = format!(
                    "the directory changed during each of {ATTEMPTS} reads; to go on: run again when less is written to it"
                );
                pass.reading.gaps.push(Gap { scope: GapScope::Directory, why });
                return Ok(pass.reading);
            }
        }
        Ok(Reading::default())
    }

    async fn pass(
        &self,
        session: &Session,
        server: &Server,
        schema: &Schema,
        scope: &Scope,
    ) -> Result<Pass, ProviderError> {
        let clock = link_ends::clock(session, server).await?;
        let mut collector = Collector::new(schema, scope).by(clock);
        let mut tally = Tally::default();
        let wanted = request(schema.account_request(&scope.account_attributes), scope, server);
        let mut hidden = None;
        let mut watch = Watch::new(server, schema, scope);
        let mut whole = true;
        for base in schema.roots() {
            let accounts = Search {
                base: &base.dn,
                scope: Depth::Subtree,
                filter: account_filter(schema),
                attributes: &wanted,
                page_size: self.page_size,
            };
            let mut ended = search::run(session, &accounts, |entry| {
                tally.add(&self.hasher, entry);
                watch.account(&mut collector, entry);
                collector.account(&entry);
            })
            .await;
            server.forget_own(&mut ended.referrals);
            whole &= judge(session, &accounts, &ended, GapScope::Accounts, &mut collector)?;
            tally.pages += ended.pages;
        }
        bases::ensure_inner(session, schema).await?;
        watch.settle(session, self.page_size, &mut collector).await;
        if let Some(base) = &schema.groups_base {
            let wanted = request(schema.group_request(&scope.group_attributes), scope, server);
            let filter = of_class(schema);
            let groups =
                Search { base, scope: Depth::Subtree, filter: &filter, attributes: &wanted, page_size: self.page_size };
            let mut ended = search::run(session, &groups, |entry| {
                tally.add(&self.hasher, entry);
                watch.group(&mut collector, entry);
                collector.group(&entry);
                // Without it nothing tells of its attributes that nobody listed.
                if schema.is_active() && entry.text(touched::COUNTER).is_none() {
                    hidden.get_or_insert_with(|| format!("`{}` shows no `{}`", entry.dn, touched::COUNTER));
                }
            })
            .await;
            server.forget_own(&mut ended.referrals);
            active::rest_of_members(session, &mut collector, &mut tally, &self.hasher).await?;
            whole &= judge(session, &groups, &ended, GapScope::Groups, &mut collector)?;
            tally.pages += ended.pages;
            watch.settle_groups(session, &mut collector).await;
        }
        let (reading, traced) = self.reading(collector, scope)?;
        Ok(Pass { reading, traced, hidden, digest: tally.sum, pages: tally.pages, whole })
    }

    /// What the collector holds, as a reading.
    fn reading(&self, collector: Collector<'_>, scope: &Scope) -> Result<(Reading, Option<Traced>), ProviderError> {
        let collected = collector.finish().map_err(|error| self.site().error("read", error.to_string(), Vec::new()))?;
        let reading = Reading {
            upserts: collected.state,
            gaps: collected.gaps,
            authors: if scope.authors { collected.authors } else { Vec::new() },
            protected: collected.protected,
            placeholders: Some(collected.placeholders),
            ..Reading::default()
        };
        Ok((reading, collected.traced))
    }

    /// Reads single objects directly and afresh. Members that were not asked for
    /// too appear as others, by their DN.
    pub(super) async fn read_some(
        &self,
        session: &Session,
        server: &Server,
        schema: &Schema,
        scope: &Scope,
        only: &[Object],
    ) -> Result<Reading, ProviderError> {
        let clock = link_ends::clock(session, server).await?;
        let mut collector = Collector::new(schema, scope).by(clock);
        let mut watch = Watch::new(server, schema, scope);
        let accounts: BTreeSet<&str> = only.iter().filter_map(|o| o.account.as_deref()).collect();
        let groups: BTreeSet<&str> = only.iter().filter_map(|o| o.group.as_deref()).collect();
        let wanted = request(schema.account_request(&scope.account_attributes), scope, server);
        let place = Named {
            attribute: &schema.name_attribute,
            is_rdn: !schema.is_active(),
            bases: schema.bases.iter().map(|base| base.dn.as_ref()).collect(),
            roots: schema.roots().map(|base| base.dn.as_ref()).collect(),
            attributes: &wanted,
            filter: account_filter(schema),
            page_size: self.page_size,
            server,
        };
        let doubts = every(session, &place, &accounts, |entry| {
            watch.account(&mut collector, entry);
            collector.account(&entry);
        });
        for (name, why) in doubts.await? {
            collector.gap(GapScope::Account(name), why);
        }
        watch.settle(session, self.page_size, &mut collector).await;
        if let Some(base) = &schema.groups_base {
            let wanted = request(schema.group_request(&scope.group_attributes), scope, server);
            let filter = of_class(schema);
            let place = Named {
                attribute: schema.group_name_attribute(),
                is_rdn: !schema.is_active(),
                bases: vec![base],
                roots: vec![base],
                attributes: &wanted,
                filter: &filter,
                page_size: self.page_size,
                server,
            };
            let doubts = every(session, &place, &groups, |entry| {
                watch.group(&mut collector, entry);
                collector.group(&entry);
            });
            for (name, why) in doubts.await? {
                collector.gap(GapScope::Group(name), why);
            }
            watch.settle_groups(session, &mut collector).await;
            active::rest_of_members(session, &mut collector, &mut Tally::default(), &self.hasher).await?;
        }
        let (mut reading, traced) = self.reading(collector, scope)?;
        reading.identities = traced.and_then(|traced| traced.identities.ok());
        reading.deletes.extend(
            accounts.iter().filter(|n| reading.upserts.account_named(n).is_none()).map(|n| Object::account(*n)),
        );
        reading
            .deletes
            .extend(groups.iter().filter(|n| reading.upserts.group_named(n).is_none()).map(|n| Object::group(*n)));
        reading.deletes.retain(|object| !has_gap(&reading.gaps, object));
        reading.evidence = vec![format!("{} objects read directly", accounts.len() + groups.len())];
        Ok(reading)
    }
}

/// Whether a search ended in success; otherwise notes the gap, or fails when
/// nothing came at all.
fn judge(
    session: &Session,
    search: &Search<'_>,
    ended: &Ended,
    gap: GapScope,
    collector: &mut Collector<'_>,
) -> Result<bool, ProviderError> {
    let what = if gap == GapScope::Groups { "groups" } else { "accounts" };
    let operation = format!("search {}", search.base);
    let (message, help) = match (&ended.broken, &ended.result) {
        (Some(error), _) if ended.entries == 0 && gap == GapScope::Accounts => return Err(error.clone()),
        (None, Some(result)) if ended.entries == 0 => {
            return Err(session.site.refused(&operation, search.base, result));
        }
        (Some(error), _) => (format!("{}, after page {}", error.message, ended.pages), error.help.clone()),
        (None, Some(result)) => {
            let name = errors::result_name(result.rc);
            let text = format!("LDAP result {}, {name}, on page {}", result.rc, ended.pages + 1);
            (text, session.site.help(result.rc, search.base))
        }
        (None, None) if !ended.referrals.is_empty() => {
            let to = errors::referrals(&ended.referrals);
            let help = format!("accord follows no referrals; name the server that holds all of `{}`", search.base);
            (format!("the server refers to {to} for the rest"), vec![help])
        }
        (None, None) => return Ok(true),
    };
    let mut why = format!("{} of an unknown number of {what} were returned ({message})", ended.entries);
    if !help.is_empty() {
        why.push_str("; to go on: ");
        why.push_str(&help.join("; "));
    }
    collector.gap(gap, why);
    Ok(false)
}

/// Looks for objects by name, many at once; which of them are in doubt, and why.
async fn every(
    session: &Session,
    place: &Named<'_>,
    names: &BTreeSet<&str>,
    mut take: impl FnMut(Entry<'_>),
) -> Result<Vec<(String, String)>, ProviderError> {
    let mut rest: Vec<&str> = names.iter().copied().collect();
    if rest.len() >= MANY {
        let found = by_pages(session, place, &rest, &mut take).await;
        rest.retain(|name| !found.contains(name));
    }
    let take = RefCell::new(take);
    let take = &take;
    let found = stream::iter(rest)
        .map(|name| async move {
            let doubt = named(session, place, name, |entry| take.borrow_mut()(entry)).await?;
            Ok(doubt.map(|why| (name.to_owned(), why)))
        })
        .buffer_unordered(READS_IN_FLIGHT)
        .collect::<Vec<_>>()
        .await;
    let mut doubts: Vec<_> = found.into_iter().filter_map(Result::transpose).collect::<Result<_, ProviderError>>()?;
    doubts.sort();
    Ok(doubts)
}

/// Takes the entries that stand where new objects of those names would, as long as
/// most of what the pages bring is among them; says which names were found. However
/// this ends, it proves nothing about the others.
async fn by_pages<'n>(
    session: &Session,
    place: &Named<'_>,
    names: &[&'n str],
    take: &mut impl FnMut(Entry<'_>),
) -> BTreeSet<&'n str> {
    let folded = |name: &str| Matching::CaseIgnore.key(name).into_owned();
    let by_dn = |dn: &str| dn::key(dn).ok().map(Cow::into_owned);
    let keys_of = |name: &str| -> Vec<String> {
        let there = |base: &&str| by_dn(&dn::child(place.attribute, name, base));
        if place.is_rdn { place.bases.iter().filter_map(there).collect() } else { vec![folded(name)] }
    };
    let seen = |entry: Entry<'_>| if place.is_rdn { by_dn(entry.dn) } else { entry.text(place.attribute).map(folded) };
    let mut missing: BTreeMap<String, &str> =
        names.iter().flat_map(|name| keys_of(name).into_iter().map(move |key| (key, *name))).collect();
    let mut found = BTreeSet::new();
    let Named { attributes, filter, .. } = *place;
    for base in &place.roots {
        let hits = Cell::new(0);
        let search = Search { base, scope: Depth::Subtree, filter, attributes, page_size: place.page_size };
        let each = |entry: Entry<'_>| {
            if let Some(name) = seen(entry).and_then(|key| missing.remove(&key))
                && found.insert(name)
            {
                hits.set(hits.get() + 1);
                take(entry);
            }
        };
        search::run_while(session, &search, each, |so_far| hits.get() * 2 >= so_far.entries).await;
    }
    found
}

/// The entry where a new object of that name would be; if it is not there, the one
/// that carries the name anywhere below the bases. `Some` says why it is not known
/// whether there is one.
async fn named(
    session: &Session,
    place: &Named<'_>,
    name: &str,
    mut take: impl FnMut(Entry<'_>),
) -> Result<Option<String>, ProviderError> {
    for base in place.bases.iter().filter(|_| place.is_rdn) {
        let dn = dn::child(place.attribute, name, base);
        if search::base(session, &dn, place.filter, place.attributes, &mut take).await?.is_some() {
            return Ok(None);
        }
    }
    let filter = format!("(&{}({}={}))", place.filter, place.attribute, ldap3::ldap_escape(name));
    let mut doubt = None;
    for base in &place.roots {
        let search =
            Search { base, scope: Depth::Subtree, filter: &filter, attributes: place.attributes, page_size: 0 };
        let mut ended = search::run(session, &search, &mut take).await;
        place.server.forget_own(&mut ended.referrals);
        match (ended.broken, ended.result) {
            (Some(error), _) => return Err(error),
            (None, Some(result)) if ended.entries == 0 => {
                return Err(session.site.refused(&format!("search {base}"), base, &result));
            }
            (None, Some(result)) => doubt = Some(errors::words(&result)),
            (None, None) if ended.referrals.is_empty() => {}
            (None, None) => doubt = Some(format!("the server refers to {}", errors::referrals(&ended.referrals))),
        }
    }
    Ok(doubt)
}

/// Where an object of a name is looked for.
struct Named<'a> {
    attribute: &'a str,
    /// Whether the name is the RDN of the entries that accord makes.
    is_rdn: bool,
    /// Where new objects are made.
    bases: Vec<&'a str>,
    /// Below what all of them are.
    roots: Vec<&'a str>,
    attributes: &'a [String],
    filter: &'a str,
    page_size: u32,
    server: &'a Server,
}

/// Where an answer about everything must not hang on what access control hides, the
/// filter names nothing; Active Directory shows every account its class.
pub(super) fn account_filter(schema: &Schema) -> &'static str {
    if schema.is_active() { ACCOUNTS } else { EVERYTHING }
}

/// What is said of the counters that did not move.
fn unchanged(server: &Server, counters: Option<&[(String, Vec<String>)]>) -> String {
    let first = counters.and_then(|counters| counters.first());
    match (&server.controller, first) {
        (Some(controller), Some((_, counter))) => controller.unchanged(counter),
        _ => "contextCSN unchanged".to_owned(),
    }
}

pub(super) fn of_class(schema: &Schema) -> String {
    format!("(objectClass={})", schema.group_class_name())
}

fn has_gap(gaps: &[Gap], object: &Object) -> bool {
    gaps.iter().any(|gap| match (&gap.scope, &object.account, &object.group) {
        (GapScope::Account(name), Some(account), None) => name == account,
        (GapScope::Group(name), _, Some(group)) => name == group,
        _ => false,
    })
}

fn request(mut list: Vec<String>, scope: &Scope, server: &Server) -> Vec<String> {
    if scope.authors {
        list.extend(["modifiersName", "modifyTimestamp"].map(str::to_owned));
    }
    if scope.resume {
        list.push(id_attribute(server).to_owned());
        list.extend(server.controller.is_some().then(|| touched::COUNTER.to_owned()));
    }
    list
}

pub(super) fn suffixes(server: &Server, schema: &Schema) -> Vec<String> {
    let bases = schema.roots().map(|base| &base.dn).chain(&schema.groups_base);
    let found: BTreeSet<&str> = bases.filter_map(|base| server.suffix(base)).collect();
    found.into_iter().map(str::to_owned).collect()
}

/// The counters of all suffixes; `None` unless each has one that is kept.
pub(super) async fn counters(
    session: &Session,
    server: &Server,
    suffixes: &[String],
) -> Result<Option<Vec<(String, Vec<String>)>>, ProviderError> {
    if server.controller.is_some() {
        return Ok(active::counter(session).await?.map(|counter| vec![(String::new(), counter)]));
    }
    if !server.counts() || suffixes.is_empty() {
        return Ok(None);
    }
    let mut all = Vec::new();
    for suffix in suffixes {
        match probe::counter(session, suffix).await? {
            Some(values) => all.push((suffix.clone(), values)),
            None => return Ok(None),
        }
    }
    Ok(Some(all))
}

/// What came, as one number.
#[derive(Default)]
pub(super) struct Tally {
    sum: u64,
    pages: u32,
}

impl Tally {
    pub(super) fn add(&mut self, hasher: &foldhash::quality::RandomState, entry: Entry<'_>) {
        let dn = hasher.hash_one(entry.dn);
        self.sum = self.sum.wrapping_add(dn);
        for (name, values) in entry.attributes() {
            let attribute = hasher.hash_one((dn, name));
            for value in values {
                // The seconds that are left to a membership are others in every read.
                let bare = std::str::from_utf8(value).map_or(value, |text| link::bare(text).as_bytes());
                self.sum = self.sum.wrapping_add(hasher.hash_one((attribute, bare)));
            }
        }
    }
}
