//! The queue under every order of steps that threads can come in: one lock guards it, so threads do no more than order its steps. A read that is
//! forgotten here would wait for ever in the program.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use futures_util::FutureExt;
use futures_util::task::noop_waker;
use prometheus::Registry;
use proptest::prelude::*;

use super::*;
use crate::data::loader::MAX_BATCH;
use crate::data::metrics::DataMetrics;

/// Whether an owner was woken since it last ran.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A task of an owner, as the runtime sees it.
struct Task {
    seat: Seat,
    woken: Arc<Flag>,
    /// While it has a connection.
    guard: Option<ConnectionGuard<u32, u32>>,
    /// On its way if not empty.
    batch: Vec<Request<u32, u32>>,
}

struct Model {
    queue: Arc<Queue<u32, u32>>,
    tasks: Vec<Task>,
    callers: Vec<Reply<Read<u32>>>,
    workers: usize,
    asked: u32,
}

#[derive(Debug, Clone)]
enum Step {
    /// A worker asks for so many users.
    Ask(usize, usize),
    /// A caller goes away.
    Leave(usize),
    /// An owner that was woken runs.
    Run(usize),
    /// The batch of an owner is answered.
    End(usize),
    /// The batch of an owner takes longer than it should.
    Delay(usize),
    /// An owner loses its connection, or its thread ends.
    Disconnect(usize),
    /// An owner has a connection.
    Connect(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let any = 0..64_usize;
    prop_oneof![
        6 => (any.clone(), prop_oneof![4 => 1..6_usize, 1 => 20..50_usize, 1 => 200..400_usize]).prop_map(|(w, n)| Step::Ask(w, n)),
        1 => any.clone().prop_map(Step::Leave),
        6 => any.clone().prop_map(Step::Run),
        4 => any.clone().prop_map(Step::End),
        1 => any.clone().prop_map(Step::Delay),
        1 => any.clone().prop_map(Step::Disconnect),
        2 => any.prop_map(Step::Connect),
    ]
}

impl Model {
    fn new(workers: usize, owners: usize) -> Self {
        let queue = Arc::new(Queue::new(workers, usize::MAX, DataMetrics::new(&Registry::new()).unwrap().store("fake")));
        let seats = (0..owners).map(|owner| Seat { owner, worker: owner % workers });
        let tasks = seats.map(|seat| Task { seat, woken: Arc::default(), guard: None, batch: Vec::new() }).collect();
        Self { queue, tasks, callers: Vec::new(), workers, asked: 0 }
    }

    /// Runs the task of an owner that has a connection and no batch.
    fn poll(&mut self, task: usize) {
        let Task { seat, woken, batch, .. } = &mut self.tasks[task];
        woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(woken));
        let ready = self.queue.poll_take(&Context::from_waker(&waker), *seat, batch);
        assert_eq!(ready.is_ready(), !batch.is_empty());
        assert!(batch.len() <= MAX_BATCH);
    }

    /// Answers the batch of an owner, which then looks for more.
    fn end(&mut self, task: usize) {
        for Request { key, answerer, .. } in self.tasks[task].batch.drain(..) {
            let _ = answerer.answer(Ok(Some(key)));
        }
        self.poll(task);
    }

    fn take(&mut self, step: Step) {
        let tasks = self.tasks.len();
        match step {
            Step::Ask(worker, number) => {
                for _ in 0..number {
                    self.asked += 1;
                    self.callers.extend(self.queue.push(worker % self.workers, self.asked));
                }
            }
            Step::Leave(caller) if !self.callers.is_empty() => drop(self.callers.swap_remove(caller % self.callers.len())),
            Step::Run(task) if self.runs(task % tasks) => self.poll(task % tasks),
            Step::End(task) if !self.tasks[task % tasks].batch.is_empty() => self.end(task % tasks),
            Step::Delay(task) if !self.tasks[task % tasks].batch.is_empty() => self.queue.delayed(self.tasks[task % tasks].seat),
            Step::Disconnect(task) => {
                let task = &mut self.tasks[task % tasks];
                task.batch.clear();
                task.guard = None;
            }
            Step::Connect(task) if self.tasks[task % tasks].guard.is_none() => {
                let task = task % tasks;
                self.tasks[task].guard = Some(ConnectionGuard::open(&self.queue, self.tasks[task].seat));
                self.poll(task);
            }
            _ => {}
        }
    }

    fn runs(&self, task: usize) -> bool {
        let Task { woken, guard, batch, .. } = &self.tasks[task];
        guard.is_some() && batch.is_empty() && woken.0.load(Ordering::Relaxed)
    }

    /// Lets everything run that can, with the batch of `hanging` never answered.
    fn settle(&mut self, hanging: Option<usize>) {
        loop {
            let tasks = 0..self.tasks.len();
            if let Some(task) = tasks.clone().find(|task| self.runs(*task)) {
                self.poll(task);
            } else if let Some(task) = tasks.into_iter().find(|task| Some(*task) != hanging && !self.tasks[*task].batch.is_empty()) {
                self.end(task);
            } else {
                return;
            }
        }
    }

    /// Reads that wait in the queue.
    fn waiting(&self) -> usize {
        self.queue.gathering(Gathering::waiting)
    }
}

proptest! {
    #[test]
    fn no_read_is_forgotten_whatever_comes_between(
        workers in 1..5_usize, owners in 1..7_usize, connected in 1..7_usize, steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut model = Model::new(workers, owners);
        (0..connected.min(owners)).for_each(|task| model.take(Step::Connect(task)));
        for step in steps {
            model.take(step);
            prop_assert_eq!(model.queue.metrics.queue_depth.get(), model.waiting() as i64);
        }
        // One that hangs holds up fewer reads than it took, if there is another one.
        if let Some(hanging) = model.tasks.iter().position(|task| !task.batch.is_empty()) {
            model.settle(Some(hanging));
            let others = model.tasks.iter().filter(|task| task.guard.is_some()).count() > 1;
            prop_assert!(!others || model.waiting() < model.tasks[hanging].batch.len(), "{} wait", model.waiting());
        }
        model.settle(None);
        prop_assert_eq!(model.waiting(), 0);
        for caller in &mut model.callers {
            prop_assert!(caller.poll_unpin(&mut Context::from_waker(&noop_waker())).is_ready());
        }
    }
}

/// Owners at rest on so many workers, one each.
fn at_rest(workers: usize) -> Model {
    let mut model = Model::new(workers, workers);
    (0..workers).for_each(|task| model.take(Step::Connect(task)));
    model
}

#[test]
fn what_workers_ask_for_at_the_same_time_is_one_query_of_whoever_comes_last() {
    for workers in 2..5 {
        let mut model = at_rest(workers);
        (0..workers).for_each(|worker| model.take(Step::Ask(worker, 4)));
        (0..workers).for_each(|task| model.take(Step::Run(task)));
        let batches: Vec<_> = model.tasks.iter().map(|task| task.batch.len()).collect();
        assert_eq!((batches.iter().sum::<usize>(), batches.last()), (4 * workers, Some(&(4 * workers))));
    }
}

#[test]
fn workers_that_are_always_awake_do_not_leave_reads_to_each_other_for_ever() {
    let mut model = at_rest(2);
    model.take(Step::Ask(1, 1));
    model.take(Step::Ask(0, 1));
    model.take(Step::Run(0));
    assert!(model.tasks[0].batch.is_empty(), "left to the other");
    model.take(Step::Ask(0, 1));
    model.take(Step::Run(0));
    assert_eq!(model.tasks[0].batch.len(), 3);
}

#[test]
fn a_worker_that_is_busy_takes_few_reads_of_those_who_can_help_themselves() {
    let mut model = at_rest(2);
    model.take(Step::Ask(1, 1));
    model.take(Step::Run(1));
    model.take(Step::Ask(0, 100));
    model.take(Step::Ask(1, 10));
    model.take(Step::Run(0));
    assert_eq!(model.tasks[0].batch.len(), 100, "none of the other's");
    model.take(Step::End(1));
    assert_eq!(model.tasks[1].batch.len(), 10);

    // A worker without a connection has a quarter of each batch.
    model.take(Step::Disconnect(1));
    model.take(Step::Ask(0, 1000));
    model.take(Step::Ask(1, 1000));
    model.take(Step::End(0));
    let of = |worker| model.tasks[0].batch.iter().filter(|request| request.home == worker).count();
    assert_eq!((of(0), of(1)), (MAX_BATCH - MAX_BATCH / 4, MAX_BATCH / 4));
}
