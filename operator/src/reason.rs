//! Reasons: why something is as it is, by the same name in conditions, Events and metrics. `docs/reference/conditions.md` is made from here.

use std::time::Duration;

/// What mends a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Time.
    Transient,
    /// Trying again with what is there now.
    Conflict,
    /// Someone, by changing something other than the resource.
    Configuration,
    /// Someone, by changing the resource.
    Permanent,
}

impl Class {
    /// All of them, those first that need nobody.
    pub const ALL: [Self; 4] = [Self::Transient, Self::Conflict, Self::Configuration, Self::Permanent];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Conflict => "conflict",
            Self::Configuration => "configuration",
            Self::Permanent => "permanent",
        }
    }

    /// What mends the failure, and when the status tells of it.
    pub const fn cure(self) -> &'static str {
        match self {
            Self::Transient => "time; in the status only after three in a row",
            Self::Conflict => "trying again with what is there now; in the status as above",
            Self::Configuration => "someone, but not in the resource: a Secret, a quota, a right",
            Self::Permanent => "a change of the resource",
        }
    }

    /// The pause before the resource is tried again after the first failure, which doubles with each further one, and the longest.
    pub const fn pauses(self) -> (Duration, Duration) {
        match self {
            Self::Transient | Self::Conflict => (Duration::from_millis(500), Duration::from_secs(60)),
            // Nothing tells of the cure, such as a Secret that is made: it must not be noticed late.
            Self::Configuration => (Duration::from_secs(1), Duration::from_secs(15)),
            Self::Permanent => (Duration::from_secs(5), Duration::from_secs(300)),
        }
    }
}

/// What a reason means where it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// It is the reason of a condition, whether or not something is the matter.
    State(&'static str),
    /// A reconcile failed.
    Failure(Class, &'static str),
    /// Something is the matter with an addon.
    Addon(&'static str),
}

macro_rules! reasons {
    ($($name:ident { $($place:ident($($class:ident,)? $meaning:literal)),+ $(,)? })+) => {
        /// Why something is as it is: the reason of a condition or an Event, and a label of metrics.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(clippy::doc_markdown, reason = "the texts stand in the reference as they are")]
        pub enum Reason {
            $($(#[doc = $meaning])+ $name,)+
        }

        impl Reason {
            /// All of them, by name.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            const fn meanings(self) -> &'static [Meaning] {
                match self {
                    $(Self::$name => &[$(Meaning::$place($(Class::$class,)? $meaning)),+],)+
                }
            }
        }
    };
}

reasons! {
    AccountMissing {
        Addon("Helm is not called, since the ServiceAccount `user-info-charts`, as which it runs, or its binding is missing; the message says how to look"),
    }
    AddonsNotReady { State("an addon is being installed, or its pods are not ready yet") }
    AddonsReady { State("every addon is up, or comes from elsewhere") }
    ApiUnavailable { Failure(Transient, "the API server does not answer, or cannot") }
    AsExpected { State("nothing is wrong") }
    ChartForeign {
        Addon("`chart` names one from elsewhere, and `charts.foreign` of the operator's chart is not `true`; a release that is there stays as it is"),
    }
    ChartNotFound { Addon("the repository has no chart of this name or version") }
    ClientsNotReady { State("fewer clients are ready than asked for, and none says why yet") }
    Conflict { Failure(Conflict, "someone else changed an object meanwhile") }
    ContainerRefused { State("the node cannot start a container, as for want of a Secret's key; the message says why") }
    Crashing { State("a container ends again and again; its log says why") }
    Creating { State("nothing runs yet") }
    DriftCorrected { Addon("an Event alone: what someone else changed of a release was changed back") }
    Drifted { State("someone else changed an object, and `driftDetection` says to leave it so") }
    Failed { State("waits for what Degraded tells of") }
    Forbidden {
        Failure(Configuration, "the operator lacks a right; the message names it, `user-info-operator run --help` lists all"),
        Addon("the ServiceAccount `user-info-charts` lacks a right that the chart needs; the message names it"),
    }
    Gone { Failure(Conflict, "an object went meanwhile") }
    HelmBroken { Addon("Helm cannot be run, or its folder not be used") }
    HelmFailed { Addon("Helm failed with something that has no name here; the message is Helm's") }
    HelmTimeout { Addon("Helm took longer than the addon's `timeout`") }
    ImageUnusable { State("the image cannot be pulled; mend `spec.image`, or load the image") }
    InstancesAvailable { State("instances take calls") }
    InstancesNotReady { State("fewer instances are ready than asked for, and none says why yet") }
    InvalidSpec { State("the services would refuse a value that comes from the resource; the message names the field"), Failure(Permanent, "as above") }
    Leftovers { State("an Event alone: the resource was let go by `userinfo.bbs.dev/abandon-releases`; the message names what stays") }
    NamespaceTerminating { Failure(Transient, "the namespace is being deleted, and the resource with it") }
    NoInstance { State("no instance takes calls") }
    NoProgress { State("the Deployment made no progress for its deadline") }
    NoServiceMonitors { Failure(Configuration, "the cluster does not know ServiceMonitor, and `serviceMonitor: Enabled` insists on it") }
    NotPaused { State("changes are carried out") }
    NotStalled { State("nothing waits for a change of the spec") }
    ObjectForeign {
        Failure(Configuration, "an object of someone else stands where one of the resource's is to be; the message names it, and what helps"),
        Addon("an object of someone else stands where one of the release's is to be; remove it, or set `mode: External`"),
    }
    ObjectRefused {
        Failure(Permanent, "the API server finds an object invalid; the message names the field"),
        Addon("the API server finds an object of the chart invalid"),
    }
    Paused { State("changes wait for `spec.operation.paused: false`") }
    PodsRefused { State("the API server refuses the pods; the message says why") }
    Provisioning { State("addons are being installed, changed or removed") }
    QuotaExceeded {
        State("the namespace's quota is used up"),
        Failure(Configuration, "the namespace's quota is used up"),
        Addon("the namespace's quota is used up"),
    }
    Ready { State("instances and clients are ready") }
    ReleaseForeign { Addon("a release of this name belongs to someone else; uninstall it, or set `mode: External`") }
    Reloading { State("pods are putting new settings in force") }
    Removing { State("the resource is being deleted; the message names what is still there") }
    RepositoryRefused { Addon("the repository wants other credentials: see `chart.secretRef`") }
    RepositoryUnreachable { Addon("the repository's name or address does not answer") }
    RollingOut { State("pods are being started or replaced") }
    SecretKeyMissing { Failure(Configuration, "a Secret lacks the key that the spec names") }
    SecretMissing {
        Failure(Configuration, "a Secret that the spec names is not there"),
        Addon("the Secret of `chart.secretRef` is not there, or lacks a key"),
    }
    SettingsNotConfirmed { State("some pods did not say within a minute that the settings are in force") }
    Settled { State("nothing is left to do") }
    Stopped { State("`spec.operation.stopped` is set") }
    Timeout { Failure(Transient, "a reconcile took longer than 60 s") }
    UnequalWeights { State("`spec.server.weights` differ, which pods of a Deployment cannot have"), Failure(Permanent, "as above") }
    Unknown { State("the Helm releases could not be looked at") }
    Unreachable { Addon("a connection was refused, to the repository or the API server") }
    Unreadable { State("the resource is not what its schema says, as one of another version"), Failure(Permanent, "as above") }
    Unschedulable { State("no node takes a pod; the message says why") }
    ValuesMissing { Addon("an object that `valuesFrom` names is not there") }
    ValuesRefused { Addon("the chart does not take the values; the message says which") }
    VolumeUnbound { State("the cluster gives an addon no volume; the message names the claim") }
    Waiting { State("instances wait for what they need, such as a store that is being installed") }
}

impl Reason {
    /// The reason of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.name() == name)
    }

    /// What it means as the reason of a condition; none if it is none, or only that of a failure or an addon.
    pub fn of_state(self) -> Option<&'static str> {
        self.meanings().iter().find_map(|meaning| if let Meaning::State(text) = meaning { Some(*text) } else { None })
    }

    /// What mends a reconcile that failed for it, and what it means then; none if none does.
    pub fn of_failure(self) -> Option<(Class, &'static str)> {
        self.meanings().iter().find_map(|meaning| if let Meaning::Failure(class, text) = meaning { Some((*class, *text)) } else { None })
    }

    /// What it means if it is said of an addon; none if it is not.
    pub fn of_addon(self) -> Option<&'static str> {
        self.meanings().iter().find_map(|meaning| if let Meaning::Addon(text) = meaning { Some(*text) } else { None })
    }

    /// Whether a resource that is not ready for it is on its way or as it is to be, so that an Event is no warning.
    pub const fn expected(self) -> bool {
        matches!(self, Self::Creating | Self::Waiting | Self::Stopped | Self::InstancesNotReady | Self::ClientsNotReady)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_in_order_and_found_by_name() {
        assert!(Reason::ALL.iter().map(|reason| reason.name()).is_sorted());
        for reason in Reason::ALL {
            assert_eq!(Reason::named(reason.name()), Some(*reason));
        }
        assert_eq!(Reason::named("Nothing"), None);
    }

    #[test]
    fn a_reason_has_one_meaning_in_each_place() {
        assert_eq!(Reason::QuotaExceeded.of_failure(), Some((Class::Configuration, "the namespace's quota is used up")));
        assert_eq!((Reason::Timeout.of_state(), Reason::Timeout.of_addon()), (None, None));
        for reason in Reason::ALL {
            let found = [reason.of_state().is_some(), reason.of_failure().is_some(), reason.of_addon().is_some()];
            assert_eq!(found.into_iter().filter(|found| *found).count(), reason.meanings().len(), "{reason:?}");
        }
    }
}
