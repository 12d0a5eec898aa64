//! Each strictness rule, and agreement with `serde-saphyr` on what both accept.
