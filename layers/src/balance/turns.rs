//! In which order nodes with these weights have their turns: the algorithm of nginx and Kratos.

/// Most picks after which the turns of a rotation repeat, unless it has more nodes.
const MOST_TURNS: usize = 16_384;
/// Bounds what it takes to work out the turns: picks times nodes.
const MOST_STEPS: usize = 1 << 20;

/// Indexes in the order of their turns, up to where it repeats.
///
/// Every index gains its weight in credit; the one with the most credit (the first of equals) is next and pays the sum of all weights.
/// After as many turns as the weights add up to, all credits are 0 again. Weights of 0 count as 1. Weights that would give more turns than
/// [`MOST_TURNS`] are scaled down, each to at least 1.
pub(super) fn turns(weights: &[u32]) -> Vec<usize> {
    let weights: Vec<u64> = weights.iter().map(|&w| u64::from(w.max(1))).collect();
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let total: u64 = weights.iter().sum::<u64>() / divisor;
    let most = MOST_TURNS.min(MOST_STEPS / weights.len().max(1)).max(weights.len()) as u64;
    let scaled = |w: &u64| if total <= most { w / divisor } else { (w / divisor * most / total).max(1) };
    let weights: Vec<i64> = weights.iter().map(|w| scaled(w).cast_signed()).collect();
    let total: i64 = weights.iter().sum();
    let mut credits = vec![0; weights.len()];
    let next = |_| {
        let mut best = 0;
        for (i, weight) in weights.iter().enumerate() {
            credits[i] += weight;
            if credits[i] > credits[best] {
                best = i;
            }
        }
        credits[best] -= total;
        best
    };
    (0..total).map(next).collect()
}

/// Greatest common divisor, by Euclid.
const fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shares(weights: &[u32]) -> Vec<usize> {
        let turns = turns(weights);
        (0..weights.len()).map(|i| turns.iter().filter(|&&turn| turn == i).count()).collect()
    }

    #[test]
    fn weights_with_a_common_divisor_repeat_early() {
        assert_eq!(turns(&[100, 100, 100]), [0, 1, 2]);
        assert_eq!(turns(&[30, 20, 10]), [0, 1, 0, 2, 1, 0]);
    }

    #[test]
    fn a_weight_of_nothing_counts_as_one() {
        assert_eq!(turns(&[0, 0]), [0, 1]);
    }

    #[test]
    fn weights_too_great_to_work_out_are_scaled_down_and_leave_nobody_out() {
        assert_eq!(shares(&[10_000_000, 5_000_000, 1]), [10922, 5461, 1]);
        let many = vec![7; 100_000];
        assert_eq!(turns(&many).len(), many.len());
    }

    proptest! {
        #[test]
        fn each_has_its_share_and_never_waits_longer_than_two_rounds(weights in prop::collection::vec(1_u32..50, 1..20)) {
            let divisor = weights.iter().fold(0, |a, &b| gcd(a, u64::from(b)));
            let expected: Vec<_> = weights.iter().map(|&w| (u64::from(w) / divisor) as usize).collect();
            prop_assert_eq!(shares(&weights), expected.clone());
            let turns = turns(&weights);
            for (i, share) in expected.iter().enumerate() {
                let twice = turns.iter().chain(&turns).enumerate().filter(|(_, turn)| **turn == i).map(|(at, _)| at).collect::<Vec<_>>();
                let wait = twice.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
                prop_assert!(wait <= 2 * turns.len().div_ceil(*share), "{i} of {weights:?} waits {wait}");
            }
        }
    }
}
