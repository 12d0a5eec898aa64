//! How many batches a directory bears at once.
//!
//! Comes in: what became of each batch. Goes out: room for another one. Refuses: to grow
//! faster than by one for each full window that went through, and to halve twice for
//! what was sent before the first time.

/// The limit on what is in flight: halved at once, grown slowly (as RFC 5681 §3.1 does
/// while it avoids congestion).
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    size: usize,
    most: usize,
    /// Batches that went through since it grew or shrank.
    through: usize,
    /// Counts the times that it shrank.
    round: u32,
}

impl Window {
    /// A window of that many, which is also the most that it ever is.
    pub(super) fn new(most: usize) -> Self {
        Self { size: most.max(1), most: most.max(1), through: 0, round: 0 }
    }

    /// Batches that may be in flight.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// What a batch that is sent now carries, to be told by when it comes back.
    pub(super) fn round(&self) -> u32 {
        self.round
    }

    /// The directory did not bear a batch that was sent in that round.
    pub(super) fn shrink(&mut self, round: u32) {
        if round == self.round {
            self.size = (self.size / 2).max(1);
            (self.through, self.round) = (0, self.round.wrapping_add(1));
        }
    }

    /// A batch went through.
    pub(super) fn grow(&mut self) {
        self.through += 1;
        if self.through >= self.size {
            self.size = (self.size + 1).min(self.most);
            self.through = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_halves_once_for_all_that_was_sent_before_and_grows_by_one_for_each_window() {
        let mut window = Window::new(128);
        let round = window.round();
        for _ in 0..100 {
            window.shrink(round);
        }
        assert_eq!(window.size(), 64);
        window.shrink(window.round());
        assert_eq!(window.size(), 32);
        for _ in 0..32 {
            window.grow();
        }
        assert_eq!(window.size(), 33);
        for _ in 0..10 {
            window.shrink(window.round());
        }
        assert_eq!(window.size(), 1);
        (0..100_000).for_each(|_| window.grow());
        assert_eq!(window.size(), 128);
    }
}
