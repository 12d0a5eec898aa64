//! Who vouches for a plan file: a detached signature in OpenSSH's format.
//!
//! Comes in: the bytes of a plan file, a private key, or a signature and the keys that
//! may sign. Goes out: a signature, or who signed. Refuses: every key that is not
//! Ed25519, signatures made for something else than a plan, keys that are not (or not
//! at that instant) among those that may sign, and lists with a line it does not
//! understand. A signature is evidence of who made the file, never leave to apply it.
//!
//! Formats: PROTOCOL.sshsig of OpenSSH for the signature, `ALLOWED SIGNERS` of
//! ssh-keygen(1) for the list, so that an auditor verifies without accord:
//! `ssh-keygen -Y verify -f SIGNERS -I NAME -n accord-plan -s FILE.sig < FILE`.

use crate::model::Instant;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};
use std::fmt;

/// What a signature of a plan is made for: one that was made for a commit or a letter
/// counts for nothing here.
pub const NAMESPACE: &str = "accord-plan";

/// Longest signature or list of signers that is read, in bytes.
pub const LONGEST: usize = 1 << 20;

/// Why nothing was signed, or a signature counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The private key cannot be used.
    #[error("the key that is to sign {0}")]
    Key(String),
    /// A line of the list of signers.
    #[error("line {line}: {what}")]
    Signers {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// It is no signature of a plan.
    #[error("the signature {0}")]
    Malformed(String),
    /// The bytes are not those that were signed.
    #[error("the signature is not of these bytes: the plan or its signature was changed")]
    Forged,
    /// The key is not among those that may sign.
    #[error("signed by the key {fingerprint}, which is not among those that may sign")]
    Stranger {
        /// SHA-256 of the key as OpenSSH writes it.
        fingerprint: String,
    },
    /// The key may sign, and not at that instant.
    #[error("signed by {name}, whose key {fingerprint} is not valid now")]
    NotNow {
        /// Who it belongs to.
        name: String,
        /// SHA-256 of the key as OpenSSH writes it.
        fingerprint: String,
    },
}

/// A key that signs plans; nothing prints it.
pub struct SigningKey(PrivateKey);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    /// Reads an Ed25519 key as `ssh-keygen -t ed25519` writes it, without passphrase.
    ///
    /// # Errors
    /// When it is no such key.
    pub fn read(text: &str) -> Result<Self, SignatureError> {
        let wrong = |what: &str| SignatureError::Key(what.to_owned());
        // What stands in it is secret, so the parser's own words stay out.
        let key = PrivateKey::from_openssh(text.trim())
            .map_err(|_| wrong("is not in OpenSSH's format; `ssh-keygen -t ed25519 -N ''` makes one"))?;
        if key.is_encrypted() {
            return Err(wrong("has a passphrase, and nobody is there to type it"));
        }
        match key.algorithm() {
            Algorithm::Ed25519 => Ok(Self(key)),
            _ => Err(wrong("is not an Ed25519 key; `ssh-keygen -t ed25519 -N ''` makes one")),
        }
    }

    /// The signature of the bytes of a plan file, as `ssh-keygen -Y sign` writes it.
    ///
    /// # Errors
    /// When the key does not sign; a key that was read does.
    pub fn sign(&self, bytes: &[u8]) -> Result<String, SignatureError> {
        let made = self.0.sign(NAMESPACE, HashAlg::Sha512, bytes);
        let text = made.and_then(|signature| signature.to_pem(LineEnding::LF));
        text.map_err(|error| SignatureError::Key(format!("does not sign: {error}")))
    }
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The name in the list.
    pub name: String,
    /// SHA-256 of the key as OpenSSH writes it.
    pub fingerprint: String,
}

/// The keys that may sign plans, each with its name and the time in which it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signers(Vec<Line>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    name: String,
    key: PublicKey,
    after: Option<Instant>,
    before: Option<Instant>,
}

impl Signers {
    /// Reads a list as `gpg.ssh.allowedSignersFile` of git and `ssh-keygen -Y verify`
    /// take it: `NAME [OPTIONS] ssh-ed25519 KEY [COMMENT]`, with the options
    /// `namespaces`, `valid-after` and `valid-before` (UTC with `Z`, otherwise in
    /// `zone`). Lines for other namespaces only are passed over.
    ///
    /// # Errors
    /// Every line that is not understood: a signer nobody sees is one too few, an
    /// option nobody sees one too many.
    pub fn read(text: &str, zone: &TimeZone) -> Result<Self, Vec<SignatureError>> {
        let mut lines = Vec::new();
        let mut wrong = Vec::new();
        for (n, line) in text.lines().enumerate().map(|(n, line)| (n + 1, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match parse(line, zone) {
                Ok(line) => lines.extend(line),
                Err(what) => wrong.push(SignatureError::Signers { line: n, what }),
            }
        }
        if wrong.is_empty() { Ok(Self(lines)) } else { Err(wrong) }
    }

    /// Who signed these bytes, by a key that counts at `now`.
    ///
    /// # Errors
    /// When it is no signature of a plan, not of these bytes, or not by one of these.
    pub fn verify(&self, bytes: &[u8], signature: &str, now: Instant) -> Result<Signer, SignatureError> {
        let signature = SshSig::from_pem(signature.trim())
            .map_err(|_| SignatureError::Malformed("is not in OpenSSH's format".to_owned()))?;
        if signature.namespace() != NAMESPACE {
            let other: String = signature.namespace().chars().take(40).collect();
            return Err(SignatureError::Malformed(format!("was made for `{other}`, not for `{NAMESPACE}`")));
        }
        let fingerprint = signature.public_key().fingerprint(HashAlg::Sha256).to_string();
        let mine: Vec<&Line> = self.0.iter().filter(|line| line.key.key_data() == signature.public_key()).collect();
        let Some(first) = mine.first() else { return Err(SignatureError::Stranger { fingerprint }) };
        first.key.verify(NAMESPACE, bytes, &signature).map_err(|_| SignatureError::Forged)?;
        let counts = |line: &&&Line| {
            line.after.is_none_or(|after| after <= now) && line.before.is_none_or(|before| now < before)
        };
        match mine.iter().find(counts) {
            Some(line) => Ok(Signer { name: line.name.clone(), fingerprint }),
            None => Err(SignatureError::NotNow { name: first.name.clone(), fingerprint }),
        }
    }
}

/// One line; `None` where it is for other namespaces.
fn parse(line: &str, zone: &TimeZone) -> Result<Option<Line>, String> {
    let (name, rest) = cut(line, ' ').ok_or("a name and a key are expected: `NAME ssh-ed25519 AAAA…`")?;
    if name.contains(['*', '?', '!', ',', '"']) {
        return Err(format!("`{name}` is a pattern or several: write one name, of who signs"));
    }
    let (options, key) = match cut(rest.trim_start(), ' ') {
        Some((options, key)) if !options.starts_with("ssh-") => (options, key.trim_start()),
        _ => ("", rest.trim_start()),
    };
    let (mut after, mut before, mut is_for_plans) = (None, None, true);
    let mut left = options;
    while !left.is_empty() {
        let (option, more) = cut(left, ',').unwrap_or((left, ""));
        left = more;
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        match key.to_ascii_lowercase().as_str() {
            "namespaces" => is_for_plans = value.split(',').any(|one| one.trim() == NAMESPACE),
            "valid-after" => after = Some(time(value, zone)?),
            "valid-before" => before = Some(time(value, zone)?),
            "cert-authority" => return Err("authorities of certificates are not supported: write the key".to_owned()),
            _ => return Err(format!("the option `{key}` is not known")),
        }
    }
    let key = PublicKey::from_openssh(key)
        .map_err(|_| "no public key follows; `NAME ssh-ed25519 AAAA…` is expected".to_owned())?;
    if key.algorithm() != Algorithm::Ed25519 {
        return Err(format!("a key of sort `{}`: only `ssh-ed25519` signs plans", key.algorithm()));
    }
    Ok(is_for_plans.then(|| Line { name: name.to_owned(), key, after, before }))
}

/// What stands before and after the first `separator` that no quotes surround.
fn cut(text: &str, separator: char) -> Option<(&str, &str)> {
    let mut is_quoted = false;
    let place = text.char_indices().find(|(_, c)| {
        is_quoted ^= *c == '"';
        *c == separator && !is_quoted
    });
    let (before, rest) = text.split_at_checked(place?.0)?;
    Some((before, rest.strip_prefix(separator)?))
}

/// `YYYYMMDD[HHMM[SS]][Z]`.
fn time(text: &str, zone: &TimeZone) -> Result<Instant, String> {
    let wrong = || format!("`{text}` is no time: `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, with `Z` for UTC");
    let (digits, zone) = match text.strip_suffix('Z') {
        Some(digits) => (digits, &TimeZone::UTC),
        None => (text, zone),
    };
    let whole = match digits.len() {
        8 => format!("{digits}000000"),
        12 => format!("{digits}00"),
        _ => digits.to_owned(),
    };
    // The parser would take signs and spaces too.
    if whole.len() != 14 || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let civil = DateTime::strptime("%Y%m%d%H%M%S", &whole).map_err(|_| wrong())?;
    let zoned = civil.to_zoned(zone.clone()).map_err(|_| wrong())?;
    Ok(Instant::from_seconds(zoned.timestamp().as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_000_000;

    fn key(seed: u8) -> SigningKey {
        SigningKey(PrivateKey::from(ssh_key::private::Ed25519Keypair::from_seed(&[seed; 32])))
    }

    fn public(seed: u8) -> String {
        key(seed).0.public_key().to_openssh().unwrap()
    }

    fn signers(text: &str) -> Signers {
        Signers::read(text, &TimeZone::UTC).unwrap()
    }

    fn verify(list: &str, bytes: &[u8], signature: &str) -> Result<String, SignatureError> {
        signers(list).verify(bytes, signature, Instant::from_seconds(NOW)).map(|signer| signer.name)
    }

    #[test]
    fn only_these_bytes_by_these_keys_count() {
        let signature = key(1).sign(b"plan").unwrap();
        let list = format!("# who\n\nci {} comment\nother {}\n", public(1), public(2));
        assert_eq!(verify(&list, b"plan", &signature), Ok("ci".to_owned()));
        assert_eq!(verify(&list, b"plan ", &signature), Err(SignatureError::Forged));
        let stranger = verify(&format!("other {}", public(2)), b"plan", &signature).unwrap_err();
        assert!(stranger.to_string().starts_with("signed by the key SHA256:"), "{stranger}");
        let elsewhere = key(1).0.sign("file", HashAlg::Sha512, b"plan").unwrap().to_pem(LineEnding::LF).unwrap();
        let elsewhere = verify(&list, b"plan", &elsewhere).unwrap_err();
        assert_eq!(elsewhere.to_string(), "the signature was made for `file`, not for `accord-plan`");
        assert!(matches!(verify(&list, b"plan", "none"), Err(SignatureError::Malformed(_))));
        assert!(matches!(verify("", b"plan", &signature), Err(SignatureError::Stranger { .. })));
    }

    #[test]
    fn a_key_counts_in_its_time_and_for_plans_only() {
        let signature = key(1).sign(b"plan").unwrap();
        // NOW is 2026-11-18.
        for (options, counts) in [
            ("valid-after=\"20261101\"", true),
            ("valid-after=\"20261201\"", false),
            ("valid-before=20261201Z,valid-after=202611010930", true),
            ("valid-before=\"20261101120000Z\"", false),
            ("namespaces=\"file, accord-plan\"", true),
            ("namespaces=\"file,git\"", false),
        ] {
            let list = format!("ci {options} {}", public(1));
            assert_eq!(verify(&list, b"plan", &signature).is_ok(), counts, "{options}");
        }
    }

    #[test]
    fn a_list_is_understood_whole_or_refused_with_every_line() {
        let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC";
        let list = format!(
            "ci\n* {0}\na,b {0}\nci valid-until=2027 {0}\nci cert-authority {0}\nci valid-after=2027 {0}\nci {rsa}\nci {0}\n",
            public(1)
        );
        let wrong = Signers::read(&list, &TimeZone::UTC).unwrap_err();
        let told: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "line 1: a name and a key are expected: `NAME ssh-ed25519 AAAA…`",
                "line 2: `*` is a pattern or several: write one name, of who signs",
                "line 3: `a,b` is a pattern or several: write one name, of who signs",
                "line 4: the option `valid-until` is not known",
                "line 5: authorities of certificates are not supported: write the key",
                "line 6: `2027` is no time: `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, with `Z` for UTC",
                "line 7: no public key follows; `NAME ssh-ed25519 AAAA…` is expected",
            ]
        );
    }

    #[test]
    fn a_key_that_is_none_is_refused_without_its_words() {
        let error = SigningKey::read("-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n").unwrap_err().to_string();
        assert!(error.contains("ssh-keygen -t ed25519") && !error.contains("c2Vj"), "{error}");
        let text = key(1).0.to_openssh(LineEnding::LF).unwrap();
        assert_eq!(format!("{:?}", SigningKey::read(&text).unwrap()), "SigningKey(…)");
    }
}
