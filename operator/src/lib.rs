//! Runs the user-info system in Kubernetes from one `UserInfoDeployment`.

pub mod args;
pub mod check;
pub mod crd;
