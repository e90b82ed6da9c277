//! Runs threads in every order of their steps, so that a race that is there is found, and found each time.
//!
//! One thread runs at a time. At each step it hands on to one that the order names, or goes on. The orders are walked through depth first,
//! as far as they have no more than [`PREEMPTIONS`]: with two almost all races show (Musuvathi and Qadeer, "Iterative context
//! bounding for systematic testing of multithreaded programs"). Each step is seen by all threads at once; that weaker orders of memory
//! suffice has to be reasoned.

use std::cell::RefCell;
use std::panic::resume_unwind;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Times that a thread which could go on has to wait for another, in one order.
const PREEMPTIONS: usize = 2;
/// More orders than a test of seconds can walk through.
const MOST_ORDERS: usize = 100_000;

/// What a thread does with what it shares with others.
pub(crate) type Body<'a, S> = &'a (dyn Fn(&S) + Sync);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Ready,
    /// Waits for a lock, until another thread has made a step.
    Blocked,
    Done,
}

/// The thread chosen where there were several, by its place among them.
#[derive(Debug, Clone, Copy)]
struct Choice {
    taken: usize,
    of: usize,
}

#[derive(Debug)]
struct Turns {
    running: usize,
    threads: Vec<Status>,
    /// First those to be taken, then those that were taken without being told.
    order: Vec<Choice>,
    depth: usize,
    preemptions: usize,
    deadlock: bool,
}

#[derive(Debug)]
struct Schedule {
    turns: Mutex<Turns>,
    turned: Condvar,
}

thread_local! {
    static ME: RefCell<Option<(Arc<Schedule>, usize)>> = const { RefCell::new(None) };
}

/// Lets others run before what the caller does next, if it is a thread of [`explore`].
pub(super) fn step() {
    if let Some((schedule, me)) = ME.with_borrow(Clone::clone) {
        schedule.hand_on(me, Status::Ready);
    }
}

/// Lets others run until one of them has made a step. False if the caller is no thread of [`explore`].
pub(super) fn blocked() -> bool {
    let explored = ME.with_borrow(Clone::clone);
    if let Some((schedule, me)) = &explored {
        schedule.hand_on(*me, Status::Blocked);
    }
    explored.is_some()
}

impl Turns {
    /// Chooses who runs next. `me` is first among those who can, so that the first order is that without a preemption.
    fn next(&mut self, me: Option<usize>) {
        let ready = |thread: &usize| self.threads[*thread] == Status::Ready;
        let me = me.filter(ready);
        let others = (0..self.threads.len()).filter(|thread| Some(*thread) != me).filter(ready);
        let mut options: Vec<usize> = me.into_iter().chain(others).collect();
        if me.is_some() && self.preemptions == PREEMPTIONS {
            options.truncate(1);
        }
        let taken = match options.len() {
            0 => {
                self.deadlock = self.threads.contains(&Status::Blocked);
                return;
            }
            1 => 0,
            of => {
                if self.depth == self.order.len() {
                    self.order.push(Choice { taken: 0, of });
                }
                let choice = &mut self.order[self.depth];
                self.depth += 1;
                choice.of = of;
                choice.taken.min(of - 1)
            }
        };
        self.running = options[taken];
        self.preemptions += usize::from(me.is_some_and(|me| me != self.running));
    }
}

impl Schedule {
    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The end of a step of `me`, which waits until it is its turn again.
    fn hand_on(&self, me: usize, status: Status) {
        let mut turns = self.turns();
        if status != Status::Blocked {
            turns.threads.iter_mut().filter(|other| **other == Status::Blocked).for_each(|other| *other = Status::Ready);
        }
        turns.threads[me] = status;
        turns.next(Some(me));
        self.turned.notify_all();
        if status != Status::Done {
            self.wait(turns, me);
        }
    }

    fn wait(&self, turns: MutexGuard<'_, Turns>, me: usize) {
        let theirs = |turns: &mut Turns| turns.running != me && !turns.deadlock;
        let turns = self.turned.wait_while(turns, theirs).unwrap_or_else(PoisonError::into_inner);
        let deadlock = turns.deadlock;
        drop(turns);
        assert!(!deadlock || std::thread::panicking(), "each thread waits for another");
    }
}

/// Hands on for the last time, also from a thread that panics.
struct Last<'a>(&'a Schedule, usize);

impl Drop for Last<'_> {
    fn drop(&mut self) {
        ME.set(None);
        self.0.hand_on(self.1, Status::Done);
    }
}

/// Says in which order a check failed.
struct Told<'a>(&'a [Choice]);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let order: Vec<usize> = self.0.iter().map(|choice| choice.taken).collect();
            eprintln!("in the order {order:?}");
        }
    }
}

/// Runs `threads` on what `setup` makes, once in each order, and then `check`. Says how many orders there were.
pub(crate) fn explore<S: Sync>(setup: impl Fn() -> S, threads: &[Body<'_, S>], check: impl Fn(&S)) -> usize {
    let mut order = Vec::new();
    for orders in 1..MOST_ORDERS {
        order = run(&setup(), threads, &check, order);
        while let Some(last) = order.pop() {
            if last.taken + 1 < last.of {
                order.push(Choice { taken: last.taken + 1, ..last });
                break;
            }
        }
        if order.is_empty() {
            return orders;
        }
    }
    panic!("there are more than {MOST_ORDERS} orders");
}

/// Runs `threads` in the `order` that is given as far as it goes, and returns it whole.
fn run<S: Sync>(shared: &S, threads: &[Body<'_, S>], check: impl Fn(&S), order: Vec<Choice>) -> Vec<Choice> {
    let all = vec![Status::Ready; threads.len()];
    let mut turns = Turns { running: 0, threads: all, order, depth: 0, preemptions: 0, deadlock: false };
    turns.next(None);
    let schedule = Arc::new(Schedule { turns: Mutex::new(turns), turned: Condvar::new() });
    let ended: Vec<_> = std::thread::scope(|scope| {
        let started = threads.iter().copied().enumerate().map(|(me, body)| {
            let schedule = Arc::clone(&schedule);
            scope.spawn(move || {
                let _last = Last(&schedule, me);
                schedule.wait(schedule.turns(), me);
                ME.set(Some((Arc::clone(&schedule), me)));
                body(shared);
            })
        });
        started.collect::<Vec<_>>().into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    let order = std::mem::take(&mut schedule.turns().order);
    let told = Told(&order);
    for end in ended {
        if let Err(panic) = end {
            eprintln!("in the order {:?}", order.iter().map(|choice| choice.taken).collect::<Vec<_>>());
            resume_unwind(panic);
        }
    }
    check(shared);
    drop(told);
    order
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::Ordering::Relaxed;

    use super::super::{AtomicU64, Mutex};
    use super::*;

    /// What two threads that run `body` can leave in a number, and in how many orders.
    fn results(body: Body<'_, AtomicU64>) -> (Vec<u64>, usize) {
        let seen = std::sync::Mutex::new(BTreeSet::new());
        let note = |number: &AtomicU64| {
            seen.lock().expect("no panic").insert(number.load(Relaxed));
        };
        let orders = explore(AtomicU64::default, &[body, body], note);
        (seen.into_inner().expect("no panic").into_iter().collect(), orders)
    }

    #[test]
    fn a_lost_update_is_found() {
        let (lost, orders) = results(&|number| number.store(number.load(Relaxed) + 1, Relaxed));
        assert!(lost == [1, 2] && orders > 5, "{lost:?} in {orders} orders");
        let add = |number: &AtomicU64| {
            number.fetch_add(1, Relaxed);
        };
        let update = |number: &AtomicU64| {
            number.fetch_update(Relaxed, Relaxed, |n| Some(n + 1)).expect("always some");
        };
        assert_eq!((results(&add).0, results(&update).0), (vec![2], vec![2]));
    }

    #[test]
    fn a_lock_keeps_others_out_in_every_order() {
        type Locked = (Mutex<()>, AtomicU64);
        let add = |(lock, number): &Locked| {
            let _locked = lock.lock();
            number.store(number.load(Relaxed) + 1, Relaxed);
        };
        let orders = explore(Locked::default, &[&add, &add, &add], |(_, number)| assert_eq!(number.load(Relaxed), 3));
        assert!(orders > 20, "{orders}");
    }

    #[test]
    #[should_panic(expected = "each thread waits for another")]
    fn a_deadlock_is_told() {
        let both = |first: &Mutex<()>, second: &Mutex<()>| {
            let _first = first.lock();
            let _second = second.lock();
        };
        type Locks = (Mutex<()>, Mutex<()>);
        explore(Locks::default, &[&|(a, b): &Locks| both(a, b), &|(a, b): &Locks| both(b, a)], |_| ());
    }
}
