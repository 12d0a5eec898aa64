//! The one place that knows every kind of directory.
//!
//! Comes in: settings, and for connections resolved secrets. Goes out: a [`Kind`], a
//! [`Reader`], a [`Writer`]. Refuses: to connect: that happens with the first read.

use super::{Kind, ProviderError, Reader, Served, Target, Writer, ldap, ldif};
use crate::policy::settings::{Directory, ProviderKind};

/// The pure part of a directory.
///
/// # Errors
/// When the settings of that kind are incomplete or contradict each other.
pub fn kind(directory: &Directory) -> Result<Box<dyn Kind>, ProviderError> {
    Ok(match directory.settings.kind {
        ProviderKind::Ldif => Box::new(ldif::kind(directory)?),
        ProviderKind::Ldap | ProviderKind::ActiveDirectory => Box::new(ldap::kind(directory)?),
    })
}

/// What planning holds of a directory.
///
/// # Errors
/// As [`kind`]; nothing is contacted yet.
pub fn reader(target: &Target<'_>) -> Result<Box<dyn Reader>, ProviderError> {
    Ok(match target.directory.settings.kind {
        ProviderKind::Ldif => Box::new(ldif::Directory::new(target.directory, &target.credentials)?),
        ProviderKind::Ldap | ProviderKind::ActiveDirectory => Box::new(ldap::Directory::new(target)?),
    })
}

/// What `apply` holds of a directory; it writes to `served` alone, from which was read.
///
/// # Errors
/// As [`kind`]; nothing is contacted yet.
pub fn writer(target: &Target<'_>, served: Option<&Served>) -> Result<Box<dyn Writer>, ProviderError> {
    Ok(match target.directory.settings.kind {
        ProviderKind::Ldif => Box::new(ldif::Directory::new(target.directory, &target.credentials)?),
        ProviderKind::Ldap | ProviderKind::ActiveDirectory => Box::new(ldap::Directory::at(target, served)?),
    })
}
