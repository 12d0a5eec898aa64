//! Parsers never panic, and what they accept has the properties that the rest of the
//! program relies on. Each body is a plain function of bytes (and so a cargo-fuzz
//! target as it is); here it runs over a corpus and over mutations of it.

mod dn;
mod ldif;
mod plan_file;
mod snapshot;
mod yaml;

/// Tokens that parsers care about, put in anywhere.
const TOKENS: &[&[u8]] = &[
    b"\\",
    b",",
    b"=",
    b"+",
    b"\"",
    b"#",
    b";",
    b" ",
    b"\n",
    b"\r\n",
    b"\n ",
    b":",
    b"::",
    b":<",
    b"-",
    b"\0",
    b"\xff",
    b"\xc3\xa9",
    b"dn: ",
    b"version: 1\n",
    b"changetype: add\n",
    b"\\2c",
    b"#0c",
    b"'1'B",
    b"&a",
    b"*a",
    b"!!",
    b"{",
    b"}",
    b"[",
    b"]",
    b"|",
    b">",
    b"%",
    b"\t",
    b"~",
    b"null",
    b"---\n",
];

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let wide = u128::from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)) * below.max(1) as u128;
        usize::try_from(wide >> 64).unwrap()
    }
}

/// One to four small damages to a piece of the corpus.
fn mutate(corpus: &[&[u8]], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = corpus[dice.roll(corpus.len())].to_vec();
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(bytes.len() + 1);
        let end = (at + 1 + dice.roll(8)).min(bytes.len());
        match dice.roll(6) {
            0 => drop(bytes.drain(at.min(end)..end)),
            1 => bytes.splice(at..at, TOKENS[dice.roll(TOKENS.len())].iter().copied()).for_each(drop),
            2 if at < bytes.len() => bytes[at] = u8::try_from(dice.roll(256)).unwrap(),
            3 => bytes.truncate(at),
            4 => {
                let piece = bytes[at.min(end)..end].to_vec();
                bytes.splice(at..at, piece).for_each(drop);
            }
            _ => {
                let other = corpus[dice.roll(corpus.len())];
                let from = dice.roll(other.len() + 1);
                let piece = &other[from..(from + dice.roll(60)).min(other.len())];
                bytes.splice(at..at, piece.iter().copied()).for_each(drop);
            }
        }
    }
    bytes
}

/// Runs a body over a corpus and its mutations; `PROPTEST_CASES` says how many.
fn run(corpus: &[&[u8]], body: fn(&[u8])) {
    run_times(corpus, 80, body);
}

/// The same with another number of mutations for each case.
fn run_times(corpus: &[&[u8]], times: u64, body: fn(&[u8])) {
    for bytes in corpus {
        body(bytes);
    }
    let mut dice = Dice(0x1d87_2b41_6e03_55f7);
    for _ in 0..u64::from(proptest::test_runner::Config::default().cases) * times {
        let bytes = mutate(corpus, &mut dice);
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        assert!(std::panic::catch_unwind(|| body(&bytes)).is_ok(), "the body fails for {shown:?}");
    }
}
