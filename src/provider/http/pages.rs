//! Lists that come in pages (RFC 8288 `Link: …; rel="next"`).
//!
//! Comes in: one question. Goes out: every element, and what shows that there are no
//! more. Refuses: a next page on another origin, a page twice, more pages than the limit,
//! a list that is shorter than the service says, one whose end nothing shows.

use super::Request;
use super::client::{Answer, Client, decode};
use super::errors::Site;
use crate::provider::ProviderError;
use reqwest::Url;
use reqwest::header::{HeaderMap, LINK};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

/// Elements per page that are asked for: the most that GitHub and GitLab give.
const PER_PAGE: usize = 100;

const HELP: &str =
    "try again; if it stays so, ask the service's administrator: accord decides nothing from half a list";

/// A whole list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages<T> {
    /// Every element, in the service's order.
    pub items: Vec<T>,
    /// What shows that this is all, for people: `3 pages, the last without a next one`.
    pub evidence: String,
}

impl Client {
    /// Asks for a whole list.
    ///
    /// # Errors
    /// As [`Client::get`], of any page, and when nothing shows that the list is whole.
    pub async fn pages<T: DeserializeOwned>(&self, request: &Request<'_>) -> Result<Pages<T>, ProviderError> {
        let site = self.site(request);
        let per_page = PER_PAGE.to_string();
        let mut query = request.query.to_vec();
        query.push(("per_page", &per_page));
        let join =
            |query: &[(&str, &str)]| self.base.join(request.path, query).map_err(|e| site.error(e, "check the name"));
        let mut url = join(&query)?;
        let mut items: Vec<T> = Vec::new();
        let mut seen = BTreeSet::new();
        loop {
            if seen.len() >= self.limits.pages {
                let most = self.limits.pages;
                return Err(
                    site.error(format!("the list has more than {most} pages, the most that accord reads"), HELP)
                );
            }
            if !seen.insert(url.to_string()) {
                return Err(site.error("a page names itself as a later one", HELP));
            }
            let answer = self.fetch(site, url).await?;
            let page: Vec<T> = decode(site, &answer)?;
            let count = page.len();
            items.extend(page);
            let (next, is_paged) = self.next(site, &answer)?;
            url = match next {
                Some(next) => next,
                // A full page that says nothing of others: the one after it tells.
                None if !is_paged && count >= PER_PAGE => {
                    let number = (seen.len() + 1).to_string();
                    let mut query = query.clone();
                    query.push(("page", &number));
                    join(&query)?
                }
                None => {
                    total(site, &answer.headers, items.len())?;
                    let pages = seen.len();
                    let word = if pages == 1 { "page" } else { "pages" };
                    return Ok(Pages { items, evidence: format!("{pages} {word}, the last without a next one") });
                }
            };
        }
    }

    /// The next page, and whether the answer says anything of pages at all.
    fn next(&self, site: Site<'_>, answer: &Answer) -> Result<(Option<Url>, bool), ProviderError> {
        let mut is_paged = false;
        for value in answer.headers.get_all(LINK) {
            let text = value.to_str().map_err(|_| site.error("a `Link` that is no text", HELP))?;
            for (target, relation) in links(text).ok_or_else(|| site.error("a `Link` that cannot be read", HELP))? {
                is_paged = true;
                if relation.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("next")) {
                    let next = self.base.follow(&answer.url, target);
                    return next.map(|url| (Some(url), true)).map_err(|why| {
                        site.error(format!("the next page leads {why}"), "accord shows its token to one origin only")
                    });
                }
            }
        }
        Ok((None, is_paged))
    }
}

/// What GitLab says of the whole list.
fn total(site: Site<'_>, headers: &HeaderMap, count: usize) -> Result<(), ProviderError> {
    let said = headers.get("x-total").and_then(|value| value.to_str().ok()?.trim().parse::<usize>().ok());
    match said {
        Some(said) if said != count => {
            Err(site.error(format!("the service counts {said} elements and sent {count}"), HELP))
        }
        _ => Ok(()),
    }
}

/// Target and relation of every link of one header line (RFC 8288 §3); `None`: it is not
/// written so.
fn links(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut list = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (target, after) = rest.strip_prefix('<')?.split_once('>')?;
        // Commas stand inside quoted parameters too.
        let mut quoted = false;
        let end = after.find(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        let (parameters, next) = match end {
            Some(end) => (after.get(..end)?, after.get(end + 1..)?),
            None => (after, ""),
        };
        let relation = parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("rel").then(|| value.trim().trim_matches('"'))
        });
        list.push((target, relation.unwrap_or_default()));
        rest = next.trim_start();
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_as_they_are_written() {
        let text = r#"<https://x/a?page=2>; rel="next", <https://x/a?page=9>; title="a, b"; rel=last"#;
        assert_eq!(links(text).unwrap(), [("https://x/a?page=2", "next"), ("https://x/a?page=9", "last")]);
        assert_eq!(links("<a>").unwrap(), [("a", "")]);
        assert_eq!(links("").unwrap(), []);
        for bad in ["https://x; rel=next", "<https://x", "<a>; rel=next, b"] {
            assert_eq!(links(bad), None, "{bad}");
        }
    }
}
