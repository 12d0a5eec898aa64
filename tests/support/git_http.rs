//! Git over HTTP on a loopback port: `git http-backend`, which Git ships, behind a small
//! server that asks for a token.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// A running server for the repositories below one folder.
pub(crate) struct GitHttp {
    address: SocketAddr,
    /// `Authorization` of every request.
    asked: Arc<Mutex<Vec<Option<String>>>>,
}

impl GitHttp {
    /// Whoever sends that `Authorization` may read and push.
    pub(crate) fn start(root: &Path, authorization: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
        let (root, wanted, seen) = (root.to_owned(), authorization.to_owned(), Arc::clone(&asked));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (root, wanted, seen) = (root.clone(), wanted.clone(), Arc::clone(&seen));
                // A client that goes away in the middle ends its own connection only.
                std::thread::spawn(move || drop(answer(&client, &root, &wanted, &seen)));
            }
        });
        Self { address, asked }
    }

    /// `http://127.0.0.1:PORT/NAME`.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// `Authorization` of every request so far.
    pub(crate) fn asked(&self) -> Vec<Option<String>> {
        self.asked.lock().unwrap().clone()
    }
}

struct Request {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// One request; only bodies of a known length or in chunks, as git sends them.
    fn read(client: &TcpStream) -> std::io::Result<Self> {
        let mut from = BufReader::new(client);
        let mut line = || -> std::io::Result<String> {
            let mut text = String::new();
            from.read_line(&mut text)?;
            Ok(text.trim_end().to_owned())
        };
        let first = line()?;
        let mut words = first.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let target = words.next().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (path, query) = (path.to_owned(), query.to_owned());
        let mut headers = Vec::new();
        loop {
            let text = line()?;
            let Some((name, value)) = text.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Self { method, path, query, headers, body: Vec::new() };
        if request.header("transfer-encoding") == Some("chunked") {
            loop {
                let mut size = String::new();
                from.read_line(&mut size)?;
                let size = usize::from_str_radix(size.trim(), 16).map_err(std::io::Error::other)?;
                let mut chunk = vec![0; size + 2];
                from.read_exact(&mut chunk)?;
                if size == 0 {
                    break;
                }
                request.body.extend_from_slice(&chunk[..size]);
            }
        } else {
            let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
            request.body = vec![0; length];
            from.read_exact(&mut request.body)?;
        }
        Ok(request)
    }
}

fn answer(
    mut client: &TcpStream,
    root: &PathBuf,
    wanted: &str,
    asked: &Mutex<Vec<Option<String>>>,
) -> std::io::Result<()> {
    let request = Request::read(client)?;
    let given = request.header("authorization").map(str::to_owned);
    asked.lock().unwrap().push(given.clone());
    if given.as_deref() != Some(wanted) {
        let answer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\n";
        return client.write_all(format!("{answer}Content-Length: 0\r\nConnection: close\r\n\r\n").as_bytes());
    }
    let mut backend = Command::new("git");
    backend.args(["-c", "http.receivepack=true", "http-backend"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    backend.env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1").env("REMOTE_USER", "accord");
    backend.env("REQUEST_METHOD", &request.method).env("PATH_INFO", &request.path).env("QUERY_STRING", &request.query);
    backend.env("CONTENT_LENGTH", request.body.len().to_string());
    for (header, name) in [
        ("content-type", "CONTENT_TYPE"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "HTTP_GIT_PROTOCOL"),
    ] {
        if let Some(value) = request.header(header) {
            backend.env(name, value);
        }
    }
    let mut backend = backend.spawn()?;
    let mut input = backend.stdin.take().unwrap();
    let body = request.body;
    let feed = std::thread::spawn(move || drop(input.write_all(&body)));
    let out = backend.wait_with_output()?.stdout;
    feed.join().unwrap();
    let end = out.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let (head, body) = (String::from_utf8_lossy(&out[..end]).into_owned(), &out[end + 4..]);
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
    let head: String =
        head.lines().filter(|line| !line.starts_with("Status: ")).fold(String::new(), |all, line| all + line + "\r\n");
    let head = format!("HTTP/1.1 {status}\r\n{head}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    client.write_all(head.as_bytes())?;
    client.write_all(body)
}
