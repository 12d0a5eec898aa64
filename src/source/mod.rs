//! Bytes of policy files, from the work tree or a git object: the only reader of
//! files for policies.
//!
//! Comes in: a folder or a revision. Goes out: paths and bytes, sorted. Refuses:
//! symlinks, paths outside the repository, YAML.
