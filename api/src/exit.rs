//! With which statuses the programs end. 64 and 69 are `EX_USAGE` and `EX_UNAVAILABLE` of `sysexits.h`.

/// An exit status, the same in all programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Ended as told.
    Success = 0,
    /// The one call of `user_client --once` failed, or output could not be written.
    Failure = 1,
    /// The configuration, the file or the command line has to be changed; the message says where and how.
    Usage = 64,
    /// Something is missing that may come, such as a port, a program to start, or the cluster.
    Unavailable = 69,
    /// The lease was lost; a new process stands by.
    LeaseLost = 70,
    /// Told twice to stop.
    Interrupted = 130,
}

impl Exit {
    /// Every status, in order.
    pub const ALL: [Self; 6] = [Self::Success, Self::Failure, Self::Usage, Self::Unavailable, Self::LeaseLost, Self::Interrupted];

    /// The number.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What it means, in a sentence.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Success => "Ended as told.",
            Self::Failure => "The one call of `--once` failed, or output could not be written.",
            Self::Usage => "The configuration, the file or the command line has to be changed; the message says where and how.",
            Self::Unavailable => "Something is missing that may come, such as a port, a program to start, or the cluster.",
            Self::LeaseLost => "The lease was lost; a new process stands by.",
            Self::Interrupted => "Told twice to stop.",
        }
    }

    /// The programs that end with it.
    pub const fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Success | Self::Usage | Self::Unavailable => &["user_info", "user_client", "user-info-local", "user-info-operator"],
            Self::Failure => &["user_client", "user-info-operator"],
            Self::LeaseLost => &["user-info-operator"],
            Self::Interrupted => &["user_info", "user_client"],
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
