//! The conditions in the status of a resource.

/// A condition in the status of a resource: its type, as Kubernetes calls that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionType {
    /// The resource is as it is to be.
    Ready,
    /// Calls are answered.
    Available,
    /// Something is being done.
    Progressing,
    /// Something is wrong.
    Degraded,
    /// The addons are there.
    AddonsReady,
    /// Changes are held back.
    Paused,
    /// Someone has to change the spec.
    Stalled,
}

impl ConditionType {
    /// All of them, as they stand in the status.
    pub const ALL: [Self; 7] =
        [Self::Ready, Self::Available, Self::Progressing, Self::Degraded, Self::AddonsReady, Self::Paused, Self::Stalled];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Available => "Available",
            Self::Progressing => "Progressing",
            Self::Degraded => "Degraded",
            Self::AddonsReady => "AddonsReady",
            Self::Paused => "Paused",
            Self::Stalled => "Stalled",
        }
    }

    /// What is so while it is true.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ready => "as many instances and clients are ready as the spec asks for, and none failed to confirm its settings",
            Self::Available => "at least one instance takes calls",
            Self::Progressing => "something is still being done",
            Self::Degraded => "something is wrong, whether or not calls are answered",
            Self::AddonsReady => "the addons that are asked for are there",
            Self::Paused => "`spec.operation.paused` holds changes back",
            Self::Stalled => "nothing goes on until someone changes the spec",
        }
    }
}
