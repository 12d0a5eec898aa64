//! The story that every kind of directory passes: people join, move, leave, return;
//! somebody edits behind accord's back; a name is used again. After every step the
//! directory is looked at by something that is not accord, and planning again gives
//! nothing.

mod domain;
mod ds389;
mod edit;
mod file;
mod moves;
mod second;
mod server;
mod steps;
mod story;

use edit::Edit;
use std::collections::BTreeMap;
use std::path::Path;

/// One directory under test.
pub(crate) trait Harness {
    /// The settings of the directory, as the value of `directories.corp`, in JSON
    /// (which is YAML).
    fn settings(&self) -> serde_json::Value;
    /// The password for the bind, if there is one.
    fn password(&self, plan: bool) -> Option<String>;
    /// Puts what the settings name (a CA, say) into the repository.
    fn prepare(&mut self, root: &Path);
    /// Edits behind accord's back.
    fn edit(&mut self, root: &Path, edits: &[Edit]);
    /// Carries out LDIF behind accord's back; false where there is no server that could.
    fn modify(&mut self, _ldif: &str) -> bool {
        false
    }
    /// The directory goes away and comes back with its data.
    fn restart(&mut self);
    /// Whether the directory can hold the end of an account itself.
    fn keeps_ends(&self) -> bool {
        true
    }
    /// Everything in it as LDIF, unfolded, as told by something that is not accord.
    fn dump(&self, root: &Path) -> String;
    /// What is in it, as told by something that is not accord.
    fn view(&self, root: &Path) -> View {
        View::of(&self.dump(root))
    }
}

/// What a directory holds, read off its LDIF by the simplest means.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct View {
    /// Account → its state in words: `enabled`, `disabled`.
    pub(crate) accounts: BTreeMap<String, String>,
    /// Group → sorted members; a group's own DN is its placeholder and not shown.
    pub(crate) groups: BTreeMap<String, Vec<String>>,
}

impl View {
    /// Reads a dump whose values need no decoding.
    pub(crate) fn of(ldif: &str) -> Self {
        let mut view = Self::default();
        for entry in ldif.split("\n\n") {
            let lines: Vec<(&str, &str)> = entry.lines().filter_map(|line| line.split_once(": ")).collect();
            let all = |name: &str| -> Vec<&str> {
                lines.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| *value).collect()
            };
            let Some(dn) = all("dn").first().copied() else { continue };
            if dn.contains(",ou=people,") {
                let locked =
                    all("pwdAccountLockedTime").contains(&"000001010000Z") || all("nsAccountLock").contains(&"true");
                let state = if locked { "disabled" } else { "enabled" };
                view.accounts.insert(first_value(dn), state.to_owned());
            } else if dn.contains(",ou=groups,") {
                let members = ["member", "uniqueMember", "memberUid"].map(all).concat();
                let mut members: Vec<String> =
                    members.into_iter().filter(|member| *member != dn).map(first_value).collect();
                members.sort();
                view.groups.insert(first_value(dn), members);
            }
        }
        view
    }
}

/// `maria` of `uid=maria,ou=people,…`, and of `maria`.
fn first_value(dn: &str) -> String {
    let rdn = dn.split(',').next().unwrap();
    rdn.split_once('=').map_or(rdn, |(_, value)| value).to_owned()
}

#[test]
fn ldif_group_of_names() {
    story::tell(&mut file::File::new("groupOfNames"));
}

#[test]
fn ldif_group_of_unique_names() {
    story::tell(&mut file::File::new("groupOfUniqueNames"));
}

#[test]
fn ldif_posix_group() {
    story::tell(&mut file::File::new("posixGroup"));
}

#[test]
fn active_directory() {
    story::tell(&mut domain::Domain::start());
}

#[test]
fn openldap_over_tls() {
    story::tell(&mut server::Server::over_tls());
}

#[test]
fn openldap_with_start_tls_and_no_overlay_that_mends_references() {
    story::tell(&mut server::Server::start_tls_without_refint());
}

#[test]
fn openldap_without_tls() {
    story::tell(&mut server::Server::in_the_clear());
}

#[test]
fn ds389_over_tls() {
    story::tell(&mut ds389::Ds::over_tls());
}

#[test]
fn ds389_with_start_tls_and_no_plugin_that_mends_references() {
    story::tell(&mut ds389::Ds::start_tls_without_plugins());
}
