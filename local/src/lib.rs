//! `user-info-local`: the whole user-info system on one machine, from one `UserInfoDeployment`.

pub mod agent;
pub mod args;
pub mod error;
pub mod http;
pub mod page;
pub mod ports;
pub mod run;
pub mod sampler;
pub mod spec;
pub mod store;
pub mod supervisor;
pub mod terminal;
pub mod view;
