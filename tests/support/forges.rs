//! Real counterparts of the forge readers: GitHub's own API description behind a server
//! that refuses what it does not describe, and an emulator of GitHub that keeps state.
//!
//! They are npm packages, pinned by the lock file beside them, and run on Node.js 18.20
//! or later. There is no such thing for GitLab: no registry has its description.

use super::server::{Process, checked, template};
use super::slapd::free_port;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCES: [(&str, &str); 5] = [
    ("package.json", include_str!("forges/package.json")),
    ("package-lock.json", include_str!("forges/package-lock.json")),
    ("trim.mjs", include_str!("forges/trim.mjs")),
    ("loopback.cjs", include_str!("forges/loopback.cjs")),
    ("seed.yaml", include_str!("forges/seed.yaml")),
];

/// What is asked of GitHub; the whole description takes 9 seconds to load.
const PATHS: [&str; 3] = [
    "/repos/{owner}/{repo}/pulls/{pull_number}",
    "/repos/{owner}/{repo}/pulls/{pull_number}/reviews",
    "/repos/{owner}/{repo}/commits/{commit_sha}/pulls",
];

/// The packages, installed once and kept in cargo's own temporary folder.
fn installed() -> PathBuf {
    let sources: Vec<&str> = SOURCES.iter().map(|(_, text)| *text).chain(PATHS).collect();
    template("forges", &sources, |folder| {
        for (name, text) in SOURCES {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let run = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).current_dir(folder).output();
            let output = output.unwrap_or_else(|e| panic!("{program} cannot be started ({e}): tests/run installs it"));
            checked(program, &output);
        };
        run("npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
        let source = "node_modules/@octokit/openapi/generated/api.github.com.json";
        run("node", &[&["trim.mjs", source, "github.json"], &PATHS[..]].concat());
        // 390 MiB of descriptions, of which 80 KiB are needed.
        std::fs::remove_dir_all(folder.join("node_modules/@octokit")).unwrap();
    })
}

/// GitHub's description of what accord asks, as JSON.
pub(crate) fn description() -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(installed().join("github.json")).unwrap()).unwrap()
}

/// A server that holds requests, and where it has one the answers of the server behind
/// it, against GitHub's description.
pub(crate) struct Prism {
    _process: Process,
    _folder: tempfile::TempDir,
    port: u16,
}

impl Prism {
    /// Answers with the description's own examples.
    pub(crate) fn mock() -> Self {
        Self::start("mock", &[])
    }

    /// Passes on to `upstream`; an answer that is not as described becomes an error if
    /// `strict`.
    pub(crate) fn before(upstream: &str, strict: bool) -> Self {
        let options = if strict { vec![upstream, "--errors"] } else { vec![upstream] };
        Self::start("proxy", &options)
    }

    fn start(sort: &str, options: &[&str]) -> Self {
        let (home, folder, port) = (installed(), tempfile::tempdir().unwrap(), free_port());
        let mut command = Command::new("node");
        command.arg(home.join("node_modules/@stoplight/prism-cli/dist/index.js"));
        command.args([sort, "--host", "127.0.0.1", "--port", &port.to_string()]);
        command.arg(home.join("github.json")).args(options);
        let process = launched(command, &folder.path().join("log"), port);
        Self { _process: process, _folder: folder, port }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// An emulator of GitHub: organisation `example`, repository `access`, and tokens
/// `tok_accord`, `tok_author`, `tok_wei`, `tok_omar` of the accounts that they name.
pub(crate) struct Emulator {
    _process: Process,
    _folder: tempfile::TempDir,
    port: u16,
}

impl Emulator {
    pub(crate) fn start() -> Self {
        let (home, folder, port) = (installed(), tempfile::tempdir().unwrap(), free_port());
        let mut command = Command::new("node");
        command.arg("-r").arg(home.join("loopback.cjs")).arg(home.join("node_modules/emulate/dist/index.js"));
        command.args(["start", "-s", "github", "-p", &port.to_string(), "--seed"]).arg(home.join("seed.yaml"));
        let process = launched(command, &folder.path().join("log"), port);
        Self { _process: process, _folder: folder, port }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Sends one request below the repository as somebody and returns what came back.
    pub(crate) fn send(&self, who: &str, method: &str, path: &str, body: &str) -> serde_json::Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(
            stream,
            "{method} /repos/example/access{path} HTTP/1.0\r\nhost: localhost\r\nauthorization: Bearer tok_{who}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.split(' ').nth(1).unwrap().starts_with('2'), "{method} {path}: {answer}");
        serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {answer}"))
    }
}

fn launched(mut command: Command, log: &Path, port: u16) -> Process {
    let mut process = Process::default();
    let is_up = process.launch(&mut command, log, &[port]);
    assert!(is_up, "{}", std::fs::read_to_string(log).unwrap_or_default());
    process
}
