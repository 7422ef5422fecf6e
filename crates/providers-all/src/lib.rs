//! The providers compiled into an installation: one line each.

use delivr_domain::ports::provider::{Registry, RegistryError};
use delivr_provider_kit::Deps;
use delivr_provider_kit::exchange::Ears;
use std::sync::Arc;

/// All providers of this build, whose calls can be listened to.
///
/// # Errors
/// When two of them take the same key for one port.
pub fn registry(deps: &Deps) -> Result<Registry, RegistryError> {
    Registry::new([
        delivr_scm_git::descriptor(deps),
        delivr_scm_github::descriptor(deps),
        delivr_cicd_github_actions::descriptor(deps),
        delivr_cicd_jenkins::descriptor(deps),
        delivr_pm_jira::descriptor(deps),
        delivr_comm_slack::descriptor(deps),
        delivr_store_appstore::descriptor(deps),
        delivr_store_playstore::descriptor(deps),
        delivr_test_checkmate::descriptor(deps),
    ])
    .map(|registry| registry.heard_by(Arc::new(Ears)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use delivr_domain::ports::provider::Port;

    #[test]
    fn every_provider_has_closed_forms_and_keeps_secrets_out_of_its_configuration() {
        let deps = Deps::for_tests(std::env::temp_dir()).unwrap();
        let registry = registry(&deps).unwrap();
        let mut count = 0;
        for provider in Port::ALL.iter().flat_map(|port| registry.of(*port)) {
            count += 1;
            for schema in [&provider.config_schema, &provider.credentials_schema] {
                assert_eq!(schema["additionalProperties"], false, "{}", provider.key);
                for (name, field) in schema["properties"].as_object().unwrap() {
                    assert!(field["title"].is_string(), "{} {name} has no title", provider.key);
                }
            }
            assert!(
                !provider.config_schema.to_string().contains("writeOnly"),
                "{}",
                provider.key
            );
        }
        assert!(count > 0);
        assert!(registry.find(Port::Cicd, "jenkins").is_some());
        assert!(registry.find(Port::Scm, "git").is_some());
        assert!(registry.find(Port::Scm, "github").is_some());
    }
}
