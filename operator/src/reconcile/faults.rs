//! The clock of faults that end by themselves.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use user_info_api::crd::{FaultInjection, Faults};
use user_info_api::render::config_hash;

/// The clock of `faults`; none if they do not end. Faults that are `known` already go on counting from when they were first seen.
pub fn clock(faults: Option<&FaultInjection>, known: Option<&Faults>, now: Timestamp) -> Option<Faults> {
    let faults = faults?;
    let after = SignedDuration::try_from(faults.expire_after?.get()).ok()?;
    let hash = config_hash(faults);
    let since = known.filter(|known| known.hash == hash).map_or_else(|| whole_seconds(now), |known| known.since.0);
    Some(Faults { hash, since: Time(since), expires_at: Time(since.checked_add(after).ok()?) })
}

/// Whether the clock has run out.
pub fn expired(clock: &Faults, now: Timestamp) -> bool {
    now >= clock.expires_at.0
}

/// As Kubernetes writes times, so that one that was stored is the same when it is read.
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(percentage: f64) -> FaultInjection {
        let abort = user_info_api::config::Abort { percentage, ..Default::default() };
        FaultInjection { abort: Some(abort), expire_after: Some(user_info_api::Duration::from_secs(60)), ..FaultInjection::default() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[test]
    fn counts_from_when_the_faults_were_first_seen() {
        let first = clock(Some(&faults(10.0)), None, at(1000)).expect("ends");
        assert_eq!(first.expires_at.0, at(1060));
        let later = clock(Some(&faults(10.0)), Some(&first), at(1030)).expect("ends");
        assert_eq!(later, first);
        assert!(!expired(&later, at(1059)) && expired(&later, at(1060)));
    }

    #[test]
    fn other_faults_start_it_anew_and_faults_without_end_have_none() {
        let first = clock(Some(&faults(10.0)), None, at(1000)).expect("ends");
        let other = clock(Some(&faults(20.0)), Some(&first), at(1030)).expect("ends");
        assert_eq!(other.since.0, at(1030));
        assert_eq!(clock(Some(&FaultInjection { expire_after: None, ..faults(10.0) }), None, at(0)), None);
        assert_eq!(clock(None, Some(&first), at(0)), None);
    }
}
