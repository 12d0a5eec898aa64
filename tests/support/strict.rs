//! A proxy that makes Samba behave where it is more generous than Microsoft's domain
//! controllers: limits of a search without pages, long lists in pieces, no enabling
//! without a password, and what a read-only controller says of itself.
//!
//! It reads whole LDAP messages (RFC 4511 §4.1.1) in the clear, in both directions.

use ldap3::asn1::{PL, StructureTag, TagClass, parse_tag};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// `MaxPageSize`: entries of one answer.
const PAGE: usize = 1000;

/// What is imposed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules {
    /// `MaxValRange`: values of one attribute in one answer; 0 is no limit.
    pub(crate) values: usize,
    /// The pieces after the first never come.
    pub(crate) first_piece_only: bool,
    /// No account has a password, so none can be enabled.
    pub(crate) no_passwords: bool,
    /// The controller says that it is read-only.
    pub(crate) read_only: bool,
}

/// A running proxy.
pub(crate) struct Strict {
    port: u16,
    /// Pieces of lists that were asked for.
    pub(crate) pieces: Arc<AtomicUsize>,
}

/// One search on its way.
#[derive(Debug, Clone, Copy)]
struct Search {
    paged: bool,
    sent: usize,
    /// First value that was asked for (`member;range=1500-*`).
    from: Option<usize>,
}

type Searches = Arc<Mutex<BTreeMap<Vec<u8>, Search>>>;

impl Strict {
    /// Forwards a free loopback port to `127.0.0.1:port`.
    pub(crate) fn start(port: u16, rules: Rules) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), pieces: Arc::default() };
        let pieces = Arc::clone(&proxy.pieces);
        std::thread::spawn(move || {
            for client in listener.incoming().filter_map(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let searches: Searches = Arc::default();
                let (back, from) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (asked, pieces) = (Arc::clone(&searches), Arc::clone(&pieces));
                std::thread::spawn(move || requests(client, server, rules, &asked, &pieces));
                std::thread::spawn(move || answers(from, back, rules, &searches));
            }
        });
        proxy
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

fn requests(client: TcpStream, mut server: TcpStream, rules: Rules, searches: &Searches, pieces: &AtomicUsize) {
    let mut back = client.try_clone().unwrap();
    messages(client, |mut message| {
        let PL::C(parts) = &mut message.payload else { return Ok(()) };
        let id = bytes(&parts[0]).to_vec();
        let paged = parts.get_mut(2).is_some_and(limit_page);
        match parts[1].id {
            3 => {
                let from = children(&parts[1]).last().and_then(|list| children(list).iter().find_map(range));
                pieces.fetch_add(usize::from(from.is_some()), Ordering::SeqCst);
                searches.lock().unwrap().insert(id, Search { paged, sent: 0, from });
            }
            6 if rules.no_passwords && enables(&parts[1]) => {
                let text = "0000052D: SvcErr: DSID-031A1236, problem 5003 (WILL_NOT_PERFORM), data 0";
                return back.write_all(&encode(&sequence(vec![parts[0].clone(), result(7, 53, text)])));
            }
            _ => {}
        }
        server.write_all(&encode(&message))
    });
    let _ = server.shutdown(std::net::Shutdown::Both);
}

fn answers(server: TcpStream, mut client: TcpStream, rules: Rules, searches: &Searches) {
    messages(server, |mut message| {
        let PL::C(parts) = &mut message.payload else { return Ok(()) };
        let mut searches = searches.lock().unwrap();
        if let Some(search) = searches.get_mut(bytes(&parts[0])) {
            match parts[1].id {
                4 => {
                    search.sent += 1;
                    if !search.paged && search.sent > PAGE {
                        return Ok(());
                    }
                    entry(&mut parts[1], rules, *search);
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

/// Cuts long lists of an entry into pieces.
fn entry(entry: &mut StructureTag, rules: Rules, search: Search) {
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
