//! The names that follow from the service's package, so that each is defined once.

/// The package of the service, as its Cargo.toml describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// The name of the package and of its program, such as `sample-service`.
    pub name: &'static str,
    /// The version, such as `0.1.0`.
    pub version: &'static str,
    /// One line about what the service does.
    pub description: &'static str,
}

impl Package {
    /// Returns the prefix of the environment variables of all settings, such as `SAMPLE__`: the
    /// name in upper case without a trailing `-service`, and two underscores.
    ///
    /// One underscore would not do: if a Kubernetes Service has the name `sample`, Kubernetes
    /// sets variables such as `SAMPLE_PORT=tcp://10.0.0.1:9999` in every pod.
    pub fn environment_prefix(&self) -> String {
        let name = self.name.strip_suffix("-service").unwrap_or(self.name);
        format!("{}__", name.to_uppercase().replace('-', "_"))
    }

    /// Returns the name of the crate in Rust, such as `sample_service`.
    pub fn crate_name(&self) -> String {
        self.name.replace('-', "_")
    }

    /// Returns the user agent, such as `sample-service/0.1.0`.
    pub fn user_agent(&self) -> String {
        format!("{}/{}", self.name, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &'static str) -> Package {
        Package { name, version: "0.1.0", description: "" }
    }

    #[test]
    fn the_environment_prefix_is_the_name_in_upper_case_without_service() {
        for (name, prefix) in [
            ("sample-service", "SAMPLE__"),
            ("orders", "ORDERS__"),
            ("order-book-service", "ORDER_BOOK__"),
            ("service", "SERVICE__"),
        ] {
            assert_eq!(package(name).environment_prefix(), prefix);
        }
    }

    #[test]
    fn crate_name_and_user_agent_follow_from_name_and_version() {
        let package = package("sample-service");
        assert_eq!(package.crate_name(), "sample_service");
        assert_eq!(package.user_agent(), "sample-service/0.1.0");
    }
}
