//! Reading the configuration: file, environment, flags.

use super::fault::Fault;
use super::resolve::{Overrides, resolve};
use super::resolved::Config;
use super::secret::Environment;
use super::written::Document;
use std::fs;
use std::path::Path;

impl Config {
    /// The configuration of this file, if any, with what goes over it.
    ///
    /// # Errors
    /// The first fault: file, line, key, and what would be right.
    pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, Fault> {
        let environment = |name: &str| std::env::var(name).ok();
        let Some(file) = file else { return resolve(None, overrides, &environment) };
        let name = file.display().to_string();
        let text = fs::read_to_string(file).map_err(|error| Fault {
            place: name.clone(),
            key: String::new(),
            what: format!("cannot be read: {error}"),
            cure: "name a configuration file with --config".to_owned(),
        })?;
        Self::parse(&name, &text, overrides, &environment)
    }

    /// The configuration of this text, which is called `name` in faults, with what goes over it.
    /// `environment` answers `env:NAME`.
    ///
    /// # Errors
    /// The first fault: file, line, key, and what would be right.
    pub fn parse(
        name: &str,
        text: &str,
        overrides: &Overrides,
        environment: Environment<'_>,
    ) -> Result<Self, Fault> {
        resolve(Some(&Document::parse(name, text)?), overrides, environment)
    }
}
