//! A TCP proxy that lets so many writes of a client be answered and holds the
//! answers to all others back until it is opened: a run stands still at a known
//! place, while the server has done what it was sent.
//!
//! Only in the clear: it looks at the operation of every answer.

use super::proxy::length;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// A running gate in front of one port.
pub(crate) struct Gate {
    address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    /// Answers to writes that still pass; `None` is all.
    left: Option<usize>,
    /// Answers to writes that wait.
    held: usize,
    /// Answers to writes that passed since the gate was closed last.
    passed: usize,
    /// How often everything that waited was thrown away.
    cuts: usize,
    stopped: bool,
}

impl Gate {
    /// Listens on a free loopback port and forwards to `127.0.0.1:port`; open.
    pub(crate) fn start(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state: Arc<(Mutex<State>, Condvar)> = Arc::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.0.lock().unwrap().stopped {
                    return;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let (both, shared) = (Arc::new((client, server)), Arc::clone(&shared));
                let other = Arc::clone(&both);
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut &other.0, &mut &other.1);
                    let _ = other.1.shutdown(Shutdown::Both);
                });
                std::thread::spawn(move || {
                    answers(&both.1, &both.0, &shared);
                    let _ = (both.0.shutdown(Shutdown::Both), both.1.shutdown(Shutdown::Both));
                });
            }
        });
        Self { address, state }
    }

    /// `ldap://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// From now on `answers` writes are answered, no more.
    pub(crate) fn close_after(&self, answers: usize) {
        let mut state = self.state.0.lock().unwrap();
        (state.left, state.passed) = (Some(answers), 0);
    }

    /// Everything passes, also what waited.
    pub(crate) fn open(&self) {
        self.state.0.lock().unwrap().left = None;
        self.state.1.notify_all();
    }

    /// As [`Self::open`], but what waits is lost with its connection.
    pub(crate) fn cut(&self) {
        self.state.0.lock().unwrap().cuts += 1;
        self.open();
    }

    /// Whether the answer to a write waits.
    pub(crate) fn holds(&self) -> bool {
        self.state.0.lock().unwrap().held > 0
    }

    /// Writes that were answered since the gate was closed last.
    pub(crate) fn passed(&self) -> usize {
        self.state.0.lock().unwrap().passed
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.state.0.lock().unwrap().stopped = true;
        self.open();
        // Wakes the accept that sees the flag.
        let _ = TcpStream::connect(self.address);
    }
}

/// Server to client, message by message.
fn answers(mut from: &TcpStream, mut to: &TcpStream, shared: &(Mutex<State>, Condvar)) {
    let (mut waiting, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    let cuts = shared.0.lock().unwrap().cuts;
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        waiting.extend_from_slice(&buffer[..n]);
        while let Some(end) = whole(&waiting) {
            let message: Vec<u8> = waiting.drain(..end).collect();
            if answers_a_write(&message) && !passes(shared, cuts) {
                return;
            }
            if to.write_all(&message).is_err() {
                return;
            }
        }
    }
}

/// Waits until one more answer may pass; false if it is lost instead.
fn passes((state, changed): &(Mutex<State>, Condvar), cuts: usize) -> bool {
    let mut state = state.lock().unwrap();
    state.held += 1;
    state = changed.wait_while(state, |state| state.left == Some(0) && state.cuts == cuts).unwrap();
    state.held -= 1;
    if state.cuts != cuts {
        return false;
    }
    state.passed += 1;
    state.left = state.left.map(|left| left - 1);
    true
}

/// Length of the first message with its header, once all of it is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let header = (2..=bytes.len().min(6)).find(|n| length(&bytes[..*n]).is_some())?;
    let end = header + length(&bytes[..header])?;
    (end <= bytes.len()).then_some(end)
}

/// Whether it answers a modify, an add, a delete or a rename (RFC 4511, section 4).
fn answers_a_write(message: &[u8]) -> bool {
    let header = (2..=6).find(|n| length(&message[..*n]).is_some()).unwrap();
    let id = usize::from(message[header + 1]);
    matches!(message.get(header + 2 + id), Some(0x67 | 0x69 | 0x6b | 0x6d))
}

#[test]
fn answers_to_writes_are_told_from_others() {
    // Search result done, modify response, and the same with a long length and a longer id.
    assert!(!answers_a_write(&[0x30, 12, 2, 1, 7, 0x65, 7, 10, 1, 0, 4, 0, 4, 0]));
    assert!(answers_a_write(&[0x30, 12, 2, 1, 7, 0x67, 7, 10, 1, 0, 4, 0, 4, 0]));
    assert!(answers_a_write(&[0x30, 0x81, 13, 2, 2, 1, 7, 0x6d, 7, 10, 1, 0, 4, 0, 4, 0]));
    assert_eq!(whole(&[0x30, 0x81]), None);
    assert_eq!(whole(&[0x30, 0x81, 2, 1]), None);
    assert_eq!(whole(&[0x30, 0x81, 2, 1, 1, 0x30]), Some(5));
}
