//! The sample users: what the memory stores hold, and what `seed` writes.

/// One sample user.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// The user's id.
    pub id: i64,
    /// The user's name.
    pub name: &'static str,
    /// The user's e-mail address.
    pub email: &'static str,
    /// Page views.
    pub visits: i64,
}

const fn sample(id: i64, name: &'static str, email: &'static str, visits: i64) -> Sample {
    Sample { id, name, email, visits }
}

/// The sample users; the first is the one of the Go demo.
pub const SAMPLES: [Sample; 10] = [
    sample(1, "hutao", "hutao@wangshengtang.com", 10086),
    sample(2, "ada", "ada@example.com", 1815),
    sample(3, "grace", "grace@example.com", 1906),
    sample(4, "alan", "alan@example.com", 1912),
    sample(5, "edsger", "edsger@example.com", 1930),
    sample(6, "barbara", "barbara@example.com", 1939),
    sample(7, "leslie", "leslie@example.com", 1941),
    sample(8, "radia", "radia@example.com", 1951),
    sample(9, "linus", "linus@example.com", 1969),
    sample(10, "zoë", "zoe@example.com", 0),
];
