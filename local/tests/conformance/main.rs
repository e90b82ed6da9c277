//! What holds of a registry must hold of Consul and of our own agent alike: each test runs against both.

mod http;
mod secured;
mod services;
mod target;

use target::Target;

/// Runs each test function against the agent in this process and against Consul.
macro_rules! on_both {
    ($($module:ident::$test:ident,)*) => {
        mod agent {
            use super::*;
            $(#[tokio::test] async fn $test() { super::$module::$test(Target::agent().await).await; })*
        }
        mod real_consul {
            use super::*;
            $(#[tokio::test] async fn $test() { super::$module::$test(Target::consul().await).await; })*
        }
    };
}

on_both! {
    http::refuses_bad_requests,
    http::shows_what_was_registered,
    http::wakes_blocking_queries,
    http::answers_when_the_wait_is_over,
    http::ttl_checks_run_out_and_heal,
    http::tcp_checks_fail_and_heal,
    http::deregisters_once,
    http::registering_again_keeps_the_state,
    services::registers_passing_and_leaves,
    services::registers_again_when_forgotten,
    services::follows_instances_and_keeps_the_last_list,
    services::goes_to_the_next_agent_and_cleans_up,
}
