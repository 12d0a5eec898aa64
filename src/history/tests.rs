//! A small repository, made with git2 itself.

use super::*;
use crate::source::Source as _;
use std::fs;

struct Repo {
    dir: tempfile::TempDir,
    git: Repository,
}

impl Repo {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = git2::RepositoryInitOptions::new();
        let git = Repository::init_opts(dir.path(), options.initial_head("main")).unwrap();
        Self { dir, git }
    }

    fn policies(&self) -> PathBuf {
        self.dir.path().join("policies")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn commit(&self) -> String {
        let mut index = self.git.index().unwrap();
        index.add_all(["*"], git2::IndexAddOption::DEFAULT, None).unwrap();
        index.write().unwrap();
        let tree = self.git.find_tree(index.write_tree().unwrap()).unwrap();
        let who = git2::Signature::new("t", "t@example.com", &git2::Time::new(1_795_343_460, 0)).unwrap();
        let parent = self.git.head().ok().map(|head| head.peel_to_commit().unwrap());
        let parents: Vec<_> = parent.iter().collect();
        self.git.commit(Some("HEAD"), &who, &who, "m", &tree, &parents).unwrap().to_string()
    }
}

#[test]
fn without_git_there_is_no_commit_and_nothing_is_dirty() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("policies")).unwrap();
    assert_eq!(mark(&dir.path().join("policies")).unwrap(), PolicyMark::default());
    assert!(!is_tracked(&dir.path().join(".accord")).unwrap());
    let error = Revision::open(&dir.path().join("policies"), "main").unwrap_err();
    assert!(error.to_string().contains("is in no git repository"), "{error}");
}

#[test]
fn the_mark_names_commit_and_branch_and_sees_what_differs() {
    let repo = Repo::new();
    repo.write("policies/accord.yaml", "a");
    repo.write(".gitignore", "*.local.yaml\n");
    let before = mark(&repo.policies()).unwrap();
    assert_eq!((before.commit, before.dirty), (None, true));
    let commit = repo.commit();
    let clean = PolicyMark { commit: Some(commit), dirty: false, branch: Some("main".into()), ..PolicyMark::default() };
    assert_eq!(mark(&repo.policies()).unwrap(), clean);
    repo.write("README.md", "outside of the policies");
    assert!(!mark(&repo.policies()).unwrap().dirty);
    for (path, text) in
        [("policies/accord.yaml", "b"), ("policies/roles/new.yaml", "new"), ("policies/x.local.yaml", "ignored by git")]
    {
        repo.write(path, text);
        assert!(mark(&repo.policies()).unwrap().dirty, "{path}");
        if text == "b" {
            repo.write(path, "a");
        } else {
            fs::remove_file(repo.dir.path().join(path)).unwrap();
        }
        assert!(!mark(&repo.policies()).unwrap().dirty, "{path}");
    }
}

#[test]
fn a_revision_gives_the_files_of_its_commit() {
    let repo = Repo::new();
    repo.write("policies/accord.yaml", "old");
    repo.write("policies/roles/a.yaml", "r");
    repo.write("policies/.hidden.yaml", "no");
    let first = repo.commit();
    repo.write("policies/accord.yaml", "new");
    repo.commit();
    let revision = Revision::open(&repo.policies(), "HEAD~1").unwrap();
    assert_eq!(revision.commit(), first);
    let files = revision.files().unwrap();
    let shown: Vec<_> = files.iter().map(|f| (f.path.as_ref(), f.bytes.as_slice())).collect();
    assert_eq!(shown, [("policies/accord.yaml", &b"old"[..]), ("policies/roles/a.yaml", b"r")]);
    let error = Revision::open(&repo.policies(), "nonsense").unwrap_err();
    assert!(error.to_string().contains("`nonsense`"), "{error}");
}

#[cfg(unix)]
#[test]
fn symlinks_in_a_commit_are_errors_too() {
    let repo = Repo::new();
    repo.write("policies/accord.yaml", "a");
    repo.write("policies/b.yml", "a");
    std::os::unix::fs::symlink("/etc/passwd", repo.policies().join("x.yaml")).unwrap();
    repo.commit();
    let wrong = Revision::open(&repo.policies(), "HEAD").unwrap().files().unwrap_err();
    assert_eq!(wrong.iter().map(|d| d.code).collect::<Vec<_>>(), ["file-ending", "symlink"]);
}

#[test]
fn a_tracked_journal_is_seen() {
    let repo = Repo::new();
    repo.write("policies/accord.yaml", "a");
    repo.write(".accord/journal/20261122-1031.jsonl", "{}");
    assert!(!is_tracked(&repo.dir.path().join(".accord")).unwrap());
    repo.commit();
    assert!(is_tracked(&repo.dir.path().join(".accord")).unwrap());
    assert!(is_tracked(&repo.dir.path().join(".accord/journal/20261122-1031.jsonl")).unwrap());
    assert!(!is_tracked(&repo.dir.path().join(".accord/journal/20261122")).unwrap());
}

/// A commit must not bring what accord remembers by a detour.
#[cfg(unix)]
#[test]
fn a_tracked_link_or_submodule_in_its_place_is_seen() {
    let repo = Repo::new();
    repo.write("policies/accord.yaml", "a");
    repo.write("elsewhere/x", "a");
    std::os::unix::fs::symlink("elsewhere", repo.dir.path().join(".accord")).unwrap();
    repo.commit();
    assert!(is_tracked(&repo.dir.path().join(".accord")).unwrap());
    // A repository of its own where the commit says submodule.
    let other = Repo::new();
    other.write("policies/accord.yaml", "a");
    let inner = git2::Repository::init(other.dir.path().join(".accord")).unwrap();
    std::fs::write(other.dir.path().join(".accord/memory.json"), "{}").unwrap();
    let outer = git2::Repository::open(other.dir.path()).unwrap();
    let mut index = outer.index().unwrap();
    let who = git2::Signature::now("t", "t@example.com").unwrap();
    let tree = inner.find_tree(inner.index().unwrap().write_tree().unwrap()).unwrap();
    inner.commit(Some("HEAD"), &who, &who, "x", &tree, &[]).unwrap();
    index.add_path(std::path::Path::new(".accord")).unwrap();
    index.write().unwrap();
    assert!(is_tracked(&other.dir.path().join(".accord")).unwrap());
}
