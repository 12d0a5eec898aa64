//! Reading on from a cookie.
//!
//! Comes in: the cookie of an earlier read. Goes out: a [`Reading`] that is a delta, with
//! the cookie for the next. Refuses: to go on where something could have changed that the
//! server's answer does not show; it says why, and a full read follows.
//!
//! A refresh (RFC 4533) tells of entries that were themselves written. It does not tell
//! that an entry is elsewhere because one above it was renamed or moved, and not what a
//! moved entry has below it. So the cookie holds, beside the server's own, the id of every
//! entry above an object: each must still be where it was. And an entry that arrives or
//! was moved must have nothing below it.

use super::above::{Above, PARENT, id_attribute, id_of};
use super::connect::Session;
use super::link_ends;
use super::probe::Server;
use super::read::{ATTEMPTS, EVERYTHING, counters, of_class, suffixes};
use super::search::{self, Entry, Search};
use super::sync;
use super::watch::Watch;
use super::{Directory, touched};
use crate::model::bytes::{Cursor, Damaged, Out};
use crate::provider::entries::{self, Collector, Schema, Traced};
use crate::provider::identities::{Delta, Gone, ObjectId};
use crate::provider::{Cookie, ProviderError, Reading, Scope};
use futures_util::future::{join3, try_join_all};
use ldap3::Scope as Depth;
use std::cell::RefCell;

/// First byte of a cookie.
const VERSION: u8 = 1;

/// An entry's own change counter.
const COUNTER: &str = "entryCSN";
/// What a cookie holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// The server's own cookie of each search: the accounts, then the groups.
    servers: Vec<Vec<u8>>,
    /// Entries above objects.
    above: Above,
    /// Entries that were newer than the server's counter already when they were read: id
    /// and own counter, sorted. Writes that overtook each other leave the counter behind
    /// until the next one.
    ahead: Vec<(ObjectId, Box<str>)>,
}

/// A server's cookie as it is sent: a moment older. A server that is asked from where it
/// stands answers without looking that nothing changed, and one that was killed may stand
/// where it stood before deletions that it carried out: they have no counter of their own.
/// Asked from before, it looks; and one that was started again names all that is there.
fn aged(cookie: &[u8]) -> Vec<u8> {
    let Some((head, csns)) = std::str::from_utf8(cookie).ok().and_then(|text| text.split_once("csn=")) else {
        return cookie.to_vec();
    };
    let earlier = |csn: &str| -> Option<String> {
        let (second, rest) = csn.split_once('.')?;
        let (fraction, rest) = rest.split_once('Z')?;
        let before = fraction.parse::<u64>().ok()?.checked_sub(1)?;
        Some(format!("{second}.{before:0width$}Z{rest}", width = fraction.len()))
    };
    let csns: Vec<String> = csns.split(';').map(|csn| earlier(csn).unwrap_or_else(|| csn.to_owned())).collect();
    format!("{head}csn={}", csns.join(";")).into_bytes()
}

impl Mark {
    pub(super) fn cookie(&self) -> Option<Cookie> {
        let mut out = Out::default();
        out.u8(VERSION);
        out.count(self.servers.len());
        self.servers.iter().for_each(|cookie| out.blob(cookie));
        self.above.encode(&mut out);
        out.count(self.ahead.len());
        for (id, csn) in &self.ahead {
            out.raw(&id.0);
            out.text(csn);
        }
        out.finish().map(Cookie)
    }

    fn parse(cookie: &Cookie) -> Result<Self, Damaged> {
        let mut cursor = Cursor::of_version(&cookie.0, VERSION)?;
        let mut mark = Self::default();
        for _ in 0..cursor.count(4)? {
            mark.servers.push(cursor.blob()?.to_vec());
        }
        mark.above = Above::decode(&mut cursor)?;
        for _ in 0..cursor.count(20)? {
            let id = ObjectId::from_bytes(cursor.raw(16)?).ok_or(Damaged)?;
            mark.ahead.push((id, cursor.text()?.into()));
        }
        cursor.end().map(|()| mark)
    }

    /// The mark of a full read that lay between two equal counters: OpenLDAP's cookie is
    /// made of exactly these (`slap_parse_sync_cookie`).
    pub(super) fn of_counters(counters: &[(String, Vec<String>)], server: &Server, schema: &Schema) -> Option<Self> {
        let cookie = |base: &str| {
            let suffix = server.suffix(base)?;
            let (_, values) = counters.iter().find(|(of, _)| of == suffix)?;
            let mut values: Vec<&str> = values.iter().map(String::as_str).collect();
            values.sort_by_key(|csn| csn.split('#').nth(2));
            Some(format!("rid=000,csn={}", values.join(";")).into_bytes())
        };
        let groups = schema.groups_base.iter().flat_map(|base| [base, base]);
        let bases = schema.roots().map(|base| &base.dn).chain(groups);
        let servers = bases.map(|base| cookie(base)).collect::<Option<_>>()?;
        Some(Self { servers, ..Self::default() })
    }

    /// That what is newer than the server's counter now was read already as it is.
    fn stand(&mut self, ahead: Vec<Ahead>) -> Result<(), String> {
        let mut now = Vec::with_capacity(ahead.len());
        for Ahead { dn, id, csn } in ahead {
            let entry = (id, csn);
            if self.ahead.binary_search(&entry).is_err() {
                return Err(format!("`{dn}` was written after the server's change counter"));
            }
            now.push(entry);
        }
        now.sort();
        now.dedup();
        self.ahead = now;
        Ok(())
    }
}

/// An entry that is newer than the server's counter.
pub(super) struct Ahead {
    dn: String,
    id: ObjectId,
    csn: Box<str>,
}

/// More than these mean that the counter is of another time.
const MOST_AHEAD: usize = 1000;

/// The entries that were written after the counter was. A slapd that was killed comes back
/// with the counter of its last checkpoint; a refresh shows nothing that is newer than that.
pub(super) async fn ahead(
    session: &Session,
    server: &Server,
    schema: &Schema,
    counters: &[(String, Vec<String>)],
) -> Result<Vec<Ahead>, String> {
    let wanted = &[COUNTER.to_owned(), id_attribute(server).to_owned()];
    let bases = schema.roots().map(|base| &base.dn).chain(&schema.groups_base);
    let asked = bases.filter_map(|base| {
        let counted = counters.iter().find(|(suffix, _)| server.suffix(base) == Some(suffix));
        let last = counted.and_then(|(_, values)| values.iter().max())?;
        Some(ahead_below(session, base, last, wanted))
    });
    let found: Vec<Ahead> = try_join_all(asked).await?.into_iter().flatten().collect();
    if found.len() > MOST_AHEAD { Err(too_far()) } else { Ok(found) }
}

async fn ahead_below(session: &Session, base: &str, last: &str, wanted: &[String]) -> Result<Vec<Ahead>, String> {
    let filter = format!("({COUNTER}>={})", ldap3::ldap_escape(last));
    let search = Search { base, scope: Depth::Subtree, filter: &filter, attributes: wanted, page_size: 0 };
    let (mut found, mut hidden) = (Vec::new(), false);
    let ended = search::run(session, &search, |entry| match (entry.text(COUNTER), id_of(entry)) {
        (Some(csn), _) if csn <= last => {}
        (Some(csn), Some(id)) if found.len() < MOST_AHEAD => {
            found.push(Ahead { dn: entry.dn.to_owned(), id, csn: csn.into() });
        }
        _ => hidden = true,
    })
    .await;
    if hidden || ended.result.is_some() || ended.broken.is_some() { Err(too_far()) } else { Ok(found) }
}

fn too_far() -> String {
    format!("`{COUNTER}` of the entries cannot be read, or too many are newer than the server's")
}

/// An entry whose id came beside it.
pub(super) struct Identified<'a> {
    pub(super) entry: Entry<'a>,
    pub(super) id: ObjectId,
}

impl entries::Entry for Identified<'_> {
    fn dn(&self) -> &str {
        self.entry.dn
    }

    fn id(&self) -> Option<ObjectId> {
        Some(self.id)
    }

    fn visit<'e>(&'e self, each: &mut dyn FnMut(&'e str, &'e [u8])) {
        self.entry.visit(each);
    }
}

/// What one of the searches tells of.
#[derive(Debug, Clone, Copy)]
enum Told {
    Account,
    Group,
    Beside,
}

/// What the server told of.
struct Changed<'s> {
    collector: Collector<'s>,
    delta: Delta,
    /// The server's own cookies from here on.
    servers: Vec<Vec<u8>>,
}

impl Directory {
    /// Reads what changed since `cookie`.
    pub(super) async fn read_since(
        &self,
        session: &Session,
        server: &Server,
        schema: &Schema,
        scope: &Scope,
        cookie: &Cookie,
    ) -> Reading {
        let read = if server.may_end_links() {
            Err(link_ends::UNTOLD.to_owned())
        } else if touched::tells(server) {
            self.read_touched(session, server, schema, scope, cookie).await
        } else {
            self.refreshed(session, server, schema, scope, cookie).await
        };
        read.unwrap_or_else(|why| Reading { refused: Some(why), ..Reading::default() })
    }

    async fn refreshed(
        &self,
        session: &Session,
        server: &Server,
        schema: &Schema,
        scope: &Scope,
        cookie: &Cookie,
    ) -> Result<Reading, String> {
        let mut mark = Mark::parse(cookie).map_err(|_| "the cookie is of another version".to_owned())?;
        if scope.only.is_some() || scope.authors || !scope.resume {
            return Err("more is asked for than a refresh brings".to_owned());
        }
        let suffixes = suffixes(server, schema);
        let message = |error: ProviderError| format!("{}: {}", error.operation, error.message);
        for _ in 0..ATTEMPTS {
            let before = counters(session, server, &suffixes).await.map_err(message)?;
            let Some(counters_before) = &before else {
                return Err("the server shows no change counter".to_owned());
            };
            // Side by side: whatever is written meanwhile moves the counter, or is ahead the next time.
            let (ahead, unmoved, changed) = join3(
                ahead(session, server, schema, counters_before),
                mark.above.ensure_unmoved(session, server),
                self.changed(session, server, schema, scope, &mark),
            )
            .await;
            mark.stand(ahead?)?;
            unmoved?;
            let mut mark = mark.clone();
            let Changed { collector, delta, servers } = changed?;
            mark.servers = servers;
            let reading = self.delta_of(session, server, schema, collector, delta, mark).await?;
            if before == counters(session, server, &suffixes).await.map_err(message)? {
                return Ok(reading);
            }
        }
        Err(format!("the directory changed during each of {ATTEMPTS} refreshes"))
    }

    /// What the server tells of since `mark`, of all searches at once.
    async fn changed<'s>(
        &self,
        session: &Session,
        server: &Server,
        schema: &'s Schema,
        scope: &Scope,
        mark: &Mark,
    ) -> Result<Changed<'s>, String> {
        let mut cookies = mark.servers.iter();
        let mut cookie = || cookies.next().ok_or("the cookie is of other settings");
        let with_parent = |mut list: Vec<String>| {
            list.push(PARENT.to_owned());
            list
        };
        let account_attributes = with_parent(schema.account_request(&scope.account_attributes));
        let group_attributes = with_parent(schema.group_request(&scope.group_attributes));
        let (groups, parent) = (of_class(schema), [PARENT.to_owned()]);
        // What is no group may hold groups that came along with it.
        let beside = format!("(!{groups})");
        let mut searches = Vec::new();
        let below = |base, filter, attributes| Search { base, scope: Depth::Subtree, filter, attributes, page_size: 0 };
        for base in schema.roots() {
            searches.push((Told::Account, below(&base.dn, EVERYTHING, &account_attributes), cookie()?));
        }
        if let Some(base) = &schema.groups_base {
            searches.push((Told::Group, below(base, &groups, &group_attributes), cookie()?));
            searches.push((Told::Beside, below(base, &beside, &parent), cookie()?));
        }
        let into = RefCell::new((Collector::new(schema, scope), Watch::new(server, schema, scope)));
        let asked = searches.iter().map(|(told, search, old)| {
            let into = &into;
            async move {
                let aged = aged(old);
                let synced = sync::refresh(session, search, Some(&aged), |entry, id| {
                    mark.above.ensure_alone(entry, id)?;
                    let (collector, watch) = &mut *into.borrow_mut();
                    match told {
                        Told::Account => {
                            watch.account(collector, entry);
                            collector.account(&Identified { entry, id });
                        }
                        Told::Group => {
                            watch.group(collector, entry);
                            collector.group(&Identified { entry, id });
                        }
                        Told::Beside => {}
                    }
                    Ok(())
                });
                synced.await
            }
        });
        let synced = try_join_all(asked).await?;
        let (mut collector, mut watch) = into.into_inner();
        watch.settle(session, self.page_size, &mut collector).await;
        let (mut delta, mut gone, mut servers) = (Delta::default(), Vec::new(), Vec::new());
        for ((told, _, old), synced) in searches.iter().zip(synced) {
            servers.push(synced.cookie.unwrap_or_else(|| (*old).clone()));
            match told {
                Told::Account => gone.push(synced.gone),
                Told::Group => delta.groups = synced.gone,
                Told::Beside => {}
            }
        }
        delta.accounts = Gone::together(gone)
            .ok_or("the server names what is there below one base, and what is gone below another")?;
        Ok(Changed { collector, delta, servers })
    }

    async fn delta_of(
        &self,
        session: &Session,
        server: &Server,
        schema: &Schema,
        collector: Collector<'_>,
        mut delta: Delta,
        mut mark: Mark,
    ) -> Result<Reading, String> {
        let collected = collector.finish().map_err(|error| error.to_string())?;
        let Some(traced) = collected.traced else { return Err("no ids were asked for".to_owned()) };
        mark.above.rise(session, server, schema, &traced).await?;
        delta.beside = [traced.no_accounts.as_slice(), &traced.no_groups].concat();
        delta.accounts.ids.extend(traced.no_accounts);
        delta.groups.ids.extend(traced.no_groups);
        Ok(Reading {
            upserts: collected.state,
            gaps: collected.gaps,
            evidence: vec!["contextCSN unchanged meanwhile".to_owned()],
            identities: Some(traced.identities.map_err(|dn| format!("`{dn}` came without its id"))?),
            delta: Some(delta),
            cookie: mark.cookie(),
            ..Reading::default()
        })
    }

    /// The cookie of a full read between two equal counters, before which `ahead` was newer
    /// than these; otherwise why there is none.
    pub(super) async fn mark_of(
        &self,
        session: &Session,
        server: &Server,
        schema: &Schema,
        traced: &Traced,
        counters: &[(String, Vec<String>)],
        ahead: Result<Vec<Ahead>, String>,
    ) -> Result<Cookie, String> {
        if let Err(dn) = &traced.identities {
            return Err(format!("`{dn}` shows no `{}`", id_attribute(server)));
        }
        let mark = Mark::of_counters(counters, server, schema);
        let mut mark = mark.ok_or("a base is in no suffix of the server")?;
        mark.ahead = ahead?.into_iter().map(|entry| (entry.id, entry.csn)).collect();
        mark.ahead.sort();
        mark.ahead.dedup();
        mark.above.rise(session, server, schema, traced).await?;
        mark.cookie().ok_or_else(|| "it is too large".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_comes_back() {
        let above = Above::of(vec![("ou=people,dc=x".into(), ObjectId([7; 16]))]);
        let mark = Mark {
            servers: vec![b"rid=000,csn=a".to_vec(), Vec::new()],
            above,
            ahead: vec![(ObjectId([8; 16]), "20261122182127.000100Z#000000#000#000000".into())],
        };
        let cookie = mark.cookie().unwrap();
        assert_eq!(Mark::parse(&cookie).unwrap(), mark);
        for end in 0..cookie.0.len() {
            assert!(Mark::parse(&Cookie(cookie.0[..end].to_vec())).is_err(), "{end}");
        }
    }

    /// Otherwise one entry whose writes overtook each other would mean full reads for ever.
    #[test]
    fn what_was_newer_than_the_counter_when_it_was_read_stays_read() {
        let entry = |id: u8, csn: &str| Ahead { dn: format!("cn={id}"), id: ObjectId([id; 16]), csn: csn.into() };
        let ahead = vec![(ObjectId([1; 16]), "5".into()), (ObjectId([2; 16]), "6".into())];
        let mark = Mark { ahead, ..Mark::default() };
        let mut stands = mark.clone();
        assert_eq!(stands.stand(vec![entry(2, "6")]), Ok(()));
        assert_eq!(stands.ahead, [(ObjectId([2; 16]), "6".into())]);
        for later in [entry(2, "7"), entry(3, "5")] {
            let why = format!("`{}` was written after the server's change counter", later.dn);
            assert_eq!(mark.clone().stand(vec![entry(1, "5"), later]), Err(why));
        }
    }

    #[test]
    fn a_cookie_is_sent_a_moment_older() {
        let aged = |text: &str| String::from_utf8(aged(text.as_bytes())).unwrap();
        assert_eq!(
            aged("rid=000,csn=20261122182127.000100Z#000000#000#000000;20261122182127.864947Z#000000#001#000000"),
            "rid=000,csn=20261122182127.000099Z#000000#000#000000;20261122182127.864946Z#000000#001#000000"
        );
        for other in ["", "ldap://h:389#cn=x:dc=y:(o=*)#17", "csn=20261122182127.000000Z#0#0#0", "csn=;"] {
            assert_eq!(aged(other), other);
        }
    }
}
