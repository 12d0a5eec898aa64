//! Policy files of a folder on disk.
//!
//! Comes in: the `policies` folder. Goes out: every `*.yaml` below it, sorted.
//! Refuses: symlinks (they lead out of what was reviewed), `.yml` (two endings
//! for one thing hide files), names that are not UTF-8. Hidden files and folders
//! are skipped: editors and git keep theirs there.

use super::{Source, SourceFile, ensure_accord_yaml};
use crate::diagnostic::{Diagnostic, Span};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The policies of a work tree.
#[derive(Debug, Clone)]
pub struct WorkTree {
    folder: PathBuf,
}

impl WorkTree {
    /// The policies below `folder`. Paths are shown as `policies/…`, whatever the
    /// folder is called, so that a finding reads the same everywhere.
    ///
    /// # Errors
    /// When `folder` is not a folder, or is a symlink.
    pub fn open(folder: &Path) -> Result<Self, Box<Diagnostic>> {
        let shown = folder.display();
        let metadata = fs::symlink_metadata(folder).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Diagnostic::error("no-policies", format!("there is no folder `{shown}`"))
                .help("name another with `--policies DIR`, or start with `accord init`"),
            _ => Diagnostic::error("unreadable", format!("`{shown}` cannot be read: {error}")),
        })?;
        if metadata.is_symlink() {
            return Err(Box::new(symlink(&shown.to_string())));
        }
        if !metadata.is_dir() {
            let finding = Diagnostic::error("no-policies", format!("`{shown}` is not a folder"))
                .help("`--policies` names the folder that holds `accord.yaml`");
            return Err(Box::new(finding));
        }
        Ok(Self { folder: folder.to_owned() })
    }
}

impl Source for WorkTree {
    fn files(&self) -> Result<Arc<[SourceFile]>, Vec<Diagnostic>> {
        let mut walk = Walk::default();
        walk.folder(&self.folder, "policies");
        if walk.wrong.is_empty()
            && let Err(missing) = ensure_accord_yaml(&walk.files)
        {
            walk.wrong.push(*missing);
        }
        if walk.wrong.is_empty() {
            walk.files.sort();
            Ok(walk.files.into())
        } else {
            walk.wrong.sort();
            Err(walk.wrong)
        }
    }
}

#[derive(Default)]
struct Walk {
    files: Vec<SourceFile>,
    wrong: Vec<Diagnostic>,
}

impl Walk {
    fn folder(&mut self, folder: &Path, shown: &str) {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.wrong.push(unreadable(shown, &error)),
        };
        for entry in entries {
            match entry {
                Ok(entry) => self.entry(&entry, shown),
                Err(error) => self.wrong.push(unreadable(shown, &error)),
            }
        }
    }

    fn entry(&mut self, entry: &fs::DirEntry, folder: &str) {
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") {
            return;
        }
        let Some(name) = name.to_str() else {
            let shown = format!("{folder}/{}", name.to_string_lossy());
            let finding = Diagnostic::error("not-utf8", format!("the name of `{shown}` is not UTF-8"));
            return self.wrong.push(finding.at(whole_file(&shown)).help("rename it"));
        };
        let shown = format!("{folder}/{name}");
        match entry.file_type() {
            Ok(kind) if kind.is_symlink() => self.wrong.push(symlink(&shown)),
            Ok(kind) if kind.is_dir() => self.folder(&entry.path(), &shown),
            Ok(kind) if kind.is_file() => self.file(&entry.path(), &shown),
            // Sockets and devices named `x.yaml` are nobody's policies.
            Ok(_) => {}
            Err(error) => self.wrong.push(unreadable(&shown, &error)),
        }
    }

    fn file(&mut self, path: &Path, shown: &str) {
        let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        if ending.eq_ignore_ascii_case("yml") || (ending.eq_ignore_ascii_case("yaml") && ending != "yaml") {
            let finding =
                Diagnostic::error("file-ending", format!("`{shown}` would not be read: policy files end in `.yaml`"));
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            self.wrong.push(finding.at(whole_file(shown)).help(format!("rename it to `{stem}.yaml`")));
        } else if ending == "yaml" {
            match fs::read(path) {
                Ok(bytes) => self.files.push(SourceFile { path: Arc::from(shown), bytes }),
                Err(error) => self.wrong.push(unreadable(shown, &error)),
            }
        }
    }
}

fn whole_file(shown: &str) -> Span {
    Span { file: Arc::from(shown), line: 0, column: 0, length: 0 }
}

fn symlink(shown: &str) -> Diagnostic {
    Diagnostic::error("symlink", format!("`{shown}` is a symbolic link"))
        .at(whole_file(shown))
        .help("what it points to can change without a review; put the file itself here")
}

fn unreadable(shown: &str, error: &io::Error) -> Diagnostic {
    Diagnostic::error("unreadable", format!("`{shown}` cannot be read: {error}")).at(whole_file(shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn codes(dir: &tempfile::TempDir) -> Vec<(&'static str, String)> {
        let wrong = WorkTree::open(dir.path()).unwrap().files().unwrap_err();
        wrong.into_iter().map(|d| (d.code, d.span.map(|s| s.file.to_string()).unwrap_or_default())).collect()
    }

    #[test]
    fn every_yaml_below_is_read_in_order_and_hidden_ones_are_skipped() {
        let dir = tree(&[
            ("accord.yaml", "a"),
            ("roles/b.yaml", "b"),
            ("people/a/x.yaml", "c"),
            (".git/x.yaml", "no"),
            ("roles/.b.yaml", "no"),
            ("README.md", "no"),
        ]);
        let files = WorkTree::open(dir.path()).unwrap().files().unwrap();
        let paths: Vec<_> = files.iter().map(|f| f.path.as_ref()).collect();
        assert_eq!(paths, ["policies/accord.yaml", "policies/people/a/x.yaml", "policies/roles/b.yaml"]);
        assert_eq!(files[2].bytes, b"b");
    }

    #[test]
    fn a_yml_ending_and_a_missing_accord_yaml_are_errors() {
        let dir = tree(&[("accord.yaml", ""), ("roles/b.yml", ""), ("c.YAML", "")]);
        let expected = [("file-ending", "policies/c.YAML".into()), ("file-ending", "policies/roles/b.yml".into())];
        assert_eq!(codes(&dir), expected);
        assert_eq!(codes(&tree(&[("roles/b.yaml", "")])), [("no-accord-yaml", String::new())]);
    }

    #[cfg(unix)]
    #[test]
    fn symlinks_to_files_and_folders_are_errors() {
        let dir = tree(&[("accord.yaml", "")]);
        let elsewhere = tree(&[("x.yaml", "")]);
        std::os::unix::fs::symlink(elsewhere.path().join("x.yaml"), dir.path().join("x.yaml")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), dir.path().join("more")).unwrap();
        assert_eq!(codes(&dir), [("symlink", "policies/more".into()), ("symlink", "policies/x.yaml".into())]);
        let link = dir.path().join("more");
        assert_eq!(WorkTree::open(&link).unwrap_err().code, "symlink");
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_not_utf8_is_an_error() {
        use std::os::unix::ffi::OsStrExt;
        let dir = tree(&[("accord.yaml", "")]);
        fs::write(dir.path().join(OsStr::from_bytes(b"\xff.yaml")), "").unwrap();
        assert_eq!(codes(&dir)[0].0, "not-utf8");
    }

    #[test]
    fn a_folder_that_is_missing_says_what_to_do() {
        let missing = WorkTree::open(Path::new("/nonexistent/policies")).unwrap_err();
        assert_eq!(missing.code, "no-policies");
        assert!(missing.help[0].contains("accord init"));
    }
}
