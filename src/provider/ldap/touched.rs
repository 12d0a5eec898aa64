//! Reading on where a server tells the ids of what was written: domain controllers
//! ([`super::dirsync`]) and 389 Directory Server ([`super::changelog`]).
//!
//! Comes in: the cookie of an earlier read. Goes out: a [`Reading`] that is a delta, with
//! the cookie for the next. Refuses: to go on where something could have changed that the
//! server does not tell; it says why, and a full read follows.
//!
//! Each id is read directly: what is found where accounts or groups are is new or changed,
//! everything else is gone from there, deleted or moved. What came after the question is
//! asked for once more; only when nothing did is the reading of one moment.

use super::above::{Above, PARENT, id_attribute, id_of, not_alone};
use super::connect::Session;
use super::errors::said;
use super::probe::Server;
use super::read::{ATTEMPTS, READS_IN_FLIGHT, Tally, account_filter, of_class};
use super::refresh::Identified;
use super::search::{self, Entry, Search};
use super::watch::Watch;
use super::{Directory, active, changelog, dirsync};
use crate::model::bytes::{Cursor, Damaged, Out};
use crate::provider::active_directory::identifier;
use crate::provider::entries::{Collector, Relative, Schema, Traced};
use crate::provider::identities::{Delta, ObjectId};
use crate::provider::{Cookie, Reading, Scope, dn};
use futures_util::{StreamExt, TryStreamExt, stream};
use ldap3::Scope as Depth;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// First byte of a cookie.
const VERSION: u8 = 2;
/// When more entries than these were written, reading everything is as quick.
const MOST: usize = 20_000;
/// The change counter of an object in a domain.
pub(super) const COUNTER: &str = "uSNChanged";

/// Up to where everything was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Whose number it is: one of another server proves nothing.
    origin: Vec<String>,
    /// The last change that was read.
    number: u64,
    /// What a domain controller calls that place; empty: accord may not ask it.
    place: Vec<u8>,
    above: Above,
    relative: Relative,
}

impl Mark {
    fn cookie(&self) -> Option<Cookie> {
        let mut out = Out::default();
        out.u8(VERSION);
        out.count(self.origin.len());
        self.origin.iter().for_each(|part| out.text(part));
        out.raw(&self.number.to_le_bytes());
        out.blob(&self.place);
        self.above.encode(&mut out);
        for numbers in [&self.relative.groups, &self.relative.primary] {
            out.count(numbers.len());
            out.numbers(numbers.iter().copied());
        }
        out.finish().map(Cookie)
    }

    fn parse(cookie: &Cookie) -> Result<Self, Damaged> {
        let mut cursor = Cursor::of_version(&cookie.0, VERSION)?;
        let mut mark = Self::default();
        for _ in 0..cursor.count(4)? {
            mark.origin.push(cursor.text()?.to_owned());
        }
        mark.number = u64::from_le_bytes(cursor.raw(8)?.try_into().map_err(|_| Damaged)?);
        mark.place = cursor.blob()?.to_vec();
        mark.above = Above::decode(&mut cursor)?;
        let mut numbers = || -> Result<BTreeSet<u32>, Damaged> {
            let count = cursor.count(4)?;
            Ok(cursor.numbers(count)?.collect())
        };
        mark.relative = Relative { groups: numbers()?, primary: numbers()? };
        cursor.end().map(|()| mark)
    }
}

/// What was written since a mark.
struct Written {
    ids: BTreeSet<ObjectId>,
    /// The same mark, after it.
    next: Mark,
    /// Whether the server says that nothing at all was written.
    still: bool,
}

/// Whether this server tells the ids of what was written.
pub(super) fn tells(server: &Server) -> bool {
    server.controller.is_some() || server.changelog.is_some()
}

/// What entries are asked for.
struct Asked<'a> {
    accounts: Vec<Search<'a>>,
    groups: Option<Search<'a>>,
    ids: [String; 1],
}

/// What was found so far.
struct Found<'s> {
    collector: Collector<'s>,
    watch: Watch<'s>,
    /// DNs of entries that came, and below which there may be others.
    holders: Vec<String>,
}

impl Directory {
    /// Where a read that begins now can be gone on from.
    pub(super) async fn begin(&self, session: &Session, server: &Server, schema: &Schema) -> Result<Mark, String> {
        if let Some(log) = &server.changelog {
            let (origin, number) = changelog::position(session, log, self.page_size).await?;
            return Ok(Mark { origin, number, ..Mark::default() });
        }
        let context = context(server, schema)?;
        let (origin, number) = controller(session).await?;
        let place = match ensure_told(session, server).await {
            Ok(()) => dirsync::start(session, context).await.unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        Ok(Mark { origin, number, place, ..Mark::default() })
    }

    /// The cookie of a whole read that began at `mark`.
    pub(super) async fn end(
        &self,
        session: &Session,
        server: &Server,
        schema: &Schema,
        mut mark: Mark,
        traced: &Traced,
    ) -> Result<Cookie, String> {
        if let Err(dn) = &traced.identities {
            return Err(format!("`{dn}` shows no `{}`", id_attribute(server)));
        }
        if let Some(rid) = traced.relative.meets(&traced.relative) {
            return Err(format!("a group below `groups.base` (RID {rid}) is the primary group of accounts"));
        }
        mark.relative = traced.relative.clone();
        mark.above.rise(session, server, schema, traced).await?;
        mark.cookie().ok_or_else(|| "it is too large".to_owned())
    }

    /// Reads what was written since `cookie`.
    pub(super) async fn read_touched(
        &self,
        session: &Session,
        server: &Server,
        schema: &Schema,
        scope: &Scope,
        cookie: &Cookie,
    ) -> Result<Reading, String> {
        let mark = Mark::parse(cookie).map_err(|_| "the cookie is of another version".to_owned())?;
        if scope.only.is_some() || scope.authors || !scope.resume {
            return Err("more is asked for than what was written brings".to_owned());
        }
        for _ in 0..ATTEMPTS {
            let Written { ids, mut next, still } = self.written(session, server, schema, scope, &mark).await?;
            if ids.len() > MOST {
                return Err(format!("{} entries were written, more than {MOST}", ids.len()));
            }
            if !still {
                mark.above.ensure_unmoved(session, server).await?;
            }
            let (mut reading, relative) = self.look(session, server, schema, scope, &mut next, &ids).await?;
            if let Some(rid) = relative.meets(&next.relative) {
                return Err(format!("a group below `groups.base` (RID {rid}) is the primary group of an account"));
            }
            next.relative.extend(&relative);
            if still || self.written(session, server, schema, scope, &next).await?.ids.is_empty() {
                reading.evidence = vec![evidence(server, next.number, still)];
                reading.cookie = next.cookie();
                reading.delta.get_or_insert_default().still = still;
                return Ok(reading);
            }
        }
        Err(format!("the directory changed during each of {ATTEMPTS} readings"))
    }

    /// The ids of what was written since `mark`.
    async fn written(
        &self,
        session: &Session,
        server: &Server,
        schema: &Schema,
        scope: &Scope,
        mark: &Mark,
    ) -> Result<Written, String> {
        let mut next = mark.clone();
        if let Some(log) = &server.changelog {
            let ids;
            (ids, next.origin, next.number) =
                changelog::since(session, log, self.page_size, &mark.origin, mark.number).await?;
            return Ok(Written { still: ids.is_empty(), ids, next });
        }
        let (origin, number) = controller(session).await?;
        if origin != mark.origin {
            return Err("another domain controller answers, or this one was restored".to_owned());
        }
        if number < mark.number {
            return Err(format!("`highestCommittedUSN` went back from {} to {number}", mark.number));
        }
        if number == mark.number {
            return Ok(Written { ids: BTreeSet::new(), next, still: true });
        }
        let context = context(server, schema)?;
        ensure_told(session, server).await?;
        if mark.place.is_empty() {
            return Err(format!(
                "`highestCommittedUSN` moved, and to ask what was written takes the right `Replicating Directory Changes` on `{context}`"
            ));
        }
        let attributes = dirsync::attributes(schema, scope);
        let dirsync::Since { mut ids, mut referrals, next: place } =
            dirsync::since(session, context, &attributes, &mark.place).await?;
        // The whole domain is asked about: what lies beside the bases does not matter.
        server.forget_own(&mut referrals);
        referrals.retain(|url| concerns(schema, url));
        refers(&referrals)?;
        next.place = place;
        next.number = number;
        self.free_attributes(session, (server, schema), mark.number, &mut ids).await?;
        Ok(Written { ids, next, still: false })
    }

    /// Groups come with attributes that nobody listed: those that were written since
    /// `number` say so themselves.
    async fn free_attributes(
        &self,
        session: &Session,
        (server, schema): (&Server, &Schema),
        number: u64,
        ids: &mut BTreeSet<ObjectId>,
    ) -> Result<(), String> {
        let Some(base) = &schema.groups_base else { return Ok(()) };
        let filter = format!("(&{}({COUNTER}>={}))", of_class(schema), number.saturating_add(1));
        let wanted = ["objectGUID".to_owned()];
        let (scope, page_size) = (Depth::Subtree, self.page_size);
        let search = Search { base, scope, filter: &filter, attributes: &wanted, page_size };
        let mut hidden = false;
        let mut ended = search::run(session, &search, |entry| match id_of(entry) {
            Some(id) => drop(ids.insert(id)),
            None => hidden = true,
        })
        .await;
        server.forget_own(&mut ended.referrals);
        refers(&ended.referrals)?;
        if hidden || ended.result.is_some() || ended.broken.is_some() {
            return Err(format!("groups could not be searched for `{COUNTER}`"));
        }
        Ok(())
    }

    /// Reads the entries of these ids.
    async fn look(
        &self,
        session: &Session,
        server: &Server,
        schema: &Schema,
        scope: &Scope,
        mark: &mut Mark,
        ids: &BTreeSet<ObjectId>,
    ) -> Result<(Reading, Relative), String> {
        let with_more = |mut list: Vec<String>| {
            list.extend([PARENT, id_attribute(server)].map(str::to_owned));
            list
        };
        let account_attributes = with_more(schema.account_request(&scope.account_attributes));
        let group_attributes = with_more(schema.group_request(&scope.group_attributes));
        let (group_filter, page_size) = (of_class(schema), self.page_size);
        let accounts = schema.roots().map(|base| Search {
            base: &base.dn,
            scope: Depth::Subtree,
            filter: account_filter(schema),
            attributes: &account_attributes,
            page_size,
        });
        let accounts: Vec<Search<'_>> = accounts.collect();
        let groups = schema.groups_base.as_ref().map(|base| Search {
            base,
            scope: Depth::Subtree,
            filter: &group_filter,
            attributes: &group_attributes,
            page_size,
        });
        let asked = Asked { accounts, groups, ids: [id_attribute(server).to_owned()] };
        let found = RefCell::new(Found {
            collector: Collector::new(schema, scope),
            watch: Watch::new(server, schema, scope),
            holders: Vec::new(),
        });
        let (asked, sink, above) = (&asked, &found, &mark.above);
        stream::iter(ids.iter().copied())
            .map(|id| one(session, server, schema, asked, above, id, sink))
            .buffer_unordered(READS_IN_FLIGHT)
            .try_collect::<()>()
            .await?;
        let Found { mut collector, mut watch, holders } = found.into_inner();
        ensure_alone(session, asked, &holders, ids).await?;
        watch.settle(session, page_size, &mut collector).await;
        watch.settle_groups(session, &mut collector).await;
        let rest = active::rest_of_members(session, &mut collector, &mut Tally::default(), &self.hasher).await;
        rest.map_err(said)?;
        let collected = collector.finish().map_err(|error| error.to_string())?;
        let Some(traced) = collected.traced else { return Err("no ids were asked for".to_owned()) };
        mark.above.rise(session, server, schema, &traced).await?;
        let gone = |gone: &mut Vec<ObjectId>| gone.extend(ids);
        let mut delta = Delta { beside: [traced.no_accounts, traced.no_groups].concat(), ..Delta::default() };
        gone(&mut delta.accounts.ids);
        gone(&mut delta.groups.ids);
        let identities = traced.identities.map_err(|dn| format!("`{dn}` came without its id"))?;
        let reading = Reading {
            upserts: collected.state,
            gaps: collected.gaps,
            protected: collected.protected,
            identities: Some(identities),
            delta: Some(delta),
            ..Reading::default()
        };
        Ok((reading, traced.relative))
    }
}

/// Reads the entry of one id, wherever it is now.
async fn one(
    session: &Session,
    server: &Server,
    schema: &Schema,
    asked: &Asked<'_>,
    above: &Above,
    id: ObjectId,
    sink: &RefCell<Found<'_>>,
) -> Result<(), String> {
    let mut met = false;
    // 389 Directory Server tells it of every entry, unless it may not be read; a domain
    // controller of none.
    let untold = server.changelog.is_some();
    let holds = |entry: Entry<'_>| entry.text(PARENT).map_or(untold, |value| !value.eq_ignore_ascii_case("FALSE"));
    for (root, place) in schema.roots().zip(&asked.accounts) {
        find(session, server, place, id, |entry| {
            if is_inside(entry.dn, &root.key) {
                met = true;
                let Found { collector, watch, holders } = &mut *sink.borrow_mut();
                if holds(entry) && !above.holds(entry.dn, Some(id)) {
                    holders.push(entry.dn.to_owned());
                }
                watch.account(collector, entry);
                collector.account(&Identified { entry, id });
            }
        })
        .await?;
    }
    if let (Some(groups), Some(key)) = (&asked.groups, &schema.groups_key) {
        find(session, server, groups, id, |entry| {
            if is_inside(entry.dn, key) {
                met = true;
                let Found { collector, watch, holders } = &mut *sink.borrow_mut();
                if holds(entry) && !above.holds(entry.dn, Some(id)) {
                    holders.push(entry.dn.to_owned());
                }
                watch.group(collector, entry);
                collector.group(&Identified { entry, id });
            }
        })
        .await?;
    }
    if met {
        return Ok(());
    }
    // Neither, and yet it may hold some: a unit.
    let keys = schema.roots().map(|base| &base.key).chain(&schema.groups_key);
    for (key, place) in keys.zip(asked.accounts.iter().chain(&asked.groups)) {
        let bare = Search { filter: "(objectClass=*)", attributes: &asked.ids, ..*place };
        find(session, server, &bare, id, |entry| {
            if is_inside(entry.dn, key) && !above.holds(entry.dn, Some(id)) {
                sink.borrow_mut().holders.push(entry.dn.to_owned());
            }
        })
        .await?;
    }
    Ok(())
}

/// Hands over the entry of an id, if it passes the filter.
async fn find(
    session: &Session,
    server: &Server,
    place: &Search<'_>,
    id: ObjectId,
    take: impl FnMut(Entry<'_>),
) -> Result<(), String> {
    if server.controller.is_some() {
        let Some(guid) = identifier::guid(&id.0) else { return Ok(()) };
        let base = format!("<GUID={guid}>");
        return search::base(session, &base, place.filter, place.attributes, take).await.map(drop).map_err(said);
    }
    let filter = format!("(&{}({}={}))", place.filter, id_attribute(server), unique(id));
    let ended = search::run(session, &Search { filter: &filter, page_size: 0, ..*place }, take).await;
    match (ended.broken, ended.result) {
        (None, None) => refers(&ended.referrals),
        (Some(error), _) => Err(said(error)),
        (None, Some(result)) => Err(super::errors::words(&result)),
    }
}

/// What is somewhere else is a gap, which a full read tells.
fn refers(referrals: &[String]) -> Result<(), String> {
    if referrals.is_empty() {
        return Ok(());
    }
    Err(format!("the server refers to {}", super::errors::referrals(referrals)))
}

/// An id as 389 Directory Server writes it: `a06c8201-e6b911f1-bb948ea3-162616bb`.
fn unique(id: ObjectId) -> String {
    let mut text = String::with_capacity(35);
    for (n, byte) in id.0.iter().enumerate() {
        if matches!(n, 4 | 8 | 12) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// That whatever is below an entry that came has come too.
async fn ensure_alone(
    session: &Session,
    asked: &Asked<'_>,
    holders: &[String],
    ids: &BTreeSet<ObjectId>,
) -> Result<(), String> {
    for dn in holders {
        for place in asked.accounts.iter().chain(&asked.groups) {
            let below = Search { base: dn, attributes: &asked.ids, ..*place };
            let mut unknown = false;
            let each = |entry: Entry<'_>| unknown |= id_of(entry).is_none_or(|id| !ids.contains(&id));
            let ended = search::run(session, &below, each).await;
            if unknown || ended.result.is_some() || ended.broken.is_some() || !ended.referrals.is_empty() {
                return Err(not_alone(dn));
            }
        }
    }
    Ok(())
}

/// Whether an entry is at or below the entry with this key.
fn is_inside(dn: &str, base: &str) -> bool {
    dn::key(dn).is_ok_and(|key| key == base || dn::is_below(&key, base))
}

/// Whether a reference points to something at or below a base, as far as it says where.
fn concerns(schema: &Schema, url: &str) -> bool {
    let Some(dn) = active::referred(url) else { return true };
    let keys = schema.roots().map(|base| &base.key).chain(&schema.groups_key);
    { keys }.any(|key| is_inside(&dn, key))
}

/// The naming context of all bases.
fn context<'s>(server: &'s Server, schema: &Schema) -> Result<&'s str, String> {
    let of = |base: &str| server.suffix(base).ok_or_else(|| format!("`{base}` is in no naming context"));
    let context = of(schema.default_base())?;
    for base in schema.roots().map(|base| &base.dn).chain(&schema.groups_base) {
        if of(base)? != context {
            return Err("accounts and groups are in different naming contexts".to_owned());
        }
    }
    Ok(context)
}

/// That whoever may use `DirSync` is told of everything. Samba (4.17.12 was seen) lets access
/// control take out of its answer what may not be read: deleted objects, for all but
/// administrators.
async fn ensure_told(session: &Session, server: &Server) -> Result<(), String> {
    let is_samba = server.controller.as_ref().is_some_and(|controller| controller.is_samba);
    if !is_samba || active::is_administrator(session).await.map_err(said)? {
        return Ok(());
    }
    Err("`highestCommittedUSN` moved, and Samba tells only administrators all that was written".to_owned())
}

/// Which controller answers, with which database, and its change counter.
async fn controller(session: &Session) -> Result<(Vec<String>, u64), String> {
    let counter = active::counter(session).await.map_err(said)?;
    let Some([service, number]) = counter.as_deref() else {
        return Err("the controller shows no `highestCommittedUSN`".to_owned());
    };
    let number = number.parse().map_err(|_| format!("`highestCommittedUSN` is `{number}`"))?;
    // Another one after the database was restored ([MS-ADTS] §3.1.1.1.9).
    let wanted = ["invocationId".to_owned()];
    let take = |entry: Entry<'_>| entry.values("invocationId").next().and_then(identifier::guid);
    let invocation = search::base(session, service, "(objectClass=*)", &wanted, take).await.map_err(said)?.flatten();
    let invocation = invocation.ok_or_else(|| format!("`{service}` shows no `invocationId`"))?;
    Ok((vec![service.clone(), invocation], number))
}

fn evidence(server: &Server, number: u64, still: bool) -> String {
    let unmoved = if still { "unchanged " } else { "" };
    match &server.controller {
        Some(controller) if still => controller.unchanged(&[number.to_string()]),
        Some(controller) => controller.told(number),
        None => format!("change log {unmoved}up to change {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_comes_back_and_a_torn_one_does_not() {
        let mark = Mark {
            origin: vec!["CN=NTDS Settings".to_owned(), "30c31bb4".to_owned()],
            number: u64::MAX - 7,
            place: vec![1, 2, 3],
            above: Above::of(vec![("ou=people,dc=x".into(), ObjectId([7; 16]))]),
            relative: Relative { groups: BTreeSet::from([1104, 1105]), primary: BTreeSet::from([513]) },
        };
        let cookie = mark.cookie().unwrap();
        assert_eq!(Mark::parse(&cookie).unwrap(), mark);
        for end in 0..cookie.0.len() {
            assert!(Mark::parse(&Cookie(cookie.0[..end].to_vec())).is_err(), "{end}");
        }
    }

    #[test]
    fn an_id_is_written_as_the_server_writes_it() {
        let text = "a06c8201-e6b911f1-bb948ea3-162616bb";
        assert_eq!(unique(ObjectId::parse(text.as_bytes()).unwrap()), text);
    }

    /// A child domain's own context, beside or below what is read.
    #[test]
    fn a_reference_concerns_who_is_read_where_it_points_to_a_base_or_below() {
        use crate::policy::settings::DirectorySettings;
        let settings: DirectorySettings = serde_json::from_value(serde_json::json!({
            "kind": "active-directory", "url": "ldaps://dc1.example.com",
            "accounts": { "base": "OU=People,DC=example,DC=com" }, "groups": { "base": "OU=Groups,DC=example,DC=com" },
        }))
        .unwrap();
        let directory = crate::policy::settings::Directory {
            name: "corp".into(),
            settings: settings.filled(),
            accounts_for: crate::policy::AccountsFor::Entitled,
            bases: Vec::new(),
            place: crate::model::Place { file: crate::model::FileId(0), line: 1, column: 1 },
        };
        let schema = Schema::new(&directory, true).unwrap();
        for (url, expected) in [
            ("ldap://child.example.com/DC=child,DC=example,DC=com", false),
            ("ldap://child.example.com/DC=child,OU=People,DC=example,DC=com", true),
            ("ldap://child.example.com/ou=people,dc=example,dc=com??sub", true),
            ("ldap://child.example.com/DC=child,OU=Groups,DC=example,DC=com", true),
            ("ldap://nowhere", true),
        ] {
            assert_eq!(concerns(&schema, url), expected, "{url}");
        }
    }
}
