//! Why a resource could not be reconciled.

use std::fmt;

use kube::core::response::StatusCause;
use user_info_api::crd::LoadError;

use crate::kind::Kind;
use crate::names::ADOPT;
use crate::reason::{Class, Reason};

/// Why a resource could not be reconciled. What runs is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The resource is not what its schema says.
    #[error("{0}")]
    Unreadable(String),
    /// Values that its schema allows, or allowed when it was made, but the services do not.
    #[error("{}", sentence(.0))]
    InvalidSpec(#[from] LoadError),
    /// Weights that pods of one Deployment cannot have.
    #[error("spec.server.weights must be equal in a cluster: pods of a Deployment have no order; run one resource for each weight")]
    UnequalWeights,
    /// A Secret that pods need is not there.
    #[error("Secret {name} does not exist; {field} names it")]
    SecretMissing {
        /// The Secret.
        name: String,
        /// The field that names it.
        field: &'static str,
    },
    /// A Secret that pods need lacks a key.
    #[error("Secret {name} has no key {key}; {field} asks for it")]
    SecretKeyMissing {
        /// The Secret.
        name: String,
        /// The key.
        key: String,
        /// The field that names it.
        field: &'static str,
    },
    /// The cluster does not know a kind that the resource insists on.
    #[error(
        "the cluster does not know ServiceMonitor; install the Prometheus Operator, or set spec.addons.prometheus.serviceMonitor: Auto"
    )]
    NoServiceMonitors,
    /// The API server did not take an object.
    #[error("{} {name}: {source}", kind.name())]
    Apply {
        /// Kind of the object.
        kind: Kind,
        /// Its name.
        name: String,
        /// What the API server says.
        source: ApiError,
    },
    /// Objects of someone else stand where those of the resource are to be.
    #[error(
        "someone else's: {}; remove it, or annotate it with {ADOPT}={owner} to have it taken over, unless something controls it",
        objects.join(", ")
    )]
    Foreign {
        /// The resource.
        owner: String,
        /// The objects, as `Kind name`.
        objects: Vec<String>,
    },
    /// Another object of the same name has taken the place of one, or is about to.
    #[error("{} {name} is being replaced", kind.name())]
    Replaced {
        /// Kind of the object.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// The API server did not answer as it should.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A reconcile took too long, mostly because the API server did.
    #[error("no end within {} s; the API server may be slow or away", .0.as_secs())]
    Timeout(std::time::Duration),
}

/// A failure of a request to the API server, told by its message alone.
#[derive(Debug, thiserror::Error)]
pub struct ApiError(#[from] kube::Error);

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            kube::Error::Api(status) => f.write_str(&status.message),
            other => other.fmt(f),
        }
    }
}

/// All problems in one line.
fn sentence(error: &LoadError) -> String {
    error.problems().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Api(error.into())
    }
}

impl ApiError {
    fn code(&self) -> u16 {
        if let kube::Error::Api(status) = &self.0 { status.code } else { 0 }
    }

    /// Whether the API server names such a cause.
    fn has_cause(&self, is: impl Fn(&StatusCause) -> bool) -> bool {
        let kube::Error::Api(status) = &self.0 else { return false };
        status.details.as_ref().is_some_and(|details| details.causes.iter().any(is))
    }

    fn reason(&self) -> Reason {
        match self.code() {
            // Of a quota nothing but the message tells.
            403 if self.to_string().contains("exceeded quota") => Reason::QuotaExceeded,
            // Objects can no longer be made in a namespace that is going; the resource will go, too.
            403 if self.has_cause(|cause| cause.reason == "NamespaceTerminating") => Reason::NamespaceTerminating,
            401 | 403 => Reason::Forbidden,
            404 => Reason::Gone,
            409 => Reason::Conflict,
            // A write with a uid met another object of that name.
            422 if self.has_cause(|cause| cause.field == "metadata.uid") => Reason::Conflict,
            400 | 422 => Reason::ObjectRefused,
            _ => Reason::ApiUnavailable,
        }
    }
}

impl Error {
    /// What mends it.
    pub fn class(&self) -> Class {
        // The reason of a failure has a class; one without would be tried again.
        self.reason().of_failure().map_or(Class::Transient, |(class, _)| class)
    }

    /// Whether it calls for someone to do something.
    pub fn lasting(&self) -> bool {
        matches!(self.class(), Class::Configuration | Class::Permanent)
    }

    /// Its name: the same in conditions, Events and metrics.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Unreadable(_) => Reason::Unreadable,
            Self::InvalidSpec(_) => Reason::InvalidSpec,
            Self::UnequalWeights => Reason::UnequalWeights,
            Self::SecretMissing { .. } => Reason::SecretMissing,
            Self::SecretKeyMissing { .. } => Reason::SecretKeyMissing,
            Self::NoServiceMonitors => Reason::NoServiceMonitors,
            Self::Foreign { .. } => Reason::ObjectForeign,
            Self::Replaced { .. } => Reason::Conflict,
            Self::Apply { source, .. } | Self::Api(source) => source.reason(),
            Self::Timeout(_) => Reason::Timeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use serde_json::{Value, json};

    use super::*;

    fn api(code: u16, message: &str) -> Error {
        kube::Error::Api(Status::failure(message, "").with_code(code).boxed()).into()
    }

    /// An answer of the API server, as it is on the wire.
    fn caused(code: u16, message: &str, cause: &Value) -> Error {
        let status = json!({"status": "Failure", "message": message, "code": code, "details": {"causes": [cause]}});
        kube::Error::Api(serde_json::from_value(status).expect("a Status")).into()
    }

    #[test]
    fn answers_of_the_api_server_are_told_apart() {
        for (code, message, class, reason) in [
            (403, "pods is forbidden: exceeded quota: q", Class::Configuration, Reason::QuotaExceeded),
            (403, "cannot patch resource", Class::Configuration, Reason::Forbidden),
            (409, "the object has been modified", Class::Conflict, Reason::Conflict),
            (422, "Deployment is invalid", Class::Permanent, Reason::ObjectRefused),
            (503, "overloaded", Class::Transient, Reason::ApiUnavailable),
        ] {
            let error = api(code, message);
            assert_eq!((error.class(), error.reason()), (class, reason), "{code} {message}");
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn causes_tell_a_namespace_that_goes_and_an_object_of_another_uid() {
        let terminating = json!({"reason": "NamespaceTerminating", "field": "metadata.namespace"});
        let error = caused(403, "forbidden: namespace x is being terminated", &terminating);
        assert_eq!((error.class(), error.reason()), (Class::Transient, Reason::NamespaceTerminating));
        let replaced = json!({"reason": "FieldValueInvalid", "field": "metadata.uid"});
        let error = caused(422, "Service \"x\" is invalid: metadata.uid: Invalid value: \"u\": field is immutable", &replaced);
        assert_eq!((error.class(), error.reason()), (Class::Conflict, Reason::Conflict));
    }

    #[test]
    fn every_failure_has_a_reason_with_a_class() {
        let (kind, name) = (Kind::Job, String::new);
        let source = || kube::Error::Api(Status::failure("", "").with_code(503).boxed()).into();
        for error in [
            Error::Unreadable(name()),
            Error::UnequalWeights,
            Error::SecretMissing { name: name(), field: "" },
            Error::SecretKeyMissing { name: name(), key: name(), field: "" },
            Error::NoServiceMonitors,
            Error::Apply { kind, name: name(), source: source() },
            Error::Foreign { owner: name(), objects: Vec::new() },
            Error::Replaced { kind, name: name() },
            api(404, ""),
            Error::Timeout(std::time::Duration::ZERO),
        ] {
            assert!(error.reason().of_failure().is_some(), "{:?}", error.reason());
        }
    }
}
