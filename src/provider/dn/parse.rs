//! The parser of the full DN syntax: RFC 4514, with what RFC 1779 and RFC 2253
//! allowed before it.
//!
//! Comes in: any text. Goes out: RDNs with unescaped values. Refuses: text that is
//! no DN, with the reason.

use super::{Ava, DnError, Rdn, is_type, type_key};

/// The parts of a DN, the entry's own RDN first. The empty DN has none.
///
/// # Errors
/// [`DnError`] when `dn` is no DN.
pub fn parse(dn: &str) -> Result<Vec<Rdn>, DnError> {
    let mut parser = Parser { dn, rest: dn };
    parser.spaces();
    if parser.rest.is_empty() {
        return Ok(Vec::new());
    }
    let (mut rdns, mut rdn) = (Vec::new(), Vec::new());
    loop {
        rdn.push(parser.ava()?);
        match parser.take() {
            None => {
                rdns.push(rdn);
                return Ok(rdns);
            }
            Some('+') => {}
            // The semicolon is RFC 1779's.
            Some(_) => rdns.push(std::mem::take(&mut rdn)),
        }
    }
}

struct Parser<'d> {
    dn: &'d str,
    rest: &'d str,
}

impl Parser<'_> {
    fn fail<T>(&self, why: &'static str) -> Result<T, DnError> {
        Err(DnError { dn: self.dn.to_owned(), why })
    }

    fn spaces(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }

    fn take(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        Some(c)
    }

    fn ava(&mut self) -> Result<Ava, DnError> {
        self.spaces();
        let Some((attribute, rest)) = self.rest.split_once('=') else {
            return self.fail("a part has no `=`");
        };
        let attribute = attribute.trim_end_matches(' ');
        if !is_type(attribute) {
            return self.fail("a part does not begin with an attribute type");
        }
        let attribute = type_key(attribute).into_owned();
        self.rest = rest;
        self.spaces();
        let ava = match self.rest.chars().next() {
            Some('#') => self.ber(attribute)?,
            Some('"') => Ava { attribute, value: self.quoted()?, ber: false },
            _ => Ava { attribute, value: self.plain()?, ber: false },
        };
        match self.rest.chars().next() {
            None | Some(',' | '+' | ';') => Ok(ava),
            Some(_) => self.fail("text follows the end of a value; escape its special characters with `\\`"),
        }
    }

    fn plain(&mut self) -> Result<Vec<u8>, DnError> {
        let mut value = Vec::new();
        // Where the value ends if only unescaped spaces follow.
        let mut end = 0;
        while let Some(c) = self.rest.chars().next() {
            match c {
                ',' | '+' | ';' => break,
                '"' | '<' | '>' => return self.fail("`\"`, `<` and `>` must be escaped with `\\` inside a value"),
                '\\' => {
                    self.take();
                    self.escaped(&mut value)?;
                    end = value.len();
                }
                _ => {
                    self.take();
                    value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    if c != ' ' {
                        end = value.len();
                    }
                }
            }
        }
        value.truncate(end);
        Ok(value)
    }

    fn quoted(&mut self) -> Result<Vec<u8>, DnError> {
        self.take();
        let mut value = Vec::new();
        loop {
            match self.take() {
                None => return self.fail("a quoted value has no end"),
                Some('"') => {
                    self.spaces();
                    return Ok(value);
                }
                Some('\\') => self.escaped(&mut value)?,
                Some(c) => value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }

    fn escaped(&mut self, value: &mut Vec<u8>) -> Result<(), DnError> {
        if let Some(pair) = self.rest.get(..2)
            && let Some(byte) = hex_byte(pair)
        {
            value.push(byte);
            self.rest = self.rest.get(2..).unwrap_or_default();
            return Ok(());
        }
        match self.take() {
            Some(c @ (' ' | '"' | '#' | '+' | ',' | ';' | '<' | '=' | '>' | '\\')) => {
                value.push(c as u8);
                Ok(())
            }
            _ => self.fail("`\\` is followed by neither two hexadecimal digits nor a special character"),
        }
    }

    fn ber(&mut self, attribute: String) -> Result<Ava, DnError> {
        self.take();
        let end = self.rest.find([',', '+', ';', ' ']).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        let bytes: Option<Vec<u8>> =
            digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok().and_then(hex_byte)).collect();
        let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) else {
            return self.fail("`#` is not followed by pairs of hexadecimal digits");
        };
        self.rest = rest;
        self.spaces();
        // Text in BER is the same value as the text itself: OCTET, UTF8, Printable,
        // IA5 and T61 strings in the short form of the length (X.690 §8.1.3.4).
        if let [0x04 | 0x0c | 0x13 | 0x14 | 0x16, length @ 0..=127, content @ ..] = bytes.as_slice()
            && content.len() == usize::from(*length)
        {
            return Ok(Ava { attribute, value: content.to_vec(), ber: false });
        }
        Ok(Ava { attribute, value: bytes, ber: true })
    }
}

fn hex_byte(pair: &str) -> Option<u8> {
    (pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()))
        .then(|| u8::from_str_radix(pair, 16).ok())
        .flatten()
}
