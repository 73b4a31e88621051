//! The declarations of a service: its package, its own settings and its flags.

use super::{declare::FlagDeclaration, sections::SECTIONS};
use crate::package::Package;

/// A service's part of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// The package of the service.
    pub package: Package,
    /// Commented TOML: the section `[service]` with the service's own settings and their
    /// defaults, and other sections with overrides of the chassis's defaults.
    ///
    /// Every field needs a default, because the type of the default tells how an environment
    /// variable is parsed. An `Option` is `None` if the text is empty. A setting that has to be set
    /// has a default that its type refuses, such as `""`.
    pub service_defaults: &'static str,
    /// Flags for the service's own settings.
    pub flags: &'static [FlagDeclaration],
}

impl Schema {
    /// Returns all flags, those of the chassis first.
    pub(super) fn all_flags(&self) -> impl Iterator<Item = FlagDeclaration> {
        let settings = SECTIONS.iter().flat_map(|section| section.settings);
        settings.filter_map(|setting| setting.flag).chain(self.flags.iter().copied())
    }
}
