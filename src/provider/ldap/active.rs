//! What the connection does differently with a domain controller of Active Directory.
//!
//! Comes in: a session, the schema. Goes out: what the controller says of itself, its
//! change counter, the rest of long member lists, numbers that are changed bit by bit.
//! Refuses: a server that is no domain controller, a base that it does not hold, and
//! to write to one that takes no writes.

use super::connect::Session;
use super::errors::{self, Site};
use super::link_ends;
use super::probe::Server;
use super::read::Tally;
use super::search;
use super::write::Operation;
use crate::model::change::OtherMember;
use crate::model::state::Member;
use crate::model::{Object, State};
use crate::provider::active_directory::protection;
use crate::provider::active_directory::{self, DOMAIN_CONTROLLER, PASSWORD, PASSWORD_SET, READ_ONLY, refusal};
use crate::provider::entries::{Collector, Mod, Schema};
use crate::provider::{Answer, Protected, ProviderError, dn};
use futures_util::{StreamExt, stream};
use ldap3::LdapResult;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;

/// Members of no account and no group of the base that are asked about, at most.
const STRANGERS: usize = 2000;

/// How many of them at once.
const IN_FLIGHT: usize = 64;

/// What a domain controller says of itself (root DSE, [MS-ADTS] §3.1.1.3.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Controller {
    /// DN of its settings: two controllers never share one.
    service: String,
    /// Its host name.
    host: String,
    /// Its capabilities.
    capabilities: Vec<String>,
    /// Whether it is Samba's, which answers some things otherwise than Microsoft's.
    pub(super) is_samba: bool,
    /// The naming context of its domain.
    pub(super) domain: String,
    /// The naming context of the forest's settings.
    pub(super) configuration: String,
    /// Whether the forest itself ends memberships.
    pub(super) ends_links: link_ends::Ends,
}

impl Controller {
    /// Whether it takes no writes (RODC).
    pub(super) fn is_read_only(&self) -> bool {
        self.capabilities.iter().any(|oid| oid == READ_ONLY)
    }

    /// What it calls itself.
    pub(super) fn name(&self) -> String {
        self.service.clone()
    }

    /// What is said of a change counter that did not move.
    pub(super) fn unchanged(&self, counter: &[String]) -> String {
        let number = counter.last().map_or("", String::as_str);
        format!("highestCommittedUSN {number} unchanged on {}", self.host)
    }

    /// What is said of a controller that told what was written.
    pub(super) fn told(&self, number: u64) -> String {
        format!("DirSync of {} up to USN {number}", self.host)
    }
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

/// Asks the controller what it is, and whether it holds the bases.
///
/// # Errors
/// When no answer comes, the server is none of Active Directory, or a base is in none
/// of its naming contexts.
pub(super) async fn probe(session: &Session, schema: &Schema) -> Result<Server, ProviderError> {
    let wanted = names(&[
        "namingContexts",
        "supportedCapabilities",
        "dsServiceName",
        "dnsHostName",
        "defaultNamingContext",
        "vendorName",
        "supportedControl",
        "configurationNamingContext",
    ]);
    let found = search::base(session, "", "(objectClass=*)", &wanted, |entry| {
        let all = |name| -> Vec<String> {
            entry.values(name).filter_map(|v| std::str::from_utf8(v).ok()).map(str::to_owned).collect()
        };
        let one = |name| all(name).pop().unwrap_or_default();
        let controller = Controller {
            service: one("dsServiceName"),
            host: one("dnsHostName"),
            capabilities: all("supportedCapabilities"),
            is_samba: one("vendorName").contains("Samba"),
            domain: one("defaultNamingContext"),
            configuration: one("configurationNamingContext"),
            ends_links: link_ends::Ends::Never,
        };
        let server = Server { contexts: all("namingContexts"), controller: Some(controller), ..Server::default() };
        (server, all("supportedControl"))
    })
    .await?;
    let (mut server, controls) = found.unwrap_or_default();
    if let Some(controller) = &mut server.controller {
        controller.ends_links = link_ends::offered(session, &controls, &controller.configuration).await;
    }
    let is_one = |controller: &Controller| controller.capabilities.iter().any(|oid| oid == DOMAIN_CONTROLLER);
    if !server.controller.as_ref().is_some_and(is_one) {
        let help = "write `kind: ldap` for other servers, or correct `url`".to_owned();
        return Err(session.site.error(
            "connect",
            "the server is no domain controller of Active Directory",
            vec![help],
        ));
    }
    let accounts = schema.bases.iter().map(|base| ("accounts.base", &base.dn));
    for (setting, base) in accounts.chain(schema.groups_base.iter().map(|base| ("groups.base", base))) {
        if server.suffix(base).is_some() {
            continue;
        }
        let contexts = server.contexts.join("`, `");
        let help =
            format!("write a DN below one of them, or name a controller of the other domain in `url`: `{contexts}`");
        let message = format!("`{base}` is in none of the naming contexts of this domain controller");
        return Err(session.site.error(setting, message, vec![help]));
    }
    Ok(server)
}

/// Whether the bound identity is one of the domain's administrators.
///
/// # Errors
/// When no answer comes.
pub(super) async fn is_administrator(session: &Session) -> Result<bool, ProviderError> {
    // BUILTIN\Administrators, S-1-5-32-544 ([MS-DTYP] §2.4.2.4).
    const ADMINISTRATORS: (u64, [u32; 2]) = (5, [32, 544]);
    let wanted = names(&["tokenGroups"]);
    let found = search::base(session, "", "(objectClass=*)", &wanted, |entry| {
        let mut sids = entry.values("tokenGroups").filter_map(active_directory::identifier::sid);
        sids.any(|(authority, numbers)| (authority, numbers.as_slice()) == (ADMINISTRATORS.0, &ADMINISTRATORS.1[..]))
    });
    Ok(found.await?.unwrap_or_default())
}

/// The change counter, and whose it is: each controller counts for itself, so a
/// number of another one proves nothing.
///
/// # Errors
/// When no answer comes.
pub(super) async fn counter(session: &Session) -> Result<Option<Vec<String>>, ProviderError> {
    let wanted = names(&["dsServiceName", "highestCommittedUSN"]);
    let found = search::base(session, "", "(objectClass=*)", &wanted, |entry| {
        let one = |name| entry.text(name).map(str::to_owned);
        Some(vec![one("dsServiceName")?, one("highestCommittedUSN")?])
    });
    Ok(found.await?.flatten())
}

impl Server {
    /// Whether memberships can have an end of their own here.
    pub(super) fn ends_links(&self) -> bool {
        self.controller.as_ref().is_some_and(|controller| controller.ends_links == link_ends::Ends::Yes)
    }

    /// Whether a membership may be gone here although nobody wrote that, whatever the
    /// settings say of ends.
    pub(super) fn may_end_links(&self) -> bool {
        self.controller.as_ref().is_some_and(|controller| controller.ends_links != link_ends::Ends::Never)
    }

    /// Leaves out references to what this very controller holds beside the domain:
    /// its settings and DNS zones hold no accounts.
    pub(super) fn forget_own(&self, referrals: &mut Vec<String>) {
        if self.controller.is_some() {
            referrals.retain(|url| !referred(url).is_some_and(|dn| self.holds_apart(&dn)));
        }
    }

    /// Whether a DN is one of this server's contexts, or a zone of DNS data.
    fn holds_apart(&self, dn: &str) -> bool {
        let Ok(key) = dn::key(dn) else { return false };
        let zone = key.starts_with("dc=domaindnszones,") || key.starts_with("dc=forestdnszones,");
        zone || self.contexts.iter().any(|context| dn::same(context, dn))
    }
}

/// The DN of an LDAP URL (RFC 4516).
pub(super) fn referred(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let (_, dn) = rest.split_once('/')?;
    let dn = dn.split('?').next()?;
    let mut bytes = Vec::with_capacity(dn.len());
    let mut rest = dn.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Asks for the rest of member lists that came in pieces. What does not come is left
/// to the collector, which calls it a gap.
///
/// # Errors
/// When no answer comes.
pub(super) async fn rest_of_members(
    session: &Session,
    collector: &mut Collector<'_>,
    tally: &mut Tally,
    hasher: &foldhash::quality::RandomState,
) -> Result<(), ProviderError> {
    let mut todo = collector.unfinished();
    while !todo.is_empty() {
        for (group, attribute) in &todo {
            search::base(session, group, "(objectClass=*)", std::slice::from_ref(attribute), |entry| {
                tally.add(hasher, entry);
                collector.more_members(&entry)
            })
            .await?;
        }
        let left = collector.unfinished();
        if left == todo {
            break;
        }
        todo = left;
    }
    Ok(())
}

/// Members that are no account and no group of the state.
pub(super) fn unknown(state: &State) -> Vec<Object> {
    let mut list = Vec::new();
    for group in state.groups() {
        for member in group.others() {
            if let Member::Other(dn) = member {
                list.push(Object::other(group.name(), OtherMember::Other(dn.to_owned())));
            }
        }
    }
    list
}

/// Computers, members of other domains and the like among such members: what they are
/// is asked one by one, because there are few of them, and they are left alone.
pub(super) async fn strangers(session: &Session, members: &[Object]) -> Vec<Protected> {
    let mut lists: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for object in members {
        if let (Some(group), Some(OtherMember::Other(dn))) = (&object.group, &object.member) {
            lists.entry(dn).or_default().push(group);
        }
    }
    let wanted = names(&["objectClass"]);
    let wanted = &wanted;
    let mut asked = stream::iter(lists.into_iter().take(STRANGERS))
        .map(|(dn, groups)| async move {
            let class = search::base(session, dn, "(objectClass=*)", wanted, |entry| {
                let classes: Vec<&str> =
                    entry.values("objectClass").filter_map(|v| std::str::from_utf8(v).ok()).collect();
                protection::stranger(&classes)
            });
            // What cannot be told is left alone too.
            let kind = class.await.map_or(Some("of a kind that could not be read"), Option::flatten);
            (dn, groups, kind)
        })
        .buffer_unordered(IN_FLIGHT);
    let mut found = Vec::new();
    while let Some(answer) = asked.next().await {
        let (dn, groups, Some(kind)) = answer else { continue };
        found.extend(groups.into_iter().map(|group| Protected {
            object: Object::other(group, OtherMember::Other(dn.to_owned())),
            why: kind.to_owned(),
        }));
    }
    found
}

/// Puts what stands there now into changes of numbers: the old value is removed and
/// the new one added, so whoever is faster makes the modify fail.
pub(super) async fn settled(session: &Session, dn: &str, mods: &[Mod]) -> Result<Vec<Mod>, Answer> {
    let wanted: Vec<String> =
        mods.iter().filter_map(|m| if let Mod::Number(name, _) = m { Some(name.clone()) } else { None }).collect();
    if wanted.is_empty() {
        return Ok(mods.to_vec());
    }
    let held = search::base(session, dn, "(objectClass=*)", &wanted, |entry| {
        wanted.iter().map(|name| entry.text(name).map(str::to_owned)).collect::<Vec<_>>()
    });
    let held = match held.await {
        Ok(Some(held)) => held,
        Ok(None) => return Err(Answer::Conflict { why: "the entry is gone: somebody deleted or moved it".to_owned() }),
        Err(error) if session.is_closed() => return Err(Answer::Broken { why: error.message }),
        Err(error) => return Err(Answer::Refused { why: error.message }),
    };
    let mut out = Vec::with_capacity(mods.len() + wanted.len());
    let mut held = held.into_iter();
    for change in mods {
        let Mod::Number(name, number) = change else {
            out.push(change.clone());
            continue;
        };
        let old = held.next().flatten();
        match number.next(old.as_deref()) {
            Ok(None) => {}
            Ok(Some(new)) => {
                out.extend(old.map(|old| Mod::Delete(name.clone(), vec![old])));
                out.push(Mod::Add(name.clone(), vec![new]));
            }
            Err(why) => return Err(Answer::Conflict { why: format!("`{name}` of `{dn}`: {why}") }),
        }
    }
    Ok(out)
}

/// The answer that a result of a domain controller stands for, where its own code
/// says more than the result; otherwise `None`.
pub(super) fn told(site: &Site, operation: Operation, result: &LdapResult) -> Option<Answer> {
    let words = errors::words(result);
    let code = refusal::code(&result.text);
    let conflict = |what: &str| Some(Answer::Conflict { why: format!("{what} ({words})") });
    if operation == Operation::Modify {
        match (result.rc, code) {
            (68, _) => return conflict("somebody added it meanwhile"),
            (_, Some(code)) if refusal::is_there(code) => return conflict("somebody added it meanwhile"),
            (_, Some(code)) if refusal::is_absent(code) => return conflict("somebody removed it meanwhile"),
            // Samba says so without a code.
            (53, None)
                if result.text.contains("doesn't exist for target") || result.text.contains("already deleted") =>
            {
                return conflict("somebody removed it meanwhile");
            }
            _ => {}
        }
    }
    let meaning = match code? {
        // Samba has one code for a taken DN and for a taken name.
        0x2071 if result.text.contains("samAccountName") => refusal::meaning(0x524)?,
        code => refusal::meaning(code)?,
    };
    match result.rc {
        0 | 10 | 32 | 51 | 52 => None,
        68 => conflict(meaning),
        50 => Some(Answer::Refused { why: format!("{words} for {}: {meaning}", site.who) }),
        _ => Some(Answer::Refused { why: format!("{words}: {meaning}") }),
    }
}

/// The answer to writing to a controller that takes no writes.
pub(super) fn read_only(server: &Server) -> Option<Answer> {
    let controller = server.controller.as_ref().filter(|controller| controller.is_read_only())?;
    let why = format!("`{}` is a read-only domain controller: name one that takes writes in `url`", controller.host);
    Some(Answer::Refused { why })
}

/// What gives a new account its first password: only over TLS, which the controller
/// itself demands, and only until the first log-in.
pub(super) fn first_password(password: &SecretString) -> [(Vec<u8>, Vec<u8>); 2] {
    let secret = active_directory::password(password.expose_secret());
    [(PASSWORD.as_bytes().to_vec(), secret), (PASSWORD_SET.as_bytes().to_vec(), b"0".to_vec())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(rc: u32, text: &str) -> LdapResult {
        LdapResult { rc, matched: String::new(), text: text.to_owned(), refs: Vec::new(), ctrls: Vec::new() }
    }

    #[test]
    fn the_controllers_code_says_more_than_the_result() {
        let site = Site { directory: "corp".into(), who: "accord@example.com".into() };
        let told = |rc, text: &str| told(&site, Operation::Modify, &result(rc, text));
        let why = |answer: Option<Answer>| match answer {
            Some(Answer::Refused { why } | Answer::Conflict { why }) => why,
            other => panic!("{other:?}"),
        };
        assert!(
            why(told(53, "0000052D: SvcErr: DSID-031A1236, problem 5003"))
                .contains("the password policy of the domain")
        );
        assert!(matches!(told(53, "00000561: SvcErr: x"), Some(Answer::Conflict { .. })));
        assert!(matches!(told(68, "00000562: UpdErr: x"), Some(Answer::Conflict { .. })));
        assert!(matches!(told(53, "Attribute member doesn't exist for target GUID x"), Some(Answer::Conflict { .. })));
        assert_eq!(told(53, "no code"), None);
        assert_eq!(told(0, ""), None);
    }

    #[test]
    fn a_reference_to_the_controllers_own_settings_is_no_rest() {
        let mut server = Server {
            contexts: vec!["DC=example,DC=com".into(), "CN=Configuration,DC=example,DC=com".into()],
            controller: Some(Controller::default()),
            ..Server::default()
        };
        let all = [
            "ldaps://example.com/CN=Configuration,DC=example,DC=com",
            "ldap://DomainDnsZones.example.com/DC=DomainDnsZones,DC=example,DC=com",
            "ldap://emea.example.com/DC=emea,DC=example,DC=com",
            "ldap://x/OU=a%20b,DC=y??base",
        ];
        let mut referrals: Vec<String> = all.map(str::to_owned).to_vec();
        server.forget_own(&mut referrals);
        assert_eq!(referrals, all[2..]);
        server.controller = None;
        let mut referrals: Vec<String> = all.map(str::to_owned).to_vec();
        server.forget_own(&mut referrals);
        assert_eq!(referrals, all);
        assert_eq!(referred(all[3]).unwrap(), "OU=a b,DC=y");
    }

    #[test]
    fn a_read_only_controller_says_so_before_the_first_write() {
        let mut controller = Controller { host: "rodc1.example.com".into(), ..Controller::default() };
        let server = |controller: &Controller| Server { controller: Some(controller.clone()), ..Server::default() };
        assert_eq!(read_only(&server(&controller)), None);
        controller.capabilities = vec![DOMAIN_CONTROLLER.into(), READ_ONLY.into()];
        let Some(Answer::Refused { why }) = read_only(&server(&controller)) else { panic!() };
        assert!(why.contains("`rodc1.example.com` is a read-only domain controller"), "{why}");
        assert_eq!(read_only(&Server::default()), None);
    }
}
