//! The vocabulary: instants, places, names, [`State`], [`Change`].
//!
//! Comes in: nothing (this module uses no other). Goes out: plain data for every
//! stage. Refuses: I/O, the clock, the environment, and knowledge of any file
//! format or vendor.

pub mod bytes;
pub mod change;
pub mod logon;
pub mod name;
pub mod place;
pub mod state;
pub mod time;

pub use change::{Action, Change, ChangeId, Object, Side};
pub use name::Matching;
pub use place::{FileId, Place};
pub use state::{AccountId, Enabled, GroupId as StateGroupId, Member, State, StateBuilder};
pub use time::{Instant, Term, Window};
