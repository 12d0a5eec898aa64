//! Who agreed to a change, as forges tell it: GitHub on its own API description and on an
//! emulator with state, GitLab on answers in the shape of its own entities, and both with
//! the faults and tricks that no real service shows on demand.

mod github;
mod gitlab;

use accord::policy::settings::{ForgeKind, ForgeSettings};
use accord::provider::ProviderError;
use accord::provider::forge::{Access, Reviews, reader};
use secrecy::SecretString;
use std::path::PathBuf;

/// The settings of a forge at that URL.
fn settings(kind: ForgeKind, url: &str, project: &str) -> ForgeSettings {
    ForgeSettings {
        kind,
        url: Some(url.to_owned()),
        project: project.to_owned(),
        branch: "main".to_owned(),
        ca: None,
        token: None,
        timeout: Some(20),
    }
}

/// Reads the reviews of one request for one commit.
fn read(settings: &ForgeSettings, number: u64, commit: &str) -> Result<Reviews, ProviderError> {
    let access = Access { token: Some(SecretString::from("tok_accord")), root: PathBuf::new(), proxy: None };
    let forge = reader(settings, &access)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(forge.reviews(number, commit))
}

/// The request that completed a commit: its number and last commit.
fn merged(settings: &ForgeSettings, commit: &str) -> Result<Option<(u64, String)>, ProviderError> {
    let access = Access { token: Some(SecretString::from("tok_accord")), root: PathBuf::new(), proxy: None };
    let forge = reader(settings, &access)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    Ok(runtime.block_on(forge.merged(commit))?.map(|one| (one.number, one.head.into_string())))
}

/// Logins of the approvals that count, then everybody else with the reason.
fn shown(reviews: &Reviews) -> (Vec<&str>, Vec<String>) {
    let counted = reviews.approvals.iter().map(|approval| &*approval.reviewer.login).collect();
    let rest = reviews.uncounted.iter().map(|other| format!("{}: {}", other.reviewer.login, other.why)).collect();
    (counted, rest)
}

/// What an error says, and what to do.
fn told(result: Result<Reviews, ProviderError>) -> String {
    let error = result.unwrap_err();
    let text = format!("{error} | {}", error.help.join(" "));
    assert!(!text.contains("tok_accord"), "{text}");
    text
}

#[test]
fn what_is_no_repository_is_refused_before_anything_is_asked() {
    for (kind, project) in [
        (ForgeKind::GitHub, "access"),
        (ForgeKind::GitHub, "example/access/../../user"),
        (ForgeKind::GitHub, "example/"),
        (ForgeKind::GitLab, "access"),
        (ForgeKind::GitLab, "a//b"),
    ] {
        let text = told(read(&settings(kind, "http://127.0.0.1:1", project), 1, "x"));
        assert!(text.contains("is no repository of"), "{text}");
    }
    let text = told(read(&settings(ForgeKind::GitHub, "http://127.0.0.1:1", "../.."), 1, "x"));
    assert!(text.contains("`..` cannot be a part of a URL"), "{text}");
    let text = told(read(&settings(ForgeKind::GitHub, "http://github.example.com", "a/b"), 1, "x"));
    assert!(text.contains("would send a token in the clear"), "{text}");
}
