//! Load on a server: many connections, users at random, from one thread that leaves as much of its core as it can to the stores.
//!
//! Calls come in bunches of one size, one each 1.25 ms, and go to the connections in turn, as many to each as it has room for. Those that
//! the load is too late for are left out, as that is not the server's fault. Calls beyond the room wait for replies; latencies count from when a
//! call was due, so a server that is late with some does not hide that others had to wait (coordinated omission). A reply must be about the
//! user asked for; anything else ends the load.

mod connection;
mod grpc;
mod http;
mod latencies;
mod ticks;
mod wire;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::Error;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};
use tokio::time::timeout;

use self::connection::LoadConnection;
pub use self::latencies::Latencies;
use self::ticks::Ticks;

/// Time between two bunches of calls. Each of eight connections has its turn every 10 ms, as often as h2load looks whether calls are due.
const TICK: Duration = Duration::from_micros(1250);

/// Longest time to wait for the last replies.
const LAST_REPLIES: Duration = Duration::from_secs(10);

/// What calls are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Protocol {
    /// HTTP/2 without TLS.
    Grpc,
    /// HTTP/1.1, one call at a time on each connection.
    Http,
}

/// Calls GetUserInfo and prints how many replies came and how long they took, as JSON.
#[derive(Debug, Clone, clap::Parser)]
pub struct Load {
    /// What to call with.
    pub protocol: Protocol,
    /// HOST:PORT of the server.
    pub address: String,
    /// Connections.
    #[arg(long, default_value_t = 8)]
    pub connections: usize,
    /// Calls in flight on one connection of gRPC.
    #[arg(long, default_value_t = 16)]
    pub streams: usize,
    /// Calls a second; 0 is as many as it takes.
    #[arg(long, default_value_t = 0)]
    pub rate: u32,
    /// Seconds to call for.
    #[arg(long, default_value_t = 4.0)]
    pub seconds: f64,
    /// Users to ask for, with the ids from 1.
    #[arg(long, default_value_t = 1)]
    pub users: i64,
    /// NAME:VALUE of a header of each call of gRPC.
    #[arg(long = "header")]
    pub headers: Vec<String>,
}

/// What the connections share.
struct Workload {
    /// When the calls were due that are to be made.
    due: RefCell<VecDeque<Instant>>,
    /// Whether a call is due whenever there is room for one.
    always_due: Cell<bool>,
    users: i64,
    latencies: RefCell<Latencies>,
}

impl Workload {
    /// Takes one call: when it was due, if there is one. `now` is the time.
    fn next_due(&self, now: Instant) -> Option<Instant> {
        if self.always_due.get() { Some(now) } else { self.due.borrow_mut().pop_front() }
    }

    fn any_due(&self) -> bool {
        self.always_due.get() || !self.due.borrow().is_empty()
    }
}

impl Load {
    /// Makes the calls; returns how long the replies took.
    ///
    /// # Errors
    /// If a connection fails, a reply is not the one expected, or one does not come.
    pub async fn run(&self) -> Result<Latencies, Error> {
        LocalSet::new().run_until(self.calls()).await
    }

    async fn calls(&self) -> Result<Latencies, Error> {
        let workload = Rc::new(Workload {
            due: RefCell::default(),
            always_due: Cell::new(self.rate == 0),
            users: self.users,
            latencies: RefCell::new(Latencies::new(Instant::now())),
        });
        let mut connections = Vec::with_capacity(self.connections);
        let mut readers = JoinSet::new();
        for _ in 0..self.connections {
            let connection = Rc::new(LoadConnection::open(self, workload.clone()).await?);
            readers.spawn_local(connection.clone().read());
            connections.push(connection);
        }
        tokio::select! {
            made = self.deal(&workload, &connections) => made?,
            Some(failed) = readers.join_next() => return Err(failed.unwrap_or_else(Error::other)),
        }
        Ok(workload.latencies.replace(Latencies::new(Instant::now())))
    }

    /// Deals calls to the connections until the time is over, and waits for the last replies.
    async fn deal(&self, workload: &Workload, connections: &[Rc<LoadConnection>]) -> Result<(), Error> {
        let end = Instant::now() + Duration::from_secs_f64(self.seconds);
        let ticks = Ticks::every(TICK)?;
        let mut turn = 0;
        let mut credit = 0.0;
        while Instant::now() < end {
            ticks.tick().await?;
            let due = Instant::now();
            credit += f64::from(self.rate) * TICK.as_secs_f64();
            workload.due.borrow_mut().extend(std::iter::repeat_n(due, credit as usize));
            credit = credit.fract();
            for _ in 0..connections.len() {
                if workload.any_due() {
                    connections[turn].call()?;
                    turn = (turn + 1) % connections.len();
                }
            }
        }
        workload.always_due.set(false);
        workload.due.borrow_mut().clear();
        let unanswered = || connections.iter().map(|connection| connection.in_flight()).sum::<usize>();
        let all_answered = async {
            while unanswered() > 0 {
                ticks.tick().await?;
            }
            Ok(())
        };
        let late = |_| Error::other(format!("{} calls were not answered in {LAST_REPLIES:?}", unanswered()));
        timeout(LAST_REPLIES, all_answered).await.map_err(late)?
    }
}
