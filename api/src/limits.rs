//! What values may be. Each bound that config files and the resource share, or that doc comments repeat, is declared here, once: `Check`, the
//! schemas and the messages are made from it.

mod limit;
#[cfg(feature = "crd")]
mod schema;

pub use limit::{Form, Limit, List, Ordered, Range, Size, Text};
#[cfg(feature = "crd")]
pub(crate) use limit::{out_of_range, wrong_form};

use crate::{Duration, address};

const MILLISECOND: Duration = Duration::from_millis(1);
const DECISECOND: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// A port to listen on or to connect to.
pub const PORT: Range<u16> = Range::new(1, 65_535);
/// A share, in percent.
pub const PERCENTAGE: Range<f64> = Range::new(0.0, 100.0);
/// The longest time a call may take, on the server and on the client.
pub const CALL_TIMEOUT: Range<Duration> = Range::new(MILLISECOND, HOUR);

/// A name that may not be left out.
pub const NAME: Size = Size::at_least(1);
/// An instance's share of calls under weighted round-robin.
pub const WEIGHT: Range<u32> = Range::new(1, 10_000);

/// Single-threaded workers; 0 is one per CPU.
pub const WORKERS: Range<u16> = Range::new(0, 256);
/// Calls in flight on one gRPC connection.
pub const CONCURRENT_STREAMS: Range<u32> = Range::new(1, 65_536);
/// Calls in flight in the whole process.
pub const IN_FLIGHT: Range<u32> = Range::new(1, 1_000_000);
/// Bytes that calls in flight may hold; the least is one message of the greatest length.
pub const BUFFERED_BYTES: Range<u64> = Range::new(4 << 20, 1 << 40);
/// Open connections of a listener.
pub const CONNECTIONS: Range<u32> = Range::new(1, 1_000_000);
/// The delay between leaving the registry and the end, and the time that calls in flight have after it.
pub const GRACE: Range<Duration> = Range::new(Duration::from_secs(0), Duration::from_secs(600));

/// Where traces are sent.
pub const OTLP_ENDPOINT: Text = Text { size: Size::up_to(256), form: COLLECTOR };
/// Lines of the access log a second.
pub const ACCESS_LINES: Range<u32> = Range::new(0, 1_000_000);

/// Tokens a second.
pub const RATE: Range<u32> = Range::new(1, 10_000_000);
/// Tokens that may be saved up.
pub const BURST: Range<u32> = Range::new(1, 10_000_000);
/// Callers with a rate of their own.
pub const OVERRIDES: Size = Size::up_to(32);
/// A caller's service name.
pub const CALLER: Size = Size::new(1, 253);

/// How long a delayed call waits.
pub const FIXED_DELAY: Range<Duration> = Range::new(Duration::from_secs(0), HOUR);
/// The HTTP status of an injected error.
pub const HTTP_STATUS: Range<u16> = Range::new(400, 599);
/// The gRPC status of an injected error.
pub const GRPC_STATUS: Range<u16> = Range::new(1, 16);
/// The reason of an injected error.
pub const REASON: Size = Size::new(1, 64);
/// The message of an injected error.
pub const MESSAGE: Size = Size::up_to(256);

/// Share of calls that must succeed.
pub const SUCCESS_RATIO: Range<f64> = Range::new(0.01, 1.0);
/// Calls in the window before a breaker may open.
pub const MINIMUM_REQUESTS: Range<u32> = Range::new(1, 1_000_000);
/// Length of a breaker's window.
pub const WINDOW: Range<Duration> = Range::new(DECISECOND, Duration::from_secs(600));
/// Calls a second that pass an open breaker.
pub const PROBES: Range<u32> = Range::new(1, 10_000);

/// Failures in a row that eject an instance.
pub const CONSECUTIVE_FAILURES: Range<u32> = Range::new(1, 1000);
/// How long the first ejection lasts.
pub const BASE_EJECTION: Range<Duration> = Range::new(DECISECOND, Duration::from_secs(600));
/// The longest ejection.
pub const MAX_EJECTION: Range<Duration> = Range::new(DECISECOND, HOUR);
/// Most instances ejected at a time, in percent.
pub const EJECTION_PERCENT: Range<u8> = Range::new(0, 50);
/// Tries that a call has in all.
pub const ATTEMPTS: Range<u8> = Range::new(2, 5);
/// Most retries, in percent of the calls.
pub const RETRY_BUDGET: Range<u8> = Range::new(1, 100);

/// Calls a second of a client; 0 is as fast as the replies come.
pub const CLIENT_RATE: Range<u32> = Range::new(0, 10_000_000);
/// Calls of a client in flight; 0 pauses it.
pub const CONCURRENCY: Range<u16> = Range::new(0, 10_000);
/// Users that a client asks for.
pub const USER_IDS: Size = Size::new(1, 100_000);
/// gRPC addresses of instances.
pub const INSTANCES: List<Form> = List { size: Size::up_to(1024), each: Form { words: "host:port, such as 127.0.0.1:9001", ..HOST_PORT } };
/// Time between look-ups in the DNS.
pub const LOOKUP_INTERVAL: Range<Duration> = Range::new(DECISECOND, HOUR);

/// Agents of Consul.
pub const AGENTS: List<Form> = List { size: Size::new(1, 16), each: Form { words: "host:port, such as 127.0.0.1:8500", ..HOST_PORT } };
/// Time between heartbeats.
pub const HEARTBEAT: Range<Duration> = Range::new(DECISECOND, HOUR);
/// How long an instance may be critical before Consul forgets it; the least is Consul's own.
pub const DEREGISTER_AFTER: Range<Duration> = Range::new(MINUTE, Duration::from_secs(7 * 86_400));

/// Where MySQL is.
pub const MYSQL_ADDRESS: Form = or_socket("host:port, such as 127.0.0.1:3306, nor an absolute path of a socket");
/// Where Redis is.
pub const REDIS_ADDRESS: Form = or_socket("host:port, such as 127.0.0.1:6379, nor an absolute path of a socket");
/// The name of a database; MySQL's and MariaDB's have no more characters.
pub const DATABASE: Size = Size::new(1, 64);
/// Connections of a process to a store.
pub const STORE_CONNECTIONS: Range<u16> = Range::new(1, 64);

/// Time after which faults end by themselves.
pub const EXPIRE_AFTER: Range<Duration> = Range::new(SECOND, DAY);
/// How long installing a release may take.
pub const INSTALL_TIMEOUT: Range<Duration> = Range::new(Duration::from_secs(10), HOUR);
/// Weights of instances in the resource.
pub const WEIGHTS: List<Range<u32>> = List { size: Size::up_to(100), each: WEIGHT };
/// Users in the resource, which a cluster keeps whole in its store.
pub const RESOURCE_USER_IDS: Size = Size::new(1, 1000);
/// Where a store of someone else is.
pub const STORE_ADDRESS: Text = Text { size: Size::up_to(256), form: HOST_PORT };

/// `host:port`.
pub const HOST_PORT: Form = Form {
    pattern: address::HOST_PORT,
    words: "host:port, such as db.example.com:3306",
    matches: |text| address::host_port(text).is_some(),
};
/// The address of a collector of traces.
pub const COLLECTOR: Form = Form {
    pattern: address::COLLECTOR,
    words: "the URL of a collector for OTLP over gRPC, without a path, such as http://127.0.0.1:4317",
    matches: address::is_collector,
};
/// An address on the web.
pub const URL: Form = Form { pattern: address::URL, words: "a URL, such as http://prometheus.example.com", matches: address::is_url };

const fn or_socket(words: &'static str) -> Form {
    Form { pattern: address::HOST_PORT_OR_SOCKET, words, matches: address::is_host_port_or_socket }
}
