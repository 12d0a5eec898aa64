//! A web server on loopback that answers what a test says: it only adds the faults that
//! real services do not show on demand.

use super::certificates::Files;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Path and query as they were sent.
    pub(crate) target: String,
    /// Every header line but the first, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    fault: Fault,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    /// The connection ends after so many bytes of the body.
    CutAfter(usize),
    /// Nothing is sent for so long.
    Slow(Duration),
    /// The body has no length and goes on until nobody listens.
    Endless,
}

impl Reply {
    /// Success with JSON.
    pub(crate) fn json(body: impl Into<String>) -> Self {
        Self::status(200, body)
    }

    pub(crate) fn status(status: u16, body: impl Into<String>) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
        Self { status, headers, body: body.into().into_bytes(), fault: Fault::None }
    }

    /// With a header; one of the same name is replaced.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn cut_after(mut self, bytes: usize) -> Self {
        self.fault = Fault::CutAfter(bytes);
        self
    }

    pub(crate) fn slow(mut self, wait: Duration) -> Self {
        self.fault = Fault::Slow(wait);
        self
    }

    pub(crate) fn endless(mut self) -> Self {
        self.fault = Fault::Endless;
        self
    }
}

type Handler = dyn Fn(&Asked) -> Reply + Send + Sync;

/// The server; it ends with the test.
pub(crate) struct Web {
    port: u16,
    is_tls: bool,
    asked: Arc<Mutex<Vec<Asked>>>,
    ended: Arc<AtomicBool>,
}

impl Web {
    /// In the clear.
    pub(crate) fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::run(None, Arc::new(answer))
    }

    /// Over TLS with these files.
    pub(crate) fn tls(files: &Files, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let chain = CertificateDer::pem_file_iter(&files.certificate).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Self::run(Some(Arc::new(config)), Arc::new(answer))
    }

    fn run(tls: Option<Arc<rustls::ServerConfig>>, answer: Arc<Handler>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let web = Self { port, is_tls: tls.is_some(), asked: Arc::clone(&asked), ended: Arc::clone(&ended) };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let (tls, answer, asked) = (tls.clone(), Arc::clone(&answer), Arc::clone(&asked));
                std::thread::spawn(move || match tls {
                    None => serve(stream, &*answer, &asked),
                    Some(config) => {
                        let session = rustls::ServerConnection::new(config).unwrap();
                        serve(rustls::StreamOwned::new(session, stream), &*answer, &asked);
                    }
                });
            }
        });
        web
    }

    /// `http://127.0.0.1:PORT`, or `https://localhost:PORT`.
    pub(crate) fn url(&self) -> String {
        let Self { port, .. } = self;
        if self.is_tls { format!("https://localhost:{port}") } else { format!("http://127.0.0.1:{port}") }
    }

    /// Everything that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The targets of [`Self::asked`].
    pub(crate) fn targets(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.target).collect()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// One request, one answer, then the connection ends: what is asked again is seen.
fn serve(stream: impl Read + Write, answer: &Handler, log: &Mutex<Vec<Asked>>) {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        let read = reader.read_line(&mut line);
        read.ok().filter(|n| *n > 0).map(|_| line.trim_end().to_owned())
    };
    let Some(first) = line() else { return };
    let headers = std::iter::from_fn(|| line().filter(|line| !line.is_empty()));
    let headers = headers.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    let headers = headers.collect();
    let asked = Asked { target: first.split(' ').nth(1).unwrap_or_default().to_owned(), headers };
    log.lock().unwrap().push(asked.clone());
    let reply = answer(&asked);
    // Whoever asked may have gone away: that is what some tests are about.
    let _ = send(reader.get_mut(), &reply);
}

fn send(stream: &mut impl Write, reply: &Reply) -> std::io::Result<()> {
    if let Fault::Slow(wait) = reply.fault {
        std::thread::sleep(wait);
    }
    write!(stream, "HTTP/1.1 {} Said\r\nconnection: close\r\n", reply.status)?;
    for (name, value) in &reply.headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    if let Fault::Endless = reply.fault {
        write!(stream, "\r\n[")?;
        loop {
            stream.write_all(&[b' '; 4096])?;
        }
    }
    write!(stream, "content-length: {}\r\n\r\n", reply.body.len())?;
    let until = if let Fault::CutAfter(bytes) = reply.fault { bytes } else { reply.body.len() };
    stream.write_all(&reply.body[..until])?;
    stream.flush()
}
