//! The last five minutes of samples, and whoever waits for the next.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

use super::sample::Sample;

/// Keeps the last [`Samples::KEPT`] samples for a fresh tab and hands each new one to all open tabs.
#[derive(Debug)]
pub struct Samples {
    kept: Mutex<VecDeque<Arc<Sample>>>,
    news: broadcast::Sender<Arc<Sample>>,
}

impl Samples {
    /// Samples kept: five minutes at one a second.
    pub const KEPT: usize = 300;

    /// No samples yet.
    pub fn new() -> Self {
        // A tab more than 16 s behind is better off with the whole history.
        Self { kept: Mutex::default(), news: broadcast::channel(16).0 }
    }

    /// Adds the sample of the last second.
    pub fn push(&self, sample: Sample) {
        let sample = Arc::new(sample);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == Self::KEPT {
            kept.pop_front();
        }
        kept.push_back(Arc::clone(&sample));
        // Sent under the lock, so that a subscriber gets each sample once. No receiver is no error: no tab is open.
        let _ = self.news.send(sample);
    }

    /// The samples kept, oldest first.
    pub fn kept(&self) -> Vec<Arc<Sample>> {
        self.subscribe().0
    }

    /// The samples kept and a receiver of those that follow them.
    pub(crate) fn subscribe(&self) -> (Vec<Arc<Sample>>, broadcast::Receiver<Arc<Sample>>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.iter().cloned().collect(), self.news.subscribe())
    }
}

impl Default for Samples {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(t: f64) -> Sample {
        Sample { t, ..Sample::default() }
    }

    #[test]
    fn keeps_five_minutes() {
        let samples = Samples::new();
        (0..310).for_each(|t| samples.push(at(f64::from(t))));
        let kept = samples.kept();
        assert_eq!((kept.len(), kept[0].t, kept[299].t), (300, 10.0, 309.0));
    }

    #[test]
    fn a_subscriber_gets_each_sample_once() {
        let samples = Samples::new();
        samples.push(at(1.0));
        let (kept, mut news) = samples.subscribe();
        samples.push(at(2.0));
        assert_eq!(kept.iter().map(|s| s.t).collect::<Vec<_>>(), [1.0]);
        assert_eq!(news.try_recv().expect("the second").t, 2.0);
        assert!(news.try_recv().is_err());
    }
}
