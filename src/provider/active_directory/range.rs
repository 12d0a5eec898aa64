//! Long lists in pieces ([MS-ADTS] §3.1.1.3.1.3.3): above `MaxValRange` values (1,500)
//! the directory answers `member;range=0-1499` and an empty `member`.
//!
//! Comes in: attribute descriptions. Goes out: which piece it is and where the next
//! begins. Refuses: to take a piece for the whole.

/// One piece of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The attribute whose values these are.
    pub attribute: &'a str,
    /// Number of the first value after this piece; `None`: it is the last.
    pub next: Option<u64>,
}

/// The piece that an attribute description names; `None` where it names no piece.
pub fn parse(description: &str) -> Option<Piece<'_>> {
    let (attribute, options) = description.split_once(';')?;
    let range = options.split(';').find_map(|option| {
        let (word, range) = option.split_once('=')?;
        word.eq_ignore_ascii_case("range").then_some(range)
    })?;
    let (first, last) = range.split_once('-')?;
    let first: u64 = first.parse().ok()?;
    let next = match last {
        "*" => None,
        last => Some(last.parse::<u64>().ok().filter(|last| *last >= first)?.checked_add(1)?),
    };
    Some(Piece { attribute, next })
}

/// How the rest of a list is asked for.
pub fn rest(attribute: &str, from: u64) -> String {
    format!("{attribute};range={from}-*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_says_where_the_next_begins() {
        assert_eq!(parse("member;range=0-1499"), Some(Piece { attribute: "member", next: Some(1500) }));
        assert_eq!(parse("member;Range=3000-*"), Some(Piece { attribute: "member", next: None }));
        assert_eq!(rest("member", 1500), "member;range=1500-*");
    }

    #[test]
    fn what_is_no_piece_is_none() {
        for text in ["member", "member;binary", "member;range=", "member;range=5-2", "member;range=a-b"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
