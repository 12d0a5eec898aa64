//! Paged searches (RFC 2696) whose end is always looked at.
//!
//! Comes in: a base, a filter, attributes. Goes out: each entry, borrowed, once,
//! as it arrives; at the end how the search ended. Refuses: to call anything but
//! result 0 on every page complete; to panic on what a server sends.

use super::connect::Session;
use super::errors;
use crate::provider::ProviderError;
use crate::provider::active_directory::link;
use ldap3::asn1::{PL, StructureTag};
use ldap3::controls::{MakeCritical, PagedResults, RawControl};
use ldap3::{LdapResult, ResultEntry, Scope};

/// OID of the paged results control.
const PAGED: &str = "1.2.840.113556.1.4.319";

/// What is searched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search<'a> {
    /// DN of the base.
    pub(super) base: &'a str,
    /// Base object or subtree.
    pub(super) scope: Scope,
    /// RFC 4515 filter.
    pub(super) filter: &'a str,
    /// Attributes asked for.
    pub(super) attributes: &'a [String],
    /// Entries per page; 0 asks for no pages.
    pub(super) page_size: u32,
}

/// How a search ended.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    /// Pages that arrived whole.
    pub(super) pages: u32,
    /// Entries that arrived.
    pub(super) entries: u64,
    /// Where the server says the rest is (search result references).
    pub(super) referrals: Vec<String>,
    /// The first result that was not success.
    pub(super) result: Option<LdapResult>,
    /// An answer that did not come.
    pub(super) broken: Option<ProviderError>,
}

/// One entry as it came, without a copy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    /// Its DN.
    pub(super) dn: &'a str,
    attributes: &'a [StructureTag],
}

impl<'a> Entry<'a> {
    /// Attribute descriptions with their values. Anything malformed is left out.
    pub(super) fn attributes(self) -> impl Iterator<Item = (&'a str, impl Iterator<Item = &'a [u8]>)> {
        self.attributes.iter().filter_map(|attribute| {
            let [name, values] = children(attribute)? else { return None };
            Some((text(name)?, children(values)?.iter().filter_map(bytes)))
        })
    }

    /// Values of one attribute.
    pub(super) fn values(self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.attributes().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).flat_map(|(_, values)| values)
    }

    /// The first value of one attribute, if it is text.
    pub(super) fn text(self, name: &'a str) -> Option<&'a str> {
        self.values(name).next().and_then(|v| std::str::from_utf8(v).ok())
    }
}

pub(super) fn children(tag: &StructureTag) -> Option<&[StructureTag]> {
    match &tag.payload {
        PL::C(list) => Some(list),
        PL::P(_) => None,
    }
}

pub(super) fn bytes(tag: &StructureTag) -> Option<&[u8]> {
    match &tag.payload {
        PL::P(bytes) => Some(bytes),
        PL::C(_) => None,
    }
}

fn text(tag: &StructureTag) -> Option<&str> {
    bytes(tag).and_then(|bytes| std::str::from_utf8(bytes).ok())
}

pub(super) fn entry(tag: &StructureTag) -> Option<Entry<'_>> {
    let [dn, attributes, ..] = children(tag)? else { return None };
    Some(Entry { dn: text(dn)?, attributes: children(attributes)? })
}

/// Runs a search to its end, page by page.
pub(super) async fn run(session: &Session, search: &Search<'_>, each: impl FnMut(Entry<'_>)) -> Ended {
    run_while(session, search, each, |_| true).await
}

/// As [`run`], for as long as `go_on` says so after a page.
pub(super) async fn run_while(
    session: &Session,
    search: &Search<'_>,
    mut each: impl FnMut(Entry<'_>),
    go_on: impl Fn(&Ended) -> bool,
) -> Ended {
    let mut ended = Ended { pages: 0, entries: 0, referrals: Vec::new(), result: None, broken: None };
    let mut cookie = Vec::new();
    loop {
        let result = match page(session, search, std::mem::take(&mut cookie), &mut ended, &mut each).await {
            Ok(result) => result,
            Err(error) => {
                ended.broken = Some(error);
                return ended;
            }
        };
        ended.referrals.extend(result.refs.iter().cloned());
        if result.rc != 0 {
            ended.result = Some(result);
            return ended;
        }
        ended.pages += 1;
        match next_cookie(&result, search.page_size > 0) {
            Ok(next) if next.is_empty() || !go_on(&ended) => return ended,
            Ok(next) => cookie = next,
            Err(what) => {
                let operation = format!("search {}", search.base);
                let help = if ended.entries == 0 {
                    // So answers 389 Directory Server where there is no such base.
                    session.site.help(32, search.base)
                } else {
                    vec!["the end of the answer cannot be proven; a proxy between may cut controls".to_owned()]
                };
                ended.broken = Some(session.site.error(operation, what, help));
                return ended;
            }
        }
    }
}

async fn page(
    session: &Session,
    search: &Search<'_>,
    cookie: Vec<u8>,
    ended: &mut Ended,
    each: &mut impl FnMut(Entry<'_>),
) -> Result<LdapResult, ProviderError> {
    let operation = || format!("search {}", search.base);
    let broken = |error| session.unanswered(&operation(), &error);
    let mut ldap = session.operation();
    let mut controls: Vec<RawControl> = Vec::new();
    if search.page_size > 0 {
        let size = i32::try_from(search.page_size).unwrap_or(i32::MAX);
        controls.push(PagedResults { size, cookie }.critical().into());
    }
    if session.shows_ends {
        controls.push(RawControl { ctype: link::SHOWN.to_owned(), crit: false, val: None });
    }
    if !controls.is_empty() {
        ldap.with_controls(controls);
    }
    let mut stream =
        ldap.streaming_search(search.base, search.scope, search.filter, search.attributes).await.map_err(broken)?;
    while let Some(item) = stream.next().await.map_err(broken)? {
        if item.is_intermediate() {
            continue;
        }
        if item.is_ref() {
            ended.referrals.extend(references(&item));
            continue;
        }
        match entry(&item.0) {
            Some(entry) => {
                ended.entries += 1;
                each(entry);
            }
            None => {
                return Err(session.site.error(operation(), "the server sent an entry that is no entry", Vec::new()));
            }
        }
    }
    Ok(stream.finish().await)
}

pub(super) fn references(item: &ResultEntry) -> Vec<String> {
    children(&item.0).unwrap_or_default().iter().filter_map(text).map(str::to_owned).collect()
}

/// The cookie for the next page; empty at the end. Parsed here because the
/// library's parser panics on a malformed value. Only a cookie that is there and
/// empty proves the end of a paged answer (RFC 2696 §3).
fn next_cookie(result: &LdapResult, paged: bool) -> Result<Vec<u8>, &'static str> {
    const MALFORMED: &str = "the paged results control of the answer is malformed";
    if !paged {
        return Ok(Vec::new());
    }
    let control = result.ctrls.iter().find(|c| c.1.ctype == PAGED);
    let control = control.ok_or("the answer carries no paged results control, which was asked for")?;
    let (_, tag) = ldap3::asn1::parse_tag(control.1.val.as_deref().ok_or(MALFORMED)?).map_err(|_| MALFORMED)?;
    let cookie = children(&tag).and_then(|parts| parts.get(1)).and_then(bytes);
    cookie.map(<[u8]>::to_vec).ok_or(MALFORMED)
}

/// Reads one entry directly; `None` when it is not there (or may not be seen).
///
/// # Errors
/// Any other result, or no answer.
pub(super) async fn base<T>(
    session: &Session,
    dn: &str,
    filter: &str,
    attributes: &[String],
    mut take: impl FnMut(Entry<'_>) -> T,
) -> Result<Option<T>, ProviderError> {
    let mut found = None;
    let search = Search { base: dn, scope: Scope::Base, filter, attributes, page_size: 0 };
    let ended = run(session, &search, |entry| found = Some(take(entry))).await;
    match (ended.broken, ended.result) {
        (Some(error), _) => Err(error),
        (None, Some(result)) if result.rc == 32 => Ok(None),
        (None, Some(result)) => Err(session.site.refused(&format!("read {dn}"), dn, &result)),
        (None, None) if found.is_none() && !ended.referrals.is_empty() => {
            let to = errors::referrals(&ended.referrals);
            Err(session.site.error(
                format!("read {dn}"),
                format!("the server refers to {to}"),
                session.site.help(10, dn),
            ))
        }
        (None, None) => Ok(found),
    }
}
