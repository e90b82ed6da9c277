//! A count of what is held of something bounded.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::sync::AtomicUsize;

/// How much is held of something of which only so much may be. Many threads may take from it at once.
///
/// ```
/// use user_info_layers::room::Room;
///
/// let room = Room::default();
/// assert!(room.take(3, 5));
/// assert!(!room.take(3, 5), "six would be held");
/// room.give_back(1);
/// assert!(room.take(3, 5));
/// assert_eq!(room.taken(), 5);
/// ```
#[derive(Debug, Default)]
pub struct Room {
    taken: AtomicUsize,
}

impl Room {
    /// Takes `amount`, unless more than `most` would be held.
    pub fn take(&self, amount: usize, most: usize) -> bool {
        // Adding first and taking back what does not fit would keep out others that do fit, for as long as that takes.
        let next = |taken: usize| taken.checked_add(amount).filter(|taken| *taken <= most);
        self.taken.fetch_update(AcqRel, Relaxed, next).is_ok()
    }

    /// Gives `amount` back, which was taken before. What its owner did comes before what those do who then see it free.
    pub fn give_back(&self, amount: usize) {
        self.taken.fetch_sub(amount, Release);
    }

    /// How much is held.
    pub fn taken(&self) -> usize {
        self.taken.load(Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::explore;

    /// The room, and what each of two threads got.
    #[derive(Default)]
    struct World {
        room: Room,
        got: [std::sync::atomic::AtomicUsize; 2],
    }

    impl World {
        fn take(&self, thread: usize, amount: usize, most: usize) {
            if self.room.take(amount, most) {
                self.got[thread].store(amount, Relaxed);
            }
        }

        fn got(&self) -> [usize; 2] {
            [0, 1].map(|thread| self.got[thread].load(Relaxed))
        }
    }

    #[test]
    fn p3_what_does_not_fit_keeps_nobody_out() {
        for too_much in [100, usize::MAX] {
            explore(World::default, &[&|w| w.take(0, too_much, 10), &|w| w.take(1, 10, 10)], |w| {
                assert_eq!((w.got(), w.room.taken()), ([0, 10], 10), "there was room all the time");
            });
        }
    }

    #[test]
    fn p3_what_is_given_back_is_free_for_whoever_asks_next() {
        let full = || {
            let world = World::default();
            assert!(world.room.take(1, 1));
            world
        };
        let return_and_ask = |w: &World| {
            w.room.give_back(1);
            w.take(1, 1, 1);
        };
        explore(full, &[&|w| w.take(0, 1, 1), &return_and_ask], |w| {
            assert!(matches!(w.got(), [0, 1] | [1, 0]), "one of them finds room: {:?}", w.got());
            assert_eq!(w.room.taken(), 1);
        });
    }

    #[test]
    fn p3_no_more_is_held_than_there_is() {
        explore(World::default, &[&|w| w.take(0, 2, 3), &|w| w.take(1, 2, 3)], |w| {
            assert_eq!((w.got().iter().sum::<usize>(), w.room.taken()), (2, 2));
        });
    }
}
