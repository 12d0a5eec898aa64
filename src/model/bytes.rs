//! Numbers and texts in one run of bytes, for what accord keeps for itself.
//!
//! Comes in: values in an order that both sides know, or bytes from a file that may
//! be anything. Goes out: bytes, or the values again. Refuses: to believe a length, an
//! offset or a text before it has looked; nothing here panics or allocates more than
//! the bytes that are there can hold.
//!
//! Numbers are little-endian, texts UTF-8 behind their length in bytes.

use std::io;
use std::mem;

/// The bytes are not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is torn or damaged")]
pub struct Damaged;

/// So many bytes are held before they go on to a [`Sink`].
const HELD: usize = 64 * 1024;

/// What takes the bytes while they are made: all of a large directory at once would be
/// held beside the directory itself.
pub trait Sink {
    /// The next bytes.
    ///
    /// # Errors
    /// When they cannot be kept.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// That these were all.
    ///
    /// # Errors
    /// When they cannot be kept.
    fn end(self: Box<Self>) -> io::Result<()>;
}

/// Values going out.
#[derive(Default)]
pub struct Out {
    bytes: Vec<u8>,
    too_large: bool,
    sink: Option<Box<dyn Sink>>,
    failed: Option<io::Error>,
}

impl Out {
    /// Values that go on to `sink`, piece by piece.
    pub fn into_sink(sink: Box<dyn Sink>) -> Self {
        Self { bytes: Vec::with_capacity(HELD), sink: Some(sink), ..Self::default() }
    }

    fn pass_on(&mut self) {
        let Some(sink) = &mut self.sink else { return };
        if self.failed.is_none() {
            self.failed = sink.take(&self.bytes).err();
        }
        self.bytes.clear();
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.raw(&[value]);
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }

    /// Eight bytes.
    pub fn i64(&mut self, value: i64) {
        self.raw(&value.to_le_bytes());
    }

    /// How many of something follow; more than 32 bits count spoil the whole.
    pub fn count(&mut self, count: usize) {
        let count = u32::try_from(count).unwrap_or_else(|_| {
            self.too_large = true;
            0
        });
        self.u32(count);
    }

    /// Many numbers, without their count.
    pub fn numbers(&mut self, numbers: impl IntoIterator<Item = u32>) {
        for number in numbers {
            self.u32(number);
        }
    }

    /// Bytes as they are, without their length.
    pub fn raw(&mut self, bytes: &[u8]) {
        if self.sink.is_some() && self.bytes.len() + bytes.len() > HELD {
            self.pass_on();
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes behind their length.
    pub fn blob(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }

    /// A text behind its length.
    pub fn text(&mut self, text: &str) {
        self.blob(text.as_bytes());
    }

    /// What was written; `None` when something was too large to be counted.
    pub fn finish(self) -> Option<Vec<u8>> {
        (!self.too_large).then_some(self.bytes)
    }

    /// Passes on what is left.
    ///
    /// # Errors
    /// What the sink said first, or that something was too large to be counted.
    pub fn end(mut self) -> io::Result<()> {
        self.pass_on();
        match (self.failed, mem::take(&mut self.sink)) {
            _ if self.too_large => Err(io::Error::other("there is more of it than 32 bits can count")),
            (Some(error), _) => Err(error),
            (None, sink) => sink.map_or(Ok(()), Sink::end),
        }
    }
}

/// Values coming in again.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'b> {
    rest: &'b [u8],
}

impl<'b> Cursor<'b> {
    /// From the first byte on.
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    /// From the byte after the version on, which must be this one.
    ///
    /// # Errors
    /// When it is another, or there is none.
    pub fn of_version(bytes: &'b [u8], version: u8) -> Result<Self, Damaged> {
        let mut cursor = Self::new(bytes);
        if cursor.u8()? == version { Ok(cursor) } else { Err(Damaged) }
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn raw(&mut self, n: usize) -> Result<&'b [u8], Damaged> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(Damaged)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Damaged)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// One byte.
    ///
    /// # Errors
    /// At the end.
    pub fn u8(&mut self) -> Result<u8, Damaged> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Four bytes.
    ///
    /// # Errors
    /// At the end.
    pub fn u32(&mut self) -> Result<u32, Damaged> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// At the end.
    pub fn i64(&mut self) -> Result<i64, Damaged> {
        self.array().map(i64::from_le_bytes)
    }

    /// How many things of at least `size` bytes follow.
    ///
    /// # Errors
    /// When there is no room for so many: nobody allocates for a number alone.
    pub fn count(&mut self, size: usize) -> Result<usize, Damaged> {
        let count = usize::try_from(self.u32()?).map_err(|_| Damaged)?;
        let needed = count.checked_mul(size.max(1)).ok_or(Damaged)?;
        if needed > self.rest.len() { Err(Damaged) } else { Ok(count) }
    }

    /// The next `n` numbers.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn numbers(&mut self, n: usize) -> Result<impl ExactSizeIterator<Item = u32> + use<'b>, Damaged> {
        let bytes = self.raw(n.checked_mul(4).ok_or(Damaged)?)?;
        let (chunks, _) = bytes.as_chunks::<4>();
        Ok(chunks.iter().map(|chunk| u32::from_le_bytes(*chunk)))
    }

    /// Bytes behind their length.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn blob(&mut self) -> Result<&'b [u8], Damaged> {
        let count = self.count(1)?;
        self.raw(count)
    }

    /// A text behind its length.
    ///
    /// # Errors
    /// When there is less, or it is no UTF-8.
    pub fn text(&mut self) -> Result<&'b str, Damaged> {
        std::str::from_utf8(self.blob()?).map_err(|_| Damaged)
    }

    /// Whatever follows.
    pub fn rest(self) -> &'b [u8] {
        self.rest
    }

    /// That nothing follows.
    ///
    /// # Errors
    /// When something does.
    pub fn end(self) -> Result<(), Damaged> {
        if self.rest.is_empty() { Ok(()) } else { Err(Damaged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[test]
    fn what_goes_out_comes_in_and_a_torn_end_is_noticed_everywhere() {
        let mut out = Out::default();
        out.u8(7);
        out.i64(-3);
        out.text("Zoë");
        out.count(2);
        out.numbers([1, u32::MAX]);
        let bytes = out.finish().unwrap();
        let read = |bytes: &[u8]| -> Result<(u8, i64, String, Vec<u32>), Damaged> {
            let mut cursor = Cursor::new(bytes);
            let (a, b, c) = (cursor.u8()?, cursor.i64()?, cursor.text()?.to_owned());
            let count = cursor.count(4)?;
            let numbers = cursor.numbers(count)?.collect();
            cursor.end().map(|()| (a, b, c, numbers))
        };
        assert_eq!(read(&bytes), Ok((7, -3, "Zoë".to_owned(), vec![1, u32::MAX])));
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end]), Err(Damaged), "{end}");
        }
        assert_eq!(read(&[&bytes[..], &[0]].concat()), Err(Damaged));
    }

    /// Holds what it took, or refuses after so many pieces.
    struct Kept(Rc<RefCell<Vec<u8>>>, usize);

    impl Sink for Kept {
        fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.1 = self.1.checked_sub(1).ok_or_else(|| io::Error::other("full"))?;
            self.0.borrow_mut().extend(bytes);
            Ok(())
        }

        fn end(self: Box<Self>) -> io::Result<()> {
            self.0.borrow_mut().push(b'.');
            Ok(())
        }
    }

    #[test]
    fn what_is_passed_on_piece_by_piece_is_the_same_and_a_full_disk_is_told() {
        let write = |out: &mut Out| {
            out.numbers(0..100_000);
            out.blob(&vec![7; 3 * HELD]);
            out.text("Zoë");
        };
        let mut whole = Out::default();
        write(&mut whole);
        let whole = [whole.finish().unwrap(), b".".to_vec()].concat();
        let kept = Rc::new(RefCell::new(Vec::new()));
        let mut out = Out::into_sink(Box::new(Kept(Rc::clone(&kept), usize::MAX)));
        write(&mut out);
        assert!(out.bytes.len() <= HELD);
        out.end().unwrap();
        assert_eq!(*kept.borrow(), whole);
        for pieces in 0..3 {
            let mut out = Out::into_sink(Box::new(Kept(Rc::default(), pieces)));
            write(&mut out);
            assert_eq!(out.end().unwrap_err().to_string(), "full");
        }
    }

    #[test]
    fn a_count_without_room_is_refused_before_anything_is_allocated() {
        let bytes = [0xff, 0xff, 0xff, 0xff, 0];
        assert_eq!(Cursor::new(&bytes).count(4), Err(Damaged));
        assert_eq!(Cursor::new(&bytes).blob(), Err(Damaged));
    }
}
