//! One connection: sends calls while it has room for them, and takes the replies.

use std::cell::RefCell;
use std::io::{Error, ErrorKind};
use std::rc::Rc;
use std::time::Instant;

use tokio::net::TcpStream;

use super::grpc::Grpc;
use super::http::Http;
use super::wire::Wire;
use super::{Load, Protocol, Workload};

/// A call that waits for its reply.
struct Call {
    number: u32,
    user: i64,
    due: Instant,
}

/// What is under way.
struct Exchange {
    wire: Box<dyn Wire>,
    in_flight: Vec<Call>,
    output: Vec<u8>,
}

/// An open connection.
pub(super) struct LoadConnection {
    stream: TcpStream,
    /// Most calls in flight.
    limit: usize,
    workload: Rc<Workload>,
    exchange: RefCell<Exchange>,
}

impl LoadConnection {
    pub(super) async fn open(load: &Load, workload: Rc<Workload>) -> Result<Self, Error> {
        let stream = TcpStream::connect(&load.address).await?;
        stream.set_nodelay(true)?;
        let (mut wire, limit): (Box<dyn Wire>, usize) = match load.protocol {
            Protocol::Grpc => (Box::new(Grpc::new(&load.address, &load.headers)?), load.streams),
            Protocol::Http => (Box::new(Http::new(&load.address)), 1),
        };
        let mut output = Vec::new();
        wire.open(&mut output);
        Ok(Self { stream, limit, workload, exchange: RefCell::new(Exchange { wire, in_flight: Vec::new(), output }) })
    }

    /// Calls that wait for their replies.
    pub(super) fn in_flight(&self) -> usize {
        self.exchange.borrow().in_flight.len()
    }

    /// Makes calls that are due, as many as there is room for.
    pub(super) fn call(&self) -> Result<(), Error> {
        let mut exchange = self.exchange.borrow_mut();
        let Exchange { wire, in_flight, output } = &mut *exchange;
        let now = Instant::now();
        while in_flight.len() < self.limit
            && let Some(due) = self.workload.next_due(now)
        {
            let user = fastrand::i64(1..=self.workload.users);
            let number = wire.call(user, output);
            in_flight.push(Call { number, user, due });
        }
        self.flush(output)
    }

    /// Sends what is to be sent; what the socket has no room for goes with the next calls.
    fn flush(&self, output: &mut Vec<u8>) -> Result<(), Error> {
        if output.is_empty() {
            return Ok(());
        }
        match self.stream.try_write(output) {
            Ok(written) => drop(output.drain(..written)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Takes replies until something is wrong, and makes calls that are due in their place.
    pub(super) async fn read(self: Rc<Self>) -> Error {
        let mut input = Vec::with_capacity(64 * 1024);
        loop {
            if let Err(error) = self.read_once(&mut input).await {
                return error;
            }
        }
    }

    async fn read_once(&self, input: &mut Vec<u8>) -> Result<(), Error> {
        self.stream.readable().await?;
        match self.stream.try_read_buf(input) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            outcome => outcome?,
        };
        self.take(input)?;
        self.call()
    }

    /// Takes what is whole off `input`.
    fn take(&self, input: &mut Vec<u8>) -> Result<(), Error> {
        let mut exchange = self.exchange.borrow_mut();
        let Exchange { wire, in_flight, output } = &mut *exchange;
        let now = Instant::now();
        let mut taken = 0;
        while let Some((length, reply)) = wire.reply(&input[taken..], output)? {
            taken += length;
            let Some(reply) = reply else { continue };
            let unasked = || Error::other(format!("a reply about user {}, who was not asked for", reply.user));
            let place = in_flight.iter().position(|call| call.number == reply.call).ok_or_else(unasked)?;
            let call = in_flight.swap_remove(place);
            if call.user != reply.user {
                return Err(unasked());
            }
            self.workload.latencies.borrow_mut().push(call.due, now);
        }
        input.drain(..taken);
        Ok(())
    }
}
