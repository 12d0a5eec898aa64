//! What changed in a 389 Directory Server since a change number: its retro change log.
//!
//! Comes in: a session. Goes out: whose numbers these are and up to which one everything
//! can be seen; the ids of what was written since. Refuses: a log that leaves out suffixes
//! or attributes, that names no entries, that reaches back to another time, or of whose
//! settings not everything may be read: what it does not hold, nobody could tell.
//!
//! A change and its record are one transaction, writes of the server's own plug-ins
//! included. The number in the root DSE is given out before that is over, so that only
//! numbers whose records can be seen count, up to the first that cannot.

use super::connect::Session;
use super::errors::said;
use super::search::{self, Entry, Search};
use crate::provider::identities::ObjectId;
use ldap3::Scope as Depth;
use std::collections::{BTreeMap, BTreeSet};

/// Entry of the plug-in's settings.
const SETTINGS: &str = "cn=Retro Changelog Plugin,cn=plugins,cn=config";
/// What they must be. Something negated is true only of what may be read and is not there.
const ALL_OF_IT: &str = "(&(nsslapd-pluginEnabled=on)(nsslapd-attribute=nsuniqueid:targetUniqueId)\
    (!(nsslapd-include-suffix=*))(!(nsslapd-exclude-suffix=*))(!(nsslapd-exclude-attrs=*)))";
/// How far behind the newest number a write may be under way.
const UNDER_WAY: u64 = 200;

/// Whose the numbers are, and the last that counts.
///
/// # Errors
/// Why the log proves nothing.
pub(super) async fn position(session: &Session, log: &str, page_size: u32) -> Result<(Vec<String>, u64), String> {
    let settings = settings(session).await?;
    let newest = newest(session).await?;
    let records = records(session, log, newest.saturating_sub(UNDER_WAY).max(1), page_size).await?;
    let number = last_in_a_row(records.keys().copied()).ok_or("the change log holds no change that accord may read")?;
    let record = records.get(&number).map(|record| record.what.clone()).unwrap_or_default();
    Ok((vec![settings, record], number))
}

/// The ids of what was written after the change `number`, whose record is among `origin`;
/// and where that leads.
///
/// # Errors
/// As [`position`]; or that the log is not the one that it was.
pub(super) async fn since(
    session: &Session,
    log: &str,
    page_size: u32,
    origin: &[String],
    number: u64,
) -> Result<(BTreeSet<ObjectId>, Vec<String>, u64), String> {
    let settings = settings(session).await?;
    if origin.first() != Some(&settings) {
        return Err("the settings of the change log are others".to_owned());
    }
    let records = records(session, log, number, page_size).await?;
    let known = records.get(&number).map(|record| &record.what);
    if known.is_none() || known != origin.get(1) {
        return Err(format!("the change log does not reach back to change {number}, or is another one"));
    }
    let last = last_in_a_row(records.keys().copied()).unwrap_or(number);
    let mut ids = BTreeSet::new();
    for (of, record) in records.range(number.saturating_add(1)..) {
        ids.insert(record.id.ok_or_else(|| format!("change {of} names no entry"))?);
    }
    let record = records.get(&last).map(|record| record.what.clone()).unwrap_or_default();
    Ok((ids, vec![settings, record], last))
}

/// What the settings are known by, where the log holds everything.
async fn settings(session: &Session) -> Result<String, String> {
    let wanted = ["modifyTimestamp".to_owned()];
    let take = |entry: Entry<'_>| entry.text("modifyTimestamp").unwrap_or_default().to_owned();
    let found = search::base(session, SETTINGS, ALL_OF_IT, &wanted, take).await.map_err(said)?;
    let written = found.ok_or(
        "accord may not read all settings of `cn=Retro Changelog Plugin`, or they leave something out, or \
         `nsslapd-attribute: nsuniqueid:targetUniqueId` is missing",
    )?;
    // The plug-in reads them when the server starts, which `dataversion` ends with.
    let wanted = ["dataversion".to_owned()];
    let take = |entry: Entry<'_>| entry.text("dataversion").map(str::to_owned);
    let version = search::base(session, "", "(objectClass=*)", &wanted, take).await.map_err(said)?.flatten();
    let started = version.as_deref().and_then(|text| text.get(text.len().checked_sub(14)?..));
    let begun = written.get(..14).zip(started).is_some_and(|(written, started)| written < started);
    // Those of the package were never written.
    if written.is_empty() || begun {
        return Ok(written);
    }
    Err("the settings of the change log were written after the server's start and do not count yet".to_owned())
}

async fn newest(session: &Session) -> Result<u64, String> {
    let wanted = ["lastchangenumber".to_owned()];
    let take = |entry: Entry<'_>| entry.text("lastchangenumber").and_then(|text| text.parse().ok());
    let found = search::base(session, "", "(objectClass=*)", &wanted, take).await.map_err(said)?;
    found.flatten().ok_or_else(|| "the server shows no `lastchangenumber`".to_owned())
}

/// What one record says.
struct Record {
    /// The entry that was written.
    id: Option<ObjectId>,
    /// By what it is known again.
    what: String,
}

async fn records(session: &Session, log: &str, from: u64, page_size: u32) -> Result<BTreeMap<u64, Record>, String> {
    let wanted = ["changeNumber", "changeTime", "changeType", "targetDn", "targetUniqueId"].map(str::to_owned);
    let filter = format!("(changeNumber>={from})");
    let search = Search { base: log, scope: Depth::OneLevel, filter: &filter, attributes: &wanted, page_size };
    let mut out = BTreeMap::new();
    let ended = search::run(session, &search, |entry| {
        let text = |name| entry.text(name).unwrap_or_default();
        let what = ["changeTime", "changeType", "targetDn"].map(text).join(" ");
        let id = entry.values("targetUniqueId").next().and_then(ObjectId::parse);
        if let Ok(number) = text("changeNumber").parse() {
            out.insert(number, Record { id, what });
        }
    })
    .await;
    match (ended.broken, ended.result) {
        (Some(error), _) => Err(error.message),
        (None, Some(result)) => Err(format!("the change log: {}", super::errors::words(&result))),
        (None, None) => Ok(out),
    }
}

/// The last number before the first one that is missing.
fn last_in_a_row(numbers: impl Iterator<Item = u64>) -> Option<u64> {
    let mut last: Option<u64> = None;
    for number in numbers {
        if last.is_some_and(|last| last.checked_add(1) != Some(number)) {
            break;
        }
        last = Some(number);
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_cannot_be_seen_yet_holds_up_those_behind_it() {
        assert_eq!(last_in_a_row([7, 8, 9].into_iter()), Some(9));
        assert_eq!(last_in_a_row([7, 8, 10, 11].into_iter()), Some(8));
        assert_eq!(last_in_a_row([u64::MAX].into_iter()), Some(u64::MAX));
        assert_eq!(last_in_a_row([0; 0].into_iter()), None);
    }
}
