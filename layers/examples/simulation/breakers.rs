//! Breakers to compare: this crate's two modes as they are, and by their rules one that closes after five probes in a row and
//! resilience4j's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;
use tower::{Layer, Service, service_fn};
use user_info_layers::middleware::breaker::{BreakerLayer, BreakerMetrics, BreakerSettings, Mode};
use user_info_layers::{Call, Error, Kind};

/// Share of calls that has to succeed, calls in a window before it may open, and length of the window: alike for all.
pub(crate) const RATIO: f64 = 0.6;
const MINIMUM: usize = 100;
const WINDOW: Duration = Duration::from_secs(3);

/// A breaker. Its time is the one passed in, which is also tokio's.
pub(crate) trait Rule {
    /// Whether a call may pass: with what to say at its end.
    fn admit(&mut self, now: Instant) -> Option<u64>;
    /// A call has ended.
    fn done(&mut self, ticket: u64, success: bool, now: Instant);
    /// Whether it refuses nothing.
    fn is_closed(&self) -> bool;
}

/// The rules that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kinds {
    Bounded,
    FiveInARow,
    Kratos,
    Resilience4j,
}

impl Kinds {
    pub(crate) const ALL: [Self; 4] = [Self::Bounded, Self::FiveInARow, Self::Kratos, Self::Resilience4j];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bounded => "`Bounded`",
            Self::FiveInARow => "five in a row",
            Self::Kratos => "`Kratos`",
            Self::Resilience4j => "resilience4j",
        }
    }

    pub(crate) fn rule(self) -> Box<dyn Rule> {
        match self {
            Self::Bounded => Box::new(Layered::new(Mode::Bounded)),
            Self::Kratos => Box::new(Layered::new(Mode::Kratos)),
            Self::FiveInARow => Box::new(FiveInARow::default()),
            Self::Resilience4j => Box::new(Resilience4j::default()),
        }
    }
}

type Slot = Rc<RefCell<Option<bool>>>;

/// The breaker of this crate, around a service that replies when it is told to.
struct Layered {
    layer: BreakerLayer,
    service: BoxedService,
    /// The reply that the last call waits for.
    last: Rc<RefCell<Slot>>,
    calls: HashMap<u64, (Slot, Pin<Box<dyn Future<Output = Result<(), Error>>>>)>,
    number: u64,
}

type BoxedService = Box<dyn FnMut(Call<()>) -> Pin<Box<dyn Future<Output = Result<(), Error>>>>>;

impl Layered {
    fn new(mode: Mode) -> Self {
        let metrics = BreakerMetrics::new(&prometheus::Registry::new(), "simulation").expect("a new registry has no metrics");
        let settings =
            BreakerSettings { mode, success_ratio: RATIO, minimum_requests: MINIMUM as u32, window: WINDOW, ..BreakerSettings::default() };
        let layer = BreakerLayer::new(settings, metrics);
        let last: Rc<RefCell<Slot>> = Rc::default();
        let slots = Rc::clone(&last);
        let mut service = layer.layer(service_fn(move |_: Call<()>| {
            let slot = Slot::default();
            *slots.borrow_mut() = Rc::clone(&slot);
            poll_fn(move |_| match *slot.borrow() {
                None => Poll::Pending,
                Some(true) => Poll::Ready(Ok(())),
                Some(false) => Poll::Ready(Err(Error::UNKNOWN)),
            })
        }));
        let service = Box::new(move |call| Box::pin(service.call(call)) as Pin<Box<dyn Future<Output = _>>>);
        Self { layer, service, last, calls: HashMap::new(), number: 0 }
    }
}

impl Rule for Layered {
    fn admit(&mut self, _: Instant) -> Option<u64> {
        let mut call = (self.service)(Call::new(Kind::Grpc, "/op", ()));
        if call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return None;
        }
        self.number += 1;
        self.calls.insert(self.number, (Rc::clone(&self.last.borrow()), call));
        Some(self.number)
    }

    fn done(&mut self, ticket: u64, success: bool, _: Instant) {
        let Some((slot, mut call)) = self.calls.remove(&ticket) else { return };
        *slot.borrow_mut() = Some(success);
        let _ = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }

    fn is_closed(&self) -> bool {
        self.layer.open().is_empty()
    }
}

/// Opens as `Bounded` does; open, five calls a second pass, and five successes in a row close it.
#[derive(Debug, Default)]
struct FiveInARow {
    /// Odd: open.
    generation: u64,
    last_probe: Option<Instant>,
    row: u32,
    calls: std::collections::VecDeque<(Instant, bool)>,
    successes: usize,
}

impl Rule for FiveInARow {
    fn admit(&mut self, now: Instant) -> Option<u64> {
        let due = self.last_probe.is_none_or(|last| now >= last + Duration::from_millis(200));
        if !self.is_closed() && !due {
            return None;
        }
        self.last_probe = Some(now);
        Some(self.generation)
    }

    fn done(&mut self, ticket: u64, success: bool, now: Instant) {
        if ticket != self.generation {
            return;
        }
        if !self.is_closed() {
            self.row = if success { self.row + 1 } else { 0 };
            self.generation += u64::from(self.row == 5);
            return;
        }
        self.calls.push_back((now, success));
        self.successes += usize::from(success);
        while let Some((_, success)) = self.calls.pop_front_if(|(at, _)| now - *at > WINDOW) {
            self.successes -= usize::from(success);
        }
        if self.calls.len() >= MINIMUM && (self.successes as f64) < RATIO * self.calls.len() as f64 {
            *self = Self { generation: self.generation + 1, last_probe: Some(now), ..Self::default() };
        }
    }

    fn is_closed(&self) -> bool {
        self.generation.is_multiple_of(2)
    }
}

/// resilience4j 2: a count-based window of 100 calls, 5 s open (60 s by default, which leaves nothing to compare), then ten calls pass,
/// whose share of failures opens or closes it.
#[derive(Debug, Default)]
struct Resilience4j {
    /// Changes with each state.
    generation: u64,
    state: State,
    calls: std::collections::VecDeque<bool>,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Closed,
    Open(Instant),
    /// So many calls have passed.
    HalfOpen(usize),
}

const PERMITTED: usize = 10;

impl Resilience4j {
    fn become_(&mut self, state: State) {
        *self = Self { generation: self.generation + 1, state, ..Self::default() };
    }
}

impl Rule for Resilience4j {
    fn admit(&mut self, now: Instant) -> Option<u64> {
        match self.state {
            State::Open(since) if now >= since + Duration::from_secs(5) => self.become_(State::HalfOpen(1)),
            State::HalfOpen(passed) if passed < PERMITTED => self.state = State::HalfOpen(passed + 1),
            State::Open(_) | State::HalfOpen(_) => return None,
            State::Closed => {}
        }
        Some(self.generation)
    }

    fn done(&mut self, ticket: u64, success: bool, now: Instant) {
        if ticket != self.generation {
            return;
        }
        let closed = self.is_closed();
        let enough = if closed { MINIMUM } else { PERMITTED };
        self.calls.push_back(success);
        if self.calls.len() > enough {
            self.calls.pop_front();
        }
        let failed = self.calls.iter().filter(|success| !**success).count() as f64 / enough as f64;
        match (self.calls.len() == enough, failed >= 1.0 - RATIO) {
            (true, true) => self.become_(State::Open(now)),
            (true, false) if !closed => self.become_(State::Closed),
            _ => {}
        }
    }

    fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }
}
