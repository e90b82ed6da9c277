use super::*;
use tonic::{Code, Status};

#[test]
fn prints_as_the_go_client_prints_it() {
    assert_eq!(
        Error::CIRCUITBREAKER.to_string(),
        "error: code = 503 reason = CIRCUITBREAKER message = request failed due to circuit breaker triggered metadata = map[] cause = <nil>"
    );
}

#[test]
fn every_code_survives_the_trip_over_grpc() {
    for code in 400..=599 {
        let mut error = Error::new(code, "REASON", "message");
        error.metadata.insert("k".into(), "v".into());
        let status = Status::from(error.clone());
        assert_eq!(status.code(), grpc_code(code));
        assert_eq!(status.message(), "message");
        assert_eq!(Error::from(&status), error, "{code}");
    }
}

#[test]
fn a_status_without_details_keeps_its_code_and_message() {
    for (grpc, http) in [(Code::Unavailable, 503), (Code::Cancelled, 499), (Code::DataLoss, 500), (Code::AlreadyExists, 409)] {
        let error = Error::from(&Status::new(grpc, "gone"));
        assert_eq!((error.code, &*error.reason, &*error.message), (http, "", "gone"));
    }
}

#[test]
fn only_500_503_and_504_are_failures_of_the_service() {
    let failures: Vec<u16> = (400..600).filter(|c| Error::new(*c, "", "").is_failure()).collect();
    assert_eq!(failures, [500, 503, 504]);
}
