//! Errors as gRPC statuses with `ErrorInfo`, and back.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::{Error, reason};

/// Metadata key that carries a code which the gRPC table cannot express (402, 418, …), so that it survives the trip.
const EXACT_CODE: &str = "code";

/// Metadata key of an error that stands for a gRPC status which the HTTP table cannot express; it does not leave the process.
const GRPC_CODE: &str = "grpc-code";

/// gRPC code of an HTTP status, by Kratos' table (go-kratos `transport/http/status`).
///
/// ```
/// use user_info_layers::error::{grpc_code, http_code};
///
/// assert_eq!(grpc_code(429), tonic::Code::ResourceExhausted);
/// assert_eq!(http_code(tonic::Code::ResourceExhausted), 429);
/// ```
pub const fn grpc_code(http: u16) -> Code {
    match http {
        200 => Code::Ok,
        400 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        409 => Code::Aborted,
        429 => Code::ResourceExhausted,
        499 => Code::Cancelled,
        500 => Code::Internal,
        501 => Code::Unimplemented,
        503 => Code::Unavailable,
        504 => Code::DeadlineExceeded,
        _ => Code::Unknown,
    }
}

/// HTTP status of a gRPC code, by Kratos' table.
pub const fn http_code(grpc: Code) -> u16 {
    match grpc {
        Code::Ok => 200,
        Code::Cancelled => 499,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::DeadlineExceeded => 504,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::PermissionDenied => 403,
        Code::Unauthenticated => 401,
        Code::ResourceExhausted => 429,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::Unknown | Code::Internal | Code::DataLoss => 500,
    }
}

impl Error {
    /// 400 CODEC, for a message that cannot be read. On the wire it is `status` as it stands, tonic's own words.
    pub fn unreadable(status: &Status) -> Self {
        let mut error = Self::new(400, reason::CODEC, "").with_message(status.message().to_owned());
        error.metadata.insert(GRPC_CODE.to_owned(), i32::from(status.code()).to_string());
        error
    }

    /// The code that it has on the wire over gRPC.
    pub fn grpc_code(&self) -> Code {
        self.status_as_it_stands().unwrap_or_else(|| grpc_code(self.code))
    }

    /// The code of an error that stands for a status of tonic's own.
    fn status_as_it_stands(&self) -> Option<Code> {
        self.metadata.get(GRPC_CODE)?.parse::<i32>().ok().map(Code::from)
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        if let Some(code) = error.status_as_it_stands() {
            return Self::new(code, error.message);
        }
        let code = grpc_code(error.code);
        let mut metadata: std::collections::HashMap<_, _> = error.metadata.into_iter().collect();
        if http_code(code) != error.code {
            metadata.insert(EXACT_CODE.to_owned(), error.code.to_string());
        }
        let details = ErrorDetails::with_error_info(error.reason, "", metadata);
        Self::with_error_details(code, error.message, details)
    }
}

impl From<&Status> for Error {
    fn from(status: &Status) -> Self {
        let mut error = Self::new(http_code(status.code()), "", "").with_message(status.message().to_owned());
        if let Some(info) = status.get_details_error_info() {
            error.reason = info.reason.into();
            error.metadata = info.metadata.into_iter().collect();
            if let Some(code) = error.metadata.get(EXACT_CODE).and_then(|c| c.parse().ok()).filter(|c| (400..=599).contains(c)) {
                error.metadata.remove(EXACT_CODE);
                error.code = code;
            }
        }
        error
    }
}
