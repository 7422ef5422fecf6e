//! Services: what is released over and over, and what hangs on one.

/// Field of a service's detail that names the source-control integration of its repository, or null.
pub const SCM_OF_SERVICE: &str = "scmIntegrationId";
