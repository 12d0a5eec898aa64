//! A proxy that makes Samba behave where it is more generous than Microsoft's domain
//! controllers: limits of a search without pages, long lists in pieces, no enabling
//! without a password, what a read-only controller says of itself, and memberships with
//! a time to live, which Samba does not know at all: the proxy keeps their ends, shows them
//! and ends them.
//!
//! It reads whole LDAP messages (RFC 4511 §4.1.1) in the clear, in both directions.

use ldap3::asn1::{PL, StructureTag, TagClass, parse_tag};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// `MaxPageSize`: entries of one answer.
const PAGE: usize = 1000;

/// What is imposed.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent rules, not the states of one thing")]
pub(crate) struct Rules {
    /// `MaxValRange`: values of one attribute in one answer; 0 is no limit.
    pub(crate) values: usize,
    /// The pieces after the first never come.
    pub(crate) first_piece_only: bool,
    /// No account has a password, so none can be enabled.
    pub(crate) no_passwords: bool,
    /// The controller says that it is read-only.
    pub(crate) read_only: bool,
    /// The forest has the Privileged Access Management feature ([MS-ADTS] §3.1.1.9.2).
    pub(crate) links: bool,
    /// Whether it does not show the feature that ends them.
    pub(crate) hides_feature: bool,
}

/// Group and member, lower case → when the membership ends.
type Links = Arc<Mutex<BTreeMap<(String, String), SystemTime>>>;

/// The control that shows ends ([MS-ADTS] §3.1.1.3.4.1.36).
const LINK_TTL: &str = "1.2.840.113556.1.4.2309";

/// Ids of messages that the proxy itself sends: their answers are nobody's.
const OWN: u32 = 0x7fff_0000;

/// A running proxy.
pub(crate) struct Strict {
    port: u16,
    /// Pieces of lists that were asked for.
    pub(crate) pieces: Arc<AtomicUsize>,
    links: Links,
    records: Records,
}

/// DN, lower case, with an attribute and its values, for whoever asks for it.
type Records = Arc<Mutex<Vec<(String, String, Vec<String>)>>>;

/// One search on its way.
#[derive(Debug, Clone)]
struct Search {
    paged: bool,
    sent: usize,
    /// First value that was asked for (`member;range=1500-*`).
    from: Option<usize>,
    /// Whether ends of memberships are to be shown.
    ends: bool,
    /// Whether the features of the forest are looked for.
    features: bool,
    /// Attributes that are asked for, lower case.
    wanted: Vec<String>,
}

type Searches = Arc<Mutex<BTreeMap<Vec<u8>, Search>>>;

impl Strict {
    /// Forwards a free loopback port to `127.0.0.1:port`.
    pub(crate) fn start(port: u16, rules: Rules) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port_here = listener.local_addr().unwrap().port();
        let proxy =
            Self { port: port_here, pieces: Arc::default(), links: Links::default(), records: Records::default() };
        let (pieces, links, records) =
            (Arc::clone(&proxy.pieces), Arc::clone(&proxy.links), Arc::clone(&proxy.records));
        std::thread::spawn(move || {
            for client in listener.incoming().filter_map(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let searches: Searches = Arc::default();
                let (back, from) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (asked, pieces) = (Arc::clone(&searches), Arc::clone(&pieces));
                let (given, shown, records) = (Arc::clone(&links), Arc::clone(&links), Arc::clone(&records));
                std::thread::spawn(move || requests(client, server, rules, (&asked, &given), &pieces));
                std::thread::spawn(move || answers(from, back, rules, (&searches, &shown, &records)));
            }
        });
        proxy
    }

    /// The controller says so of an entry, to whom asks for the attribute.
    pub(crate) fn say(&self, dn: &str, attribute: &str, values: &[String]) {
        self.records.lock().unwrap().push((dn.to_lowercase(), attribute.to_owned(), values.to_vec()));
    }

    /// In how many seconds a membership ends.
    pub(crate) fn ends_in(&self, group: &str, member: &str) -> Option<u64> {
        let links = self.links.lock().unwrap();
        let end = links.get(&(group.to_lowercase(), member.to_lowercase()))?;
        Some(end.duration_since(SystemTime::now()).map_or(0, |left| left.as_secs()))
    }

    /// Somebody gives a membership another end, or takes its end away.
    pub(crate) fn end_in(&self, group: &str, member: &str, seconds: Option<u64>) {
        let key = (group.to_lowercase(), member.to_lowercase());
        match seconds {
            Some(seconds) => drop(self.links.lock().unwrap().insert(key, after(seconds))),
            None => drop(self.links.lock().unwrap().remove(&key)),
        }
    }

    /// `ldap://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }
}

/// The messages of a stream, whole.
fn messages(mut from: TcpStream, mut each: impl FnMut(StructureTag) -> std::io::Result<()>) {
    let (mut buffer, mut piece) = (Vec::new(), vec![0; 65536]);
    while let Ok(count @ 1..) = from.read(&mut piece) {
        buffer.extend_from_slice(&piece[..count]);
        while let Ok((rest, tag)) = parse_tag(&buffer) {
            let left = rest.len();
            if each(tag).is_err() {
                return;
            }
            buffer.drain(..buffer.len() - left);
        }
    }
}

fn after(seconds: u64) -> SystemTime {
    SystemTime::now() + Duration::from_secs(seconds)
}

/// Takes times to live out of a modify and keeps them; a value that goes has none.
fn keep_ends(modify: &mut StructureTag, links: &Links) {
    let PL::C(parts) = &mut modify.payload else { return };
    let group = String::from_utf8_lossy(bytes(&parts[0])).to_lowercase();
    let PL::C(changes) = &mut parts[1].payload else { return };
    for change in changes {
        let PL::C(parts) = &mut change.payload else { continue };
        let PL::C(pair) = &mut parts[1].payload else { continue };
        if !bytes(&pair[0]).eq_ignore_ascii_case(b"member") {
            continue;
        }
        let PL::C(values) = &mut pair[1].payload else { continue };
        for value in values {
            let text = String::from_utf8_lossy(bytes(value)).into_owned();
            let given = text.strip_prefix("<TTL=").and_then(|rest| rest.strip_suffix('>')?.split_once(','));
            let mut links = links.lock().unwrap();
            match given {
                Some((seconds, dn)) => {
                    links.insert((group.clone(), dn.to_lowercase()), after(seconds.parse().unwrap()));
                    *value = octets(dn);
                }
                None => drop(links.remove(&(group.clone(), text.to_lowercase()))),
            }
        }
    }
}

/// Memberships that are over: the modifies that end them.
fn over(links: &Links) -> Vec<StructureTag> {
    let mut links = links.lock().unwrap();
    let due: Vec<(String, String)> =
        links.iter().filter(|(_, end)| **end <= SystemTime::now()).map(|(key, _)| key.clone()).collect();
    let ended = due.iter().enumerate().map(|(n, (group, member))| {
        links.remove(&(group.clone(), member.clone()));
        let values = StructureTag { id: 17, ..sequence(vec![octets(member)]) };
        let delete = StructureTag { class: TagClass::Universal, id: 10, payload: PL::P(vec![1]) };
        let change = sequence(vec![delete, sequence(vec![octets("member"), values])]);
        let parts = vec![octets(group), sequence(vec![change])];
        let modify = StructureTag { class: TagClass::Application, id: 6, payload: PL::C(parts) };
        let id = (OWN + u32::try_from(n).unwrap()).to_be_bytes().to_vec();
        sequence(vec![StructureTag { class: TagClass::Universal, id: 2, payload: PL::P(id) }, modify])
    });
    ended.collect()
}

/// Whether a request carries the control that shows ends of memberships.
fn shows_ends(controls: &StructureTag) -> bool {
    children(controls).iter().any(|control| bytes(&children(control)[0]) == LINK_TTL.as_bytes())
}

fn requests(
    client: TcpStream,
    mut server: TcpStream,
    rules: Rules,
    (searches, links): (&Searches, &Links),
    pieces: &AtomicUsize,
) {
    let mut back = client.try_clone().unwrap();
    messages(client, |mut message| {
        let PL::C(parts) = &mut message.payload else { return Ok(()) };
        let id = bytes(&parts[0]).to_vec();
        let paged = parts.get_mut(2).is_some_and(limit_page);
        if rules.links && matches!(parts[1].id, 3 | 6) {
            for ended in over(links) {
                server.write_all(&encode(&ended))?;
            }
        }
        match parts[1].id {
            3 => {
                let ends = rules.links && parts.get(2).is_some_and(shows_ends);
                let list = children(&parts[1]).last().map_or(&[][..], children);
                let wanted = list.iter().map(|name| String::from_utf8_lossy(bytes(name)).to_lowercase()).collect();
                let features = rules.links && bytes(&children(&parts[1])[0]).starts_with(b"CN=Optional Features,");
                let from = children(&parts[1]).last().and_then(|list| children(list).iter().find_map(range));
                pieces.fetch_add(usize::from(from.is_some()), Ordering::SeqCst);
                searches.lock().unwrap().insert(id, Search { paged, sent: 0, from, ends, features, wanted });
            }
            6 if rules.no_passwords && enables(&parts[1]) => {
                let text = "0000052D: SvcErr: DSID-031A1236, problem 5003 (WILL_NOT_PERFORM), data 0";
                return back.write_all(&encode(&sequence(vec![parts[0].clone(), result(7, 53, text)])));
            }
            6 if rules.links => keep_ends(&mut parts[1], links),
            _ => {}
        }
        server.write_all(&encode(&message))
    });
    let _ = server.shutdown(std::net::Shutdown::Both);
}

fn answers(
    server: TcpStream,
    mut client: TcpStream,
    rules: Rules,
    (searches, links, records): (&Searches, &Links, &Records),
) {
    messages(server, |mut message| {
        let PL::C(parts) = &mut message.payload else { return Ok(()) };
        let id = bytes(&parts[0]).iter().fold(0, |all, byte| all << 8 | u32::from(*byte));
        if id >= OWN {
            return Ok(());
        }
        let mut searches = searches.lock().unwrap();
        if let Some(search) = searches.get_mut(bytes(&parts[0])) {
            match parts[1].id {
                4 => {
                    search.sent += 1;
                    if !search.paged && search.sent > PAGE {
                        return Ok(());
                    }
                    add_records(&mut parts[1], &search.wanted, records);
                    if rules.links {
                        show_ends(&mut parts[1], search.ends, links);
                    }
                    entry(&mut parts[1], rules, search);
                }
                5 if search.features && rules.hides_feature => {}
                5 if search.features => {
                    client.write_all(&encode(&sequence(vec![parts[0].clone(), feature()])))?;
                    parts[1] = result(5, 0, "");
                }
                5 if !search.paged && search.sent > PAGE => parts[1] = result(5, 4, ""),
                _ => {}
            }
        }
        drop(searches);
        client.write_all(&encode(&message))
    });
    let _ = client.shutdown(std::net::Shutdown::Both);
}

/// Adds what the controller is to say of an entry.
fn add_records(entry: &mut StructureTag, wanted: &[String], records: &Records) {
    let PL::C(parts) = &mut entry.payload else { return };
    let dn = String::from_utf8_lossy(bytes(&parts[0])).to_lowercase();
    let PL::C(attributes) = &mut parts[1].payload else { return };
    for (of, attribute, values) in records.lock().unwrap().iter() {
        if *of == dn && wanted.contains(&attribute.to_lowercase()) {
            let values = values.iter().map(|value| octets(value)).collect();
            let values = StructureTag { id: 17, ..sequence(values) };
            attributes.push(sequence(vec![octets(attribute), values]));
        }
    }
}

/// The feature of the forest, enabled.
fn feature() -> StructureTag {
    let values = StructureTag { id: 17, ..sequence(vec![octets("CN=Partitions,CN=Configuration,DC=example,DC=com")]) };
    let attributes = sequence(vec![sequence(vec![octets("msDS-EnabledFeatureBL"), values])]);
    let parts = vec![octets("CN=Privileged Access Management Feature,CN=Optional Features"), attributes];
    StructureTag { class: TagClass::Application, id: 4, payload: PL::C(parts) }
}

/// Shows the ends of an entry's members to whom asks for them, and to nobody those that
/// are over.
fn show_ends(entry: &mut StructureTag, asked: bool, links: &Links) {
    let PL::C(parts) = &mut entry.payload else { return };
    let group = String::from_utf8_lossy(bytes(&parts[0])).to_lowercase();
    let PL::C(attributes) = &mut parts[1].payload else { return };
    for attribute in attributes {
        let PL::C(pair) = &mut attribute.payload else { continue };
        let name = String::from_utf8_lossy(bytes(&pair[0])).to_lowercase();
        let PL::C(values) = &mut pair[1].payload else { continue };
        if name == "supportedcontrol" {
            values.push(octets(LINK_TTL));
        }
        if name.split(';').next() != Some("member") {
            continue;
        }
        let links = links.lock().unwrap();
        values.retain_mut(|value| {
            let dn = String::from_utf8_lossy(bytes(value)).into_owned();
            let Some(end) = links.get(&(group.clone(), dn.to_lowercase())) else { return true };
            let Ok(left) = end.duration_since(SystemTime::now()) else { return false };
            if asked {
                *value = octets(&format!("<TTL={},{dn}>", left.as_secs()));
            }
            true
        });
    }
}

/// Cuts long lists of an entry into pieces.
fn entry(entry: &mut StructureTag, rules: Rules, search: &Search) {
    let PL::C(parts) = &mut entry.payload else { return };
    let is_root = bytes(&parts[0]).is_empty();
    let PL::C(attributes) = &mut parts[1].payload else { return };
    let mut cut = Vec::new();
    attributes.retain_mut(|attribute| {
        let PL::C(pair) = &mut attribute.payload else { return true };
        let name = String::from_utf8_lossy(bytes(&pair[0])).into_owned();
        let PL::C(values) = &mut pair[1].payload else { return true };
        if is_root && rules.read_only && name.eq_ignore_ascii_case("supportedCapabilities") {
            values.push(octets("1.2.840.113556.1.4.1920"));
        }
        let bare = name.split(';').next().unwrap_or_default().to_owned();
        let from = search.from.filter(|_| name.contains(";range="));
        if from.is_some() && rules.first_piece_only {
            return false;
        }
        if rules.values > 0 && values.len() > rules.values {
            values.truncate(rules.values);
            let first = from.unwrap_or(0);
            pair[0] = octets(&format!("{bare};range={first}-{}", first + rules.values - 1));
            if from.is_none() {
                cut.push(sequence(vec![octets(&bare), StructureTag { id: 17, ..sequence(Vec::new()) }]));
            }
        }
        true
    });
    attributes.extend(cut);
}

/// The first value of `member;range=1500-*`.
fn range(attribute: &StructureTag) -> Option<usize> {
    let text = String::from_utf8_lossy(bytes(attribute)).into_owned();
    text.split_once(";range=")?.1.split('-').next()?.parse().ok()
}

/// Whether a request asks for pages; they are no larger than the controller's.
fn limit_page(controls: &mut StructureTag) -> bool {
    let PL::C(controls) = &mut controls.payload else { return false };
    for control in controls {
        let PL::C(parts) = &mut control.payload else { continue };
        if bytes(&parts[0]) != b"1.2.840.113556.1.4.319" {
            continue;
        }
        let Some(value) = parts.last_mut() else { continue };
        let (_, mut asked) = parse_tag(bytes(value)).unwrap();
        let PL::C(pair) = &mut asked.payload else { continue };
        let size = bytes(&pair[0]).iter().fold(0, |all, byte| all << 8 | usize::from(*byte));
        pair[0].payload = PL::P(u16::try_from(size.min(PAGE)).unwrap().to_be_bytes().to_vec());
        value.payload = PL::P(encode(&asked));
        return true;
    }
    false
}

/// Whether a modify adds a `userAccountControl` of an account that can be used.
fn enables(modify: &StructureTag) -> bool {
    children(&children(modify)[1]).iter().any(|change| {
        let [operation, pair] = children(change) else { return false };
        let [name, values] = children(pair) else { return false };
        let usable = |value: &StructureTag| {
            String::from_utf8_lossy(bytes(value)).parse::<u32>().is_ok_and(|control| control & 2 == 0)
        };
        bytes(operation) == [0] && bytes(name) == b"userAccountControl" && children(values).iter().any(usable)
    })
}

fn children(tag: &StructureTag) -> &[StructureTag] {
    if let PL::C(list) = &tag.payload { list } else { &[] }
}

fn bytes(tag: &StructureTag) -> &[u8] {
    if let PL::P(bytes) = &tag.payload { bytes } else { &[] }
}

fn octets(text: &str) -> StructureTag {
    StructureTag { class: TagClass::Universal, id: 4, payload: PL::P(text.as_bytes().to_vec()) }
}

fn sequence(parts: Vec<StructureTag>) -> StructureTag {
    StructureTag { class: TagClass::Universal, id: 16, payload: PL::C(parts) }
}

/// An `LDAPResult` as the answer of that application tag.
fn result(id: u64, code: u8, text: &str) -> StructureTag {
    let code = StructureTag { class: TagClass::Universal, id: 10, payload: PL::P(vec![code]) };
    StructureTag { class: TagClass::Application, id, payload: PL::C(vec![code, octets(""), octets(text)]) }
}

/// BER (X.690) of tags below 31, which LDAP has no others of.
fn encode(tag: &StructureTag) -> Vec<u8> {
    let class = match tag.class {
        TagClass::Universal => 0,
        TagClass::Application => 0x40,
        TagClass::Context => 0x80,
        TagClass::Private => 0xC0,
    };
    let (constructed, content) = match &tag.payload {
        PL::P(bytes) => (0, bytes.clone()),
        PL::C(parts) => (0x20, parts.iter().flat_map(encode).collect()),
    };
    let mut out = vec![class | constructed | u8::try_from(tag.id).unwrap()];
    if content.len() < 128 {
        out.push(u8::try_from(content.len()).unwrap());
    } else {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        out.push(0x84);
        out.extend(length);
    }
    out.extend(content);
    out
}
