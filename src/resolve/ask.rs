//! Whether one person is in one entry, answered for that person alone.
//!
//! Comes in: a resolution (for the roles and groups that an entry refers to) and a
//! person. Goes out: yes or no in either reading. Refuses: ends (the resolution has
//! them). It is what because-chains are rebuilt with; a property test holds it to the
//! sets.

use super::Resolution;
use super::times::{later_start, period_of};
use crate::model::{Instant, Window, time};
use crate::policy::rule::Verdict;
use crate::policy::{
    Entry, EntryId, Holding, KindId, Person, PersonId, Policy, Position, RuleId, Select, constraint_end,
};
