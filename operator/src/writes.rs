//! What writes to the API server have in common: they are the operator's.

use kube::api::{PatchParams, PostParams};

use crate::names::OPERATOR;

/// For a merge patch.
pub fn merge() -> PatchParams {
    PatchParams { field_manager: Some(OPERATOR.to_owned()), ..PatchParams::default() }
}

/// For the server-side apply of an object; what others set becomes the operator's.
pub fn apply() -> PatchParams {
    PatchParams::apply(OPERATOR).force()
}

/// For making an object.
pub fn create() -> PostParams {
    PostParams { field_manager: Some(OPERATOR.to_owned()), ..PostParams::default() }
}
