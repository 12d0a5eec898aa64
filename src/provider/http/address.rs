//! Where requests go.
//!
//! Comes in: a base URL from settings, parts of a path, URLs from a server's answers.
//! Goes out: URLs below the base. Refuses: clear text to anything but loopback, names and
//! passwords in URLs, parts of a path that would lead somewhere else, other origins.

use crate::provider::is_loopback;
use crate::provider::tls::Complaint;
use reqwest::Url;

const HELP: &str = "write `https://HOST[:PORT][/PATH]`";

/// The URL that every request of one service begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base(Url);

impl Base {
    /// Checks a base URL.
    ///
    /// # Errors
    /// When it is none, would be spoken to in the clear, or holds more than host, port
    /// and path; with what to write.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        let wrong = |what: &str| (format!("`{text}` {what}"), HELP);
        // A URL may carry a password, so a wrong one is not repeated.
        let hidden = |what: &str| (format!("the URL {what}"), HELP);
        let mut url = Url::parse(text).map_err(|_| hidden("is no URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(hidden("holds a name or a password"));
        }
        let host = url.host_str().ok_or_else(|| wrong("names no host"))?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(host) => {}
            "http" => return Err(wrong("would send a token in the clear to another machine")),
            _ => return Err(wrong("is not HTTPS")),
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("holds more than a path"));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }

    /// Whether it is spoken to over TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// A URL below the base: each part becomes one segment, encoded (RFC 3986 §2.1).
    ///
    /// # Errors
    /// When a part is empty, a dot segment or holds control characters, which a URL
    /// would drop without a word.
    pub(super) fn join(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, String> {
        let mut url = self.0.clone();
        if let Some(part) = path.iter().find(|part| is_unfit(part)) {
            return Err(format!("`{}` cannot be a part of a URL", part.escape_default()));
        }
        // A checked base has a host, so it has a path to add to.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// A URL that the server named in an answer to `from`, where it stays below the base.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn follow(&self, from: &Url, to: &str) -> Result<Url, String> {
        let url = from.join(to).map_err(|_| "to what is no URL".to_owned())?;
        if url.origin() != self.0.origin() || !url.username().is_empty() || url.password().is_some() {
            return Err(format!("to another origin, `{}`", url.origin().ascii_serialization()));
        }
        let base = self.0.path().trim_end_matches('/');
        let is_below = url.path().strip_prefix(base).is_some_and(|rest| rest.starts_with('/'));
        if is_below { Ok(url) } else { Err(format!("out of `{base}`, to `{}`", url.path())) }
    }
}

fn is_unfit(part: &str) -> bool {
    matches!(part, "" | "." | "..") || part.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_https_or_this_machine() {
        for good in ["https://api.github.com", "https://gitlab.example.com:8443/api/v4/", "http://127.0.0.1:4010"] {
            assert!(Base::parse(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("api.github.com", "is no URL"),
            ("http://api.github.com", "in the clear"),
            ("http://localhost.example.com", "in the clear"),
            ("ftp://127.0.0.1", "is not HTTPS"),
            ("https://x/?a=b", "more than a path"),
            ("https://x/#a", "more than a path"),
            ("file:///etc/passwd", "names no host"),
        ] {
            let (message, _) = Base::parse(bad).unwrap_err();
            assert!(message.contains(why), "{bad}: {message}");
        }
        let (message, _) = Base::parse("https://me:hunter2@x").unwrap_err();
        assert!(message.contains("name or a password") && !message.contains("hunter2"), "{message}");
        let (message, _) = Base::parse("https://me:hunter2@x:port").unwrap_err();
        assert!(!message.contains("hunter2"), "{message}");
    }

    #[test]
    fn every_part_is_one_segment_whatever_it_holds() {
        let base = Base::parse("https://gitlab.example.com/api/v4/").unwrap();
        let url =
            base.join(&["projects", "group/sub?x#y%2f \\ü", "merge_requests", "7"], &[("page", "1&a=b")]).unwrap();
        assert_eq!(
            url.as_str(),
            "https://gitlab.example.com/api/v4/projects/group%2Fsub%3Fx%23y%252f%20%5C%C3%BC/merge_requests/7?page=1%26a%3Db"
        );
        for bad in ["", ".", "..", "a\tb", "a\nb", "\u{0}"] {
            assert!(base.join(&["projects", bad], &[]).is_err(), "{bad:?}");
        }
        let url = Base::parse("https://api.github.com").unwrap().join(&["repos", "%2e%2e"], &[]).unwrap();
        assert_eq!(url.as_str(), "https://api.github.com/repos/%252e%252e");
    }

    #[test]
    fn what_a_server_names_stays_below_the_base() {
        let base = Base::parse("https://gitlab.example.com/api/v4").unwrap();
        let from = base.join(&["projects", "7"], &[]).unwrap();
        let next = base.follow(&from, "https://gitlab.example.com/api/v4/projects/7?page=2").unwrap();
        assert_eq!(next.query(), Some("page=2"));
        assert!(base.follow(&from, "/api/v4/x").is_ok());
        for bad in [
            "http://gitlab.example.com/api/v4/x",
            "https://gitlab.example.com:444/api/v4/x",
            "https://evil.example.com/api/v4/x",
            "//evil.example.com/api/v4/x",
            "https://a:b@gitlab.example.com/api/v4/x",
            "https://gitlab.example.com/api/v45/x",
            "https://gitlab.example.com/api/v4/../../login",
            "javascript:alert(1)",
        ] {
            assert!(base.follow(&from, bad).is_err(), "{bad}");
        }
    }
}
