//! What the configuration says, in the words of the layers. Bounds are those of the configuration; the layers hold to them by themselves.

use user_info_api::config;
use user_info_layers::Error;
use user_info_layers::balance::{LoadBalancing, OutlierEjection, Retries};
use user_info_layers::error::http_code;
use user_info_layers::middleware::breaker;
use user_info_layers::middleware::fault::{Abort, Delay, Faults};
use user_info_layers::middleware::rate_limit::{CallerRate, Limit, Scope, TokenBucket};

/// The limit, unless the limiter is switched off.
pub fn limit(limiter: &config::RateLimiter) -> Option<Limit> {
    let bucket = || TokenBucket {
        requests_per_second: limiter.requests_per_second,
        burst: limiter.burst,
        scope: match limiter.scope {
            config::Scope::Instance => Scope::Instance,
            config::Scope::Client => Scope::Client,
        },
        overrides: limiter.overrides.iter().map(caller_rate).collect(),
    };
    limiter.enabled.then(|| match limiter.algorithm {
        config::Algorithm::TokenBucket => Limit::TokenBucket(bucket()),
        config::Algorithm::Bbr => Limit::Bbr,
    })
}

fn caller_rate(limit: &config::ClientLimit) -> CallerRate {
    CallerRate { caller: limit.client.clone(), requests_per_second: limit.requests_per_second }
}

/// The faults, unless they are switched off.
pub fn faults(faults: &config::FaultInjection) -> Option<Faults> {
    faults.enabled.then(|| Faults {
        delay: faults.delay.as_ref().map(|d| Delay { percentage: d.percentage, fixed_delay: d.fixed_delay.get() }),
        abort: faults.abort.as_ref().map(abort),
        expires_at: faults.expiry(),
    })
}

fn abort(abort: &config::Abort) -> Abort {
    let code = abort.http_status.unwrap_or_else(|| abort.grpc_status.map_or(500, |status| http_code(i32::from(status).into())));
    let error = Error {
        code,
        reason: abort.reason.clone().into(),
        message: abort.message.clone().into(),
        metadata: std::collections::BTreeMap::new(),
    };
    Abort { percentage: abort.percentage, error }
}

/// The breaker.
pub fn breaker(breaker: &config::CircuitBreaker) -> breaker::BreakerSettings {
    breaker::BreakerSettings {
        enabled: breaker.enabled,
        mode: match breaker.mode {
            config::BreakerMode::Bounded => breaker::Mode::Bounded,
            config::BreakerMode::Kratos => breaker::Mode::Kratos,
        },
        success_ratio: breaker.success_ratio,
        minimum_requests: breaker.minimum_requests,
        window: breaker.window.get(),
        probes_per_second: breaker.probes_per_second,
    }
}

/// The picker.
pub const fn load_balancing(balancing: config::LoadBalancing) -> LoadBalancing {
    match balancing {
        config::LoadBalancing::WeightedRoundRobin => LoadBalancing::WeightedRoundRobin,
        config::LoadBalancing::P2C => LoadBalancing::P2C,
        config::LoadBalancing::Random => LoadBalancing::Random,
    }
}

/// The rules of ejection.
pub const fn outlier_ejection(ejection: &config::OutlierEjection) -> OutlierEjection {
    OutlierEjection {
        enabled: ejection.enabled,
        consecutive_failures: ejection.consecutive_failures,
        base_ejection_time: ejection.base_ejection_time.get(),
        max_ejection_time: ejection.max_ejection_time.get(),
        max_ejection_percent: ejection.max_ejection_percent,
    }
}

/// The retries.
pub const fn retries(retries: &config::Retries) -> Retries {
    Retries { enabled: retries.enabled, max_attempts: retries.max_attempts, budget_percent: retries.budget_percent }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn defaults_are_those_of_the_layers() {
        assert_eq!(limit(&config::RateLimiter::default()), Some(TokenBucket::default().into()));
        assert_eq!(breaker(&config::CircuitBreaker::default()), breaker::BreakerSettings::default());
        assert_eq!(load_balancing(config::LoadBalancing::default()), LoadBalancing::default());
        assert_eq!(outlier_ejection(&config::OutlierEjection::default()), OutlierEjection::default());
        assert_eq!(retries(&config::Retries::default()), Retries::default());
        assert_eq!(faults(&config::FaultInjection::default()), Some(Faults::default()));
        assert_eq!(abort(&config::Abort::default()), Abort::default());
    }

    #[test]
    fn what_is_switched_off_is_none() {
        assert_eq!(limit(&config::RateLimiter { enabled: false, ..config::RateLimiter::default() }), None);
        let aborting = config::FaultInjection { abort: Some(config::Abort::default()), ..config::FaultInjection::default() };
        assert_eq!(faults(&config::FaultInjection { enabled: false, ..aborting }), None);
    }

    #[test]
    fn an_algorithm_of_its_own_has_no_bucket_and_overrides_are_taken_over() {
        let bbr = config::RateLimiter { algorithm: config::Algorithm::Bbr, ..config::RateLimiter::default() };
        assert_eq!(limit(&bbr), Some(Limit::Bbr));
        let gold = config::ClientLimit { client: "gold".to_owned(), requests_per_second: 7 };
        let each = config::RateLimiter { scope: config::Scope::Client, overrides: vec![gold], ..config::RateLimiter::default() };
        let overrides = vec![CallerRate { caller: "gold".to_owned(), requests_per_second: 7 }];
        assert_eq!(limit(&each), Some(TokenBucket { scope: Scope::Client, overrides, ..TokenBucket::default() }.into()));
    }

    #[test]
    fn a_fault_has_the_status_that_is_named_and_ends_when_it_is_to() {
        let code = |http_status, grpc_status| {
            let aborted = abort(&config::Abort { http_status, grpc_status, reason: "DOWN".into(), ..config::Abort::default() });
            (aborted.error.code, aborted.error.reason)
        };
        assert_eq!(code(None, Some(14)), (503, "DOWN".into()));
        assert_eq!(code(Some(418), None), (418, "DOWN".into()));
        assert_eq!(code(None, None), (500, "DOWN".into()));
        let expires_at = Some("2030-01-01T00:00:00Z".to_owned());
        let delay = Some(config::Delay { fixed_delay: user_info_api::Duration::from_millis(300), percentage: 12.5 });
        let expected = Faults {
            delay: Some(Delay { percentage: 12.5, fixed_delay: Duration::from_millis(300) }),
            abort: None,
            expires_at: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_456_000)),
        };
        assert_eq!(faults(&config::FaultInjection { delay, expires_at, ..config::FaultInjection::default() }), Some(expected));
    }
}
