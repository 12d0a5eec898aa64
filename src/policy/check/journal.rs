//! The rule "journal": where the journal is shared between machines.
//!
//! Comes in: the written documents. Goes out: the settings. Refuses: remotes that git would
//! take for an option or a program, refs that are none, tokens from programs.

use super::Checker;
use crate::diagnostic::Diagnostic;
use crate::policy::journal::{GitJournal, LENGTHS};
use crate::policy::settings::SecretRef;
use crate::policy::written::Mark;

pub(super) fn check(checker: &mut Checker<'_>) {
    let mut written = (0u32..).zip(&checker.documents).filter_map(|(n, d)| Some((n, d.file.journal.as_ref()?)));
    let Some((file, at)) = written.next() else { return };
    let again: Vec<(u32, Mark)> = written.map(|(n, at)| (n, at.mark)).collect();
    for (other, mark) in again {
        checker.report(other, mark, Diagnostic::error("duplicate-key", "`journal` is written twice"));
    }
    let (git, mark) = (&at.value.git, at.mark);
    if let Some(SecretRef::Command(_)) = &git.token {
        // Of the files of a program nobody could say which revision they are of.
        let diagnostic = Diagnostic::error("bad-secret", "the token of the journal's remote comes from no program")
            .help("`token: { env: JOURNAL_TOKEN }`, or `{ file: journal.token }` with --secrets-dir");
        // Its line is not shown: arguments of a program may be secrets.
        let found = checker.find(file, &["journal", "git", "token"]).map_or(mark, |found| found.key);
        checker.report(file, Mark { column: 0, length: 0, ..found }, diagnostic);
    }
    if let Err((message, help)) = remote(&git.remote) {
        let diagnostic = Diagnostic::error("bad-url", message).help(help);
        checker.report_at(file, &["journal", "git", "remote"], mark, diagnostic);
    }
    for (setting, name) in [("branch", git.branch()), ("lease", git.lease().to_owned())] {
        if !is_ref(&name) || (setting == "lease" && name.starts_with("refs/heads/")) {
            let diagnostic = Diagnostic::error("bad-ref", format!("`{}` cannot be the {setting}", name.escape_debug()))
                .help("`branch: accord-journal`, `lease: refs/accord/lease` (outside `refs/heads/`)");
            checker.report_at(file, &["journal", "git", setting], mark, diagnostic);
        }
    }
    let (least, most) = LENGTHS;
    if !(least..=most).contains(&git.seconds()) {
        let message = format!("a lease of {} seconds: at least {least}, at most {most}", git.seconds());
        let diagnostic = Diagnostic::error("bad-limit", message);
        checker.report_at(file, &["journal", "git", "seconds"], mark, diagnostic);
    }
    checker.meant.oversight.journal = Some(GitJournal::clone(git));
}

/// Whether git reads it as a place and nothing else: `ext::` would be a program.
fn remote(remote: &str) -> Result<(), (String, &'static str)> {
    let help = "the name of a remote, `https://host/path`, `ssh://user@host/path`, `user@host:path`, or a path";
    let shown = || remote.escape_debug();
    if remote.is_empty() || remote.starts_with('-') || remote.contains("::") || remote.chars().any(char::is_control) {
        return Err((format!("`{}` is no git remote", shown()), help));
    }
    let Some((scheme, rest)) = remote.split_once("://") else { return Ok(()) };
    let authority = rest.split('/').next().unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    if user.is_some_and(|user| user.contains(':') || scheme.starts_with("http")) {
        return Err(("a URL must not hold a password or a token".to_owned(), "`token: { env: JOURNAL_TOKEN }`"));
    }
    match scheme {
        "https" | "ssh" | "file" => Ok(()),
        "http" if is_loopback(host) => Ok(()),
        "http" => Err((format!("`{}` would send the token unprotected", shown()), "`https://`")),
        _ => Err((format!("`{scheme}://` is no way to a git remote here"), help)),
    }
}

/// A host of this machine, with or without a port.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    ["localhost", "127.0.0.1", "[::1]"].contains(&name)
}

/// As `git check-ref-format` has it, and nothing that needs quoting anywhere.
fn is_ref(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    name.starts_with("refs/")
        && name.split('/').count() >= 3
        && name.chars().all(plain)
        && !name.contains("..")
        && name.split('/').all(|part| {
            !part.is_empty()
                && !part.starts_with(['.', '-'])
                && !part.ends_with('.')
                && part.strip_suffix(".lock").is_none()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_is_a_place_and_no_program() {
        for fine in ["origin", "https://git.example.com/a/b.git", "ssh://git@host/x", "git@host:x/y.git", "/srv/j.git"]
        {
            assert!(remote(fine).is_ok(), "{fine}");
        }
        for fine in ["http://127.0.0.1:8080/j.git", "http://localhost/j.git", "file:///srv/j.git"] {
            assert!(remote(fine).is_ok(), "{fine}");
        }
        let bad = ["", "--upload-pack=x", "ext::sh -c x", "http://git.example.com/x", "http://127.0.0.1.example.com/x"];
        for bad in bad.into_iter().chain(["https://me:word@host/x", "https://token@host/x", "ftp://host/x", "a\nb"]) {
            assert!(remote(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_ref_is_one_for_git() {
        for fine in ["refs/accord/lease", "refs/heads/accord-journal", "refs/heads/a/b"] {
            assert!(is_ref(fine), "{fine}");
        }
        for bad in
            ["lease", "refs/lease", "refs/a/../b", "refs/a/b.lock", "refs/a/b:c", "refs/a/*", "refs/a/-b", "refs/a//b"]
        {
            assert!(!is_ref(bad), "{bad}");
        }
    }
}
