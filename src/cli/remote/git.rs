//! The program `git`, for a remote that keeps the journal.
//!
//! Comes in: a URL, refs, bytes. Goes out: objects in a bare repository of accord's own,
//! and refs of the remote that moved from exactly the value that was expected. Refuses: to
//! run hooks, to ask at a terminal, to wait beyond a deadline, and to show a token.
//!
//! The program is used, not the library inside: it knows every way to a remote that people
//! have set up (`ssh`, credential helpers, proxies), and a push carries the expected old value of
//! every ref to the server, which compares and swaps it under its own lock.

use crate::cli::clock;
use crate::provider::ldif::base64;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// Between two looks at whether a program has ended, in milliseconds.
const GLANCE: u64 = 5;

/// Why something did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A ref has not the value that was expected.
    Moved,
    /// Everything else, in git's words.
    Failed(String),
}

impl Trouble {
    pub(super) fn words(self) -> String {
        match self {
            Self::Moved => "somebody else was faster".to_owned(),
            Self::Failed(why) => why,
        }
    }
}

/// A ref that is to move: its name, the value it must have (`None`: it must not be
/// there), the value it gets.
pub(super) type Move<'a> = (&'a str, Option<&'a str>, &'a str);

/// A remote, and a bare repository for what comes from there and goes there.
#[derive(Debug)]
pub(super) struct Git {
    url: String,
    store: PathBuf,
    token: Option<SecretString>,
}

impl Git {
    /// Makes the bare repository where it is not there.
    pub(super) fn open(url: String, store: PathBuf, token: Option<SecretString>) -> Result<Self, Trouble> {
        let git = Self { url, store, token };
        if !git.store.join("HEAD").is_file() {
            let path = git.store.clone();
            let words = ["init", "--quiet", "--bare", "--template="].map(OsStr::new);
            let words: Vec<&OsStr> = words.into_iter().chain([path.as_os_str()]).collect();
            git.run(&words, b"", None)?;
        }
        Ok(git)
    }

    /// The values of those refs at the remote.
    pub(super) fn refs(&self, names: &[&str], deadline: u64) -> Result<BTreeMap<String, String>, Trouble> {
        let words = [&["ls-remote", "--refs", "--", &self.url], names].concat();
        let out = self.text(&words, Some(deadline))?;
        let lines = out.lines().filter_map(|line| line.split_once('\t'));
        Ok(lines
            .map(|(id, name)| (name.to_owned(), id.to_owned()))
            .filter(|(name, _)| names.contains(&name.as_str()))
            .collect())
    }

    /// Brings what a ref of the remote holds; its value.
    pub(super) fn fetch(&self, name: &str, deadline: u64) -> Result<String, Trouble> {
        let to = format!("+{name}:refs/accord/fetched");
        let words = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", &self.url, &to];
        self.text(&words, Some(deadline))?;
        self.local("refs/accord/fetched")?.ok_or_else(|| Trouble::Failed(format!("`{name}` was not fetched")))
    }

    /// The value of a ref of the bare repository.
    pub(super) fn local(&self, name: &str) -> Result<Option<String>, Trouble> {
        let out = self.text(&["for-each-ref", "--format=%(objectname)", "--", name], None)?;
        Ok(out.lines().next().map(str::to_owned))
    }

    /// Remembers a commit in the bare repository.
    pub(super) fn remember(&self, name: &str, commit: &str) -> Result<(), Trouble> {
        self.text(&["update-ref", "--", name, commit], None).map(drop)
    }

    /// Whether one commit stands on another.
    pub(super) fn stands_on(&self, commit: &str, earlier: &str) -> Result<bool, Trouble> {
        let base = self.text(&["rev-list", "--max-count=1", earlier, "--not", commit], None)?;
        Ok(base.is_empty())
    }

    /// The files of a commit: name → blob.
    pub(super) fn files(&self, commit: &str) -> Result<BTreeMap<String, String>, Trouble> {
        let out = self.text(&["ls-tree", "-z", commit], None)?;
        let entries = out.split('\0').filter_map(|entry| entry.split_once('\t'));
        Ok(entries
            .filter_map(|(about, name)| Some((name.to_owned(), about.strip_prefix("100644 blob ")?.to_owned())))
            .collect())
    }

    /// The bytes of a blob, or of `commit:path`.
    pub(super) fn read(&self, blob: &str) -> Result<Vec<u8>, Trouble> {
        self.run(&["cat-file", "blob", blob].map(OsStr::new), b"", None)
    }

    /// The names that files would have as blobs, in their order.
    pub(super) fn names(&self, paths: &[PathBuf]) -> Result<Vec<String>, Trouble> {
        let mut list = Vec::new();
        for path in paths {
            list.extend_from_slice(path.as_os_str().as_encoded_bytes());
            list.push(b'\n');
        }
        let out = self.run(&["hash-object", "--no-filters", "--stdin-paths"].map(OsStr::new), &list, None)?;
        Ok(String::from_utf8_lossy(&out).lines().map(str::to_owned).collect())
    }

    /// Writes a blob.
    pub(super) fn blob(&self, bytes: &[u8]) -> Result<String, Trouble> {
        self.line(&["hash-object", "-w", "--stdin"], bytes)
    }

    /// Writes a commit of those files (name → blob) on `parent`.
    pub(super) fn commit(
        &self,
        files: &BTreeMap<String, String>,
        parent: Option<&str>,
        message: &str,
    ) -> Result<String, Trouble> {
        let list: Vec<String> = files.iter().map(|(name, blob)| format!("100644 blob {blob}\t{name}\n")).collect();
        let tree = self.line(&["mktree"], list.concat().as_bytes())?;
        let parent = parent.map(|parent| ["-p", parent]);
        let words: Vec<&str> = ["commit-tree"].into_iter().chain(parent.into_iter().flatten()).collect();
        self.line(&[words.as_slice(), &["-m", message, &tree]].concat(), b"")
    }

    /// Moves all those refs, or none.
    pub(super) fn push(&self, moves: &[Move<'_>], deadline: u64) -> Result<(), Trouble> {
        let mut words =
            vec!["push".to_owned(), "--porcelain".to_owned(), "--atomic".to_owned(), "--no-verify".to_owned()];
        for (name, expected, _) in moves {
            words.push(format!("--force-with-lease={name}:{}", expected.unwrap_or_default()));
        }
        words.extend(["--".to_owned(), self.url.clone()]);
        words.extend(moves.iter().map(|(name, _, new)| format!("{new}:{name}")));
        let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
        match self.spawn(&words, b"", Some(deadline))? {
            (true, _, _) => Ok(()),
            (false, out, why) => {
                let out = String::from_utf8_lossy(&out).into_owned();
                let refused: Vec<&str> = out.lines().filter(|line| line.starts_with('!')).collect();
                // The first is the client's look, the others the server's own comparison.
                let faster = [
                    "stale info",
                    "cannot lock ref",
                    "incorrect old value",
                    "reference already exists",
                    "failed to update ref",
                ];
                if refused.iter().any(|line| faster.iter().any(|word| line.contains(word)))
                    || faster.iter().any(|word| why.contains(word))
                {
                    return Err(Trouble::Moved);
                }
                let first =
                    refused.iter().find(|line| !line.contains("atomic push failed")).map(|line| (*line).to_owned());
                Err(Trouble::Failed(first.map_or(why, |line| self.clean(&line))))
            }
        }
    }

    /// Packs what has come together; a bare repository that nobody else uses can wait for that.
    pub(super) fn tidy(&self) {
        drop(self.text(&["-c", "gc.auto=500", "gc", "--auto", "--quiet"], Some(clock::since_boot() + 60_000)));
    }

    fn line(&self, words: &[&str], input: &[u8]) -> Result<String, Trouble> {
        let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
        let out = self.run(&words, input, None)?;
        Ok(String::from_utf8_lossy(&out).trim_end().to_owned())
    }

    fn text(&self, words: &[&str], deadline: Option<u64>) -> Result<String, Trouble> {
        let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
        Ok(String::from_utf8_lossy(&self.run(&words, b"", deadline)?).into_owned())
    }

    fn run(&self, words: &[&OsStr], input: &[u8], deadline: Option<u64>) -> Result<Vec<u8>, Trouble> {
        match self.spawn(words, input, deadline)? {
            (true, out, _) => Ok(out),
            (false, _, why) => Err(Trouble::Failed(why)),
        }
    }

    /// Whether it succeeded, what it said, and why not.
    fn spawn(&self, words: &[&OsStr], input: &[u8], deadline: Option<u64>) -> Result<(bool, Vec<u8>, String), Trouble> {
        let mut command = Command::new("git");
        self.settle(&mut command);
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| Trouble::Failed(format!("cannot run `git`: {error}")))?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let ended = thread::scope(|scope| {
            let feed = scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
            let said = scope.spawn(move || drain(stdout));
            let why = scope.spawn(move || drain(stderr));
            let ended = wait(&mut child, deadline);
            drop(feed.join());
            ended.map(|is_fine| (is_fine, said.join().unwrap_or_default(), why.join().unwrap_or_default()))
        });
        let Some((is_fine, said, why)) = ended else {
            return Err(Trouble::Failed("git had no answer in time".to_owned()));
        };
        let why = String::from_utf8_lossy(&why);
        let about =
            |line: &&str| line.starts_with("fatal: ") || line.starts_with("error: ") || line.starts_with("remote: ");
        let lines: Vec<&str> = why.lines().filter(about).take(3).collect();
        let why = if lines.is_empty() { why.trim().to_owned() } else { lines.join("; ") };
        Ok((is_fine, said, self.clean(&why)))
    }

    /// Nothing of whoever started accord decides which repository this is, and nothing asks.
    fn settle(&self, command: &mut Command) {
        for name in
            ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE"]
        {
            command.env_remove(name);
        }
        let at = format!("{} +0000", clock::now().as_seconds());
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "accord").env(format!("GIT_{who}_EMAIL"), "accord@localhost");
            command.env(format!("GIT_{who}_DATE"), &at);
        }
        command.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0").env("GIT_ALLOW_PROTOCOL", "file:http:https:ssh");
        if let Some(token) = &self.token {
            // Not among the arguments, which everybody on the machine may read.
            let word = base64::encode(format!("x-access-token:{}", token.expose_secret()).as_bytes());
            command.env("GIT_CONFIG_COUNT", "2");
            command.env("GIT_CONFIG_KEY_0", "http.extraHeader");
            command.env("GIT_CONFIG_VALUE_0", format!("Authorization: Basic {word}"));
            command.env("GIT_CONFIG_KEY_1", "http.followRedirects").env("GIT_CONFIG_VALUE_1", "false");
        }
        if self.store.join("HEAD").is_file() {
            command.env("GIT_DIR", &self.store);
        }
        // A Ctrl-C is for accord, which ends git when it wants to.
        command.args(["-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0"]).process_group(0);
    }

    /// The words without what a URL may hold of secrets.
    fn clean(&self, words: &str) -> String {
        let mut out = words.to_owned();
        if let Some((scheme, rest)) = self.url.split_once("://")
            && let Some((secret, host)) = rest.split_once('@')
            && !secret.contains('/')
        {
            out = out.replace(&format!("{secret}@"), "");
            out = out.replace(&self.url, &format!("{scheme}://{host}"));
        }
        out
    }
}

fn drain(from: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What was said before the pipe broke is all there is.
    drop(from.map(|mut from| from.read_to_end(&mut bytes)));
    bytes
}

/// Whether it succeeded; `None` where it was ended because the time was over.
fn wait(child: &mut Child, deadline: Option<u64>) -> Option<bool> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) if deadline.is_none_or(|deadline| clock::since_boot() < deadline) => {
                thread::sleep(Duration::from_millis(GLANCE));
            }
            _ => break,
        }
    }
    // With the programs that it has started: they hold its pipes.
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    drop(child.wait());
    None
}

/// Where accord keeps what comes from a remote.
pub(super) fn store(root: &Path) -> PathBuf {
    root.join(crate::record::FOLDER).join("remote.git")
}
