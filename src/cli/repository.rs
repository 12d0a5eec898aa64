//! Where the policies are.
//!
//! Comes in: `--policies` or the working directory. Goes out: the folder and the
//! root of the repository around it. Refuses: to guess further than upwards.

use super::args::Global;
use super::failure::Failure;
use std::path::{Path, PathBuf};

/// A folder of policies and what is around it.
#[derive(Debug, Clone)]
pub(super) struct Repository {
    /// The folder that holds `accord.yaml`.
    pub(super) policies: PathBuf,
    /// The folder around it: paths in policies and the journal are below.
    pub(super) root: PathBuf,
}

impl Repository {
    /// The one that `--policies` names, or the next `policies/` upwards.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn find(global: &Global) -> Result<Self, Failure> {
        match &global.policies {
            Some(folder) => Self::around(folder.clone()),
            None => Self::upwards(&working_directory()?),
        }
    }

    fn around(policies: PathBuf) -> Result<Self, Failure> {
        let whole = policies.canonicalize().map_err(|error| Failure::file(&policies, "use the policies in", &error))?;
        let root = whole.parent().unwrap_or(&whole).to_owned();
        Ok(Self { policies, root })
    }

    fn upwards(from: &Path) -> Result<Self, Failure> {
        for root in from.ancestors() {
            let policies = root.join("policies");
            if policies.join("accord.yaml").is_file() {
                return Ok(Self { policies, root: root.to_owned() });
            }
        }
        Err(Failure::new(format!("there is no `policies/accord.yaml` in `{}` or above it", from.display()))
            .help("accord init, or name the folder with --policies DIR"))
    }
}

/// Where the command was started.
///
/// # Errors
/// When it is gone or may not be seen.
#[expect(clippy::disallowed_methods, reason = "the environment is read in `cli`, and this is it")]
pub(super) fn working_directory() -> Result<PathBuf, Failure> {
    std::env::current_dir().map_err(|error| Failure::new(format!("the working directory cannot be read: {error}")))
}
