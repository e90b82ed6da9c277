//! What a limiter allows.

/// How a limiter decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Limit {
    /// A fixed rate with a burst.
    TokenBucket(TokenBucket),
    /// Adaptive, by CPU and calls in flight, as Kratos' default limiter.
    Bbr,
}

impl From<TokenBucket> for Limit {
    fn from(bucket: TokenBucket) -> Self {
        Self::TokenBucket(bucket)
    }
}

/// A fixed rate with a burst. Values out of range are taken as the nearest in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenBucket {
    /// Tokens a second, 1 to 10 000 000. 2000 is one each 500 us.
    pub requests_per_second: u32,
    /// Tokens that may be saved up, 1 to 10 000 000.
    pub burst: u32,
    /// What shares a bucket.
    pub scope: Scope,
    /// Rates of single callers, which have a bucket of their own whatever the scope.
    pub overrides: Vec<CallerRate>,
}

/// What shares one token bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// All callers.
    #[default]
    Instance,
    /// Each caller on its own, told apart by the header `x-md-service-name`.
    Client,
}

/// The rate of one caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerRate {
    /// The caller's service name, as it sends it in `x-md-service-name`.
    pub caller: String,
    /// Tokens a second for this caller, 1 to 10 000 000.
    pub requests_per_second: u32,
}

impl Default for TokenBucket {
    fn default() -> Self {
        Self { requests_per_second: 2000, burst: 1, scope: Scope::Instance, overrides: Vec::new() }
    }
}

/// Most tokens a second, and most that may be saved up.
const MOST: u32 = 10_000_000;

impl Limit {
    /// The same within the ranges.
    pub(super) fn clamped(self) -> Self {
        match self {
            Self::TokenBucket(bucket) => Self::TokenBucket(bucket.clamped()),
            Self::Bbr => Self::Bbr,
        }
    }
}

impl TokenBucket {
    fn clamped(mut self) -> Self {
        let rates = self.overrides.iter_mut().map(|caller| &mut caller.requests_per_second);
        for value in rates.chain([&mut self.requests_per_second, &mut self.burst]) {
            *value = (*value).clamp(1, MOST);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_in_range_and_what_is_not_is_taken_as_the_nearest() {
        assert_eq!(TokenBucket::default().clamped(), TokenBucket::default());
        let caller = |requests_per_second| CallerRate { caller: "a".to_owned(), requests_per_second };
        let bucket = TokenBucket { requests_per_second: 0, burst: u32::MAX, overrides: vec![caller(0)], ..TokenBucket::default() };
        let nearest = TokenBucket { requests_per_second: 1, burst: MOST, overrides: vec![caller(1)], ..TokenBucket::default() };
        assert_eq!(bucket.clamped(), nearest);
    }
}
