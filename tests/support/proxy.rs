//! A TCP proxy that breaks connections on purpose.
//!
//! LDAP messages are counted by their BER framing, so a fault can sit between two
//! messages or inside one; over TLS only bytes can be counted.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    Pass,
    /// It is closed as soon as it is accepted.
    RefuseAtOnce,
    /// Nothing is ever passed on or answered.
    BlackHole,
    /// It is cut after so many bytes from the server.
    CutAfterBytes(usize),
    /// It is cut after so many whole LDAP messages from the server.
    CutAfterAnswers(usize),
    /// It is cut in the middle of that answer (counted from 1).
    CutInsideAnswer(usize),
    /// After so many answers nothing more is passed on, and the connection stays open.
    SilentAfterAnswers(usize),
    /// It is cut after so many whole requests reached the server; no answer to the last comes back.
    CutAfterRequests(usize),
    /// Every piece in either direction waits so long, and the next one only then.
    Delay(Duration),
    /// Every piece arrives so much later, in either direction, as over a long line: pieces
    /// wait side by side.
    Latency(Duration),
    /// The server seems not to offer the assertion control (RFC 4528).
    NoAssertions,
}

/// A running proxy in front of one port.
pub(crate) struct Proxy {
    address: SocketAddr,
    fault: Arc<Mutex<Fault>>,
    /// What happens to the next connection only.
    once: Arc<Mutex<Option<Fault>>>,
    connections: Arc<AtomicUsize>,
    open: Open,
    stop: Arc<AtomicBool>,
}

/// Both ends of every connection there ever was.
type Open = Arc<Mutex<Vec<Arc<(TcpStream, TcpStream)>>>>;

impl Proxy {
    /// Listens on a free loopback port and forwards to `127.0.0.1:port`.
    pub(crate) fn start(port: u16, fault: Fault) -> Self {
        Self::at(TcpListener::bind(("127.0.0.1", 0)).unwrap(), port, fault)
    }

    /// The same, listening on `[::1]`.
    pub(crate) fn start_on_ipv6(port: u16, fault: Fault) -> Self {
        Self::at(TcpListener::bind(("::1", 0)).expect("loopback has no IPv6 address"), port, fault)
    }

    fn at(listener: TcpListener, port: u16, fault: Fault) -> Self {
        let address = listener.local_addr().unwrap();
        let proxy = Self {
            address,
            fault: Arc::new(Mutex::new(fault)),
            once: Arc::default(),
            connections: Arc::default(),
            open: Arc::default(),
            stop: Arc::default(),
        };
        let (fault, once, open) = (proxy.fault.clone(), proxy.once.clone(), proxy.open.clone());
        let (connections, stop) = (proxy.connections.clone(), proxy.stop.clone());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                connections.fetch_add(1, Ordering::SeqCst);
                let fault = once.lock().unwrap().take().unwrap_or(*fault.lock().unwrap());
                let open = Arc::clone(&open);
                if let (Ok(client), true) = (client, fault != Fault::RefuseAtOnce) {
                    std::thread::spawn(move || serve(client, port, fault, &open));
                }
            }
        });
        proxy
    }

    /// `ldap://127.0.0.1:PORT`.
    pub(crate) fn plain_url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// `ldaps://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("ldaps://{}", self.address)
    }

    /// What happens to connections accepted from now on.
    pub(crate) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// What happens to the next connection, and to no other.
    pub(crate) fn once(&self, fault: Fault) {
        *self.once.lock().unwrap() = Some(fault);
    }

    /// Cuts every connection there is.
    pub(crate) fn cut(&self) {
        for both in self.open.lock().unwrap().drain(..) {
            let _ = both.0.shutdown(Shutdown::Both);
            let _ = both.1.shutdown(Shutdown::Both);
        }
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the accept that sees the flag.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(client: TcpStream, port: u16, fault: Fault, open: &Open) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let both = Arc::new((client, server));
    open.lock().unwrap().push(Arc::clone(&both));
    let mute = Arc::new(AtomicBool::new(false));
    let (other, muting) = (Arc::clone(&both), Arc::clone(&mute));
    std::thread::spawn(move || {
        requests(&other.0, &other.1, fault, &muting);
        let _ = other.1.shutdown(Shutdown::Both);
        let _ = other.0.shutdown(Shutdown::Both);
    });
    answers(&both.1, &both.0, fault, &mute);
    if fault != Fault::BlackHole {
        let _ = both.0.shutdown(Shutdown::Both);
        let _ = both.1.shutdown(Shutdown::Both);
    }
}

/// Passes everything on, each piece so much later.
fn late(from: &TcpStream, to: &TcpStream, wait: Duration) {
    let (sender, pieces) = std::sync::mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for (due, piece) in pieces {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if !send(to, &piece) {
                    return;
                }
            }
        });
        while let Some(piece) = read(from) {
            if sender.send((Instant::now() + wait, piece)).is_err() {
                return;
            }
        }
        drop(sender);
    });
}

/// Client to server.
fn requests(from: &TcpStream, to: &TcpStream, fault: Fault, mute: &AtomicBool) {
    if let Fault::Latency(wait) = fault {
        return late(from, to, wait);
    }
    let mut frames = Frames::default();
    while let Some(piece) = read(from) {
        match fault {
            Fault::BlackHole => continue,
            Fault::Delay(wait) => std::thread::sleep(wait),
            Fault::CutAfterRequests(limit) => {
                let (whole, last) = frames.split(&piece, limit);
                mute.store(last, Ordering::SeqCst);
                let _ = send(to, whole);
                if last {
                    // The server has the last request; its answer never leaves the proxy.
                    std::thread::sleep(Duration::from_millis(200));
                    return;
                }
                continue;
            }
            _ => {}
        }
        if !send(to, &piece) {
            return;
        }
    }
}

/// Server to client.
fn answers(from: &TcpStream, to: &TcpStream, fault: Fault, mute: &AtomicBool) {
    if let Fault::Latency(wait) = fault {
        return late(from, to, wait);
    }
    let (mut frames, mut bytes) = (Frames::default(), 0);
    while let Some(mut piece) = read(from) {
        if fault == Fault::NoAssertions {
            disguise(&mut piece);
        }
        let mut part = &piece[..];
        let mut cut = false;
        match fault {
            Fault::BlackHole => continue,
            Fault::Delay(wait) => std::thread::sleep(wait),
            Fault::CutAfterBytes(limit) => {
                part = &piece[..piece.len().min(limit - bytes)];
                bytes += part.len();
                cut = bytes >= limit;
            }
            Fault::CutAfterAnswers(limit) => (part, cut) = frames.split(&piece, limit),
            Fault::SilentAfterAnswers(limit) => (part, _) = frames.split(&piece, limit),
            Fault::CutInsideAnswer(number) => {
                (part, cut) = frames.split(&piece, number - 1);
                if cut {
                    let end = (part.len() + 5).min(piece.len());
                    part = &piece[..end];
                }
            }
            Fault::CutAfterRequests(_) if mute.load(Ordering::SeqCst) => part = &[],
            _ => {}
        }
        if !send(to, part) || cut {
            return;
        }
    }
}

/// Turns the assertion control's OID into one that nobody knows.
fn disguise(piece: &mut [u8]) {
    const OID: &[u8] = b"1.3.6.1.1.12";
    for at in 0..piece.len().saturating_sub(OID.len() - 1) {
        if &piece[at..at + OID.len()] == OID {
            piece[at + OID.len() - 2..at + OID.len()].copy_from_slice(b"99");
        }
    }
}

fn read(mut from: &TcpStream) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 16 * 1024];
    let n = from.read(&mut buffer).ok().filter(|n| *n > 0)?;
    buffer.truncate(n);
    Some(buffer)
}

fn send(mut to: &TcpStream, bytes: &[u8]) -> bool {
    to.write_all(bytes).is_ok()
}

/// Counts BER messages in a stream of pieces.
#[derive(Default)]
struct Frames {
    whole: usize,
    /// Bytes of the current message still to come.
    left: usize,
    header: Vec<u8>,
    over: bool,
}

impl Frames {
    /// The part of `piece` up to the end of message `limit`, and whether that end is reached.
    fn split<'p>(&mut self, piece: &'p [u8], limit: usize) -> (&'p [u8], bool) {
        if self.over || self.whole >= limit {
            self.over = true;
            return (&[], true);
        }
        for (n, byte) in piece.iter().enumerate() {
            if self.left > 0 {
                self.left -= 1;
            } else {
                self.header.push(*byte);
                match length(&self.header) {
                    Some(length) => {
                        self.left = length;
                        self.header.clear();
                    }
                    None => continue,
                }
            }
            if self.left == 0 && self.header.is_empty() {
                self.whole += 1;
                if self.whole >= limit {
                    self.over = true;
                    return (&piece[..=n], true);
                }
            }
        }
        (piece, false)
    }
}

/// Length of the contents once the header (tag, length) is whole.
pub(crate) fn length(header: &[u8]) -> Option<usize> {
    match header.get(1)? {
        short @ 0..=127 => Some(usize::from(*short)),
        long => {
            let bytes = usize::from(long & 127);
            let rest = header.get(2..2 + bytes)?;
            Some(rest.iter().fold(0, |sum, b| sum * 256 + usize::from(*b)))
        }
    }
}

#[test]
fn messages_are_counted_across_pieces() {
    let mut message = vec![0x30, 0x81, 0x80];
    message.extend([7; 0x80]);
    let stream: Vec<u8> = [&[0x30, 2, 1, 1][..], &message, &[0x30, 0]].concat();
    for cut in 1..stream.len() {
        let mut frames = Frames::default();
        let (first, second) = stream.split_at(cut);
        let (a, done) = frames.split(first, 2);
        let passed = if done { a.len() } else { a.len() + frames.split(second, 2).0.len() };
        assert_eq!(passed, 4 + message.len(), "cut at {cut}");
    }
}
