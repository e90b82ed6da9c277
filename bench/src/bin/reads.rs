//! Reads users from MySQL one after another and prints the microseconds of CPU that a read took on average.
//!
//! Usage: reads direct|loader HOST:PORT COUNT

use std::time::Duration;

use prometheus::Registry;
use rustix::time::{ClockId, clock_gettime};
use sqlx::{Connection, MySqlConnection};
use user_info_api::config;
use user_info_services::data::{DataMetrics, Users};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: reads direct|loader HOST:PORT COUNT";

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [how, address, count] = &*arguments else { panic!("{USAGE}") };
    let count = count.parse().ok().filter(|count| *count > 0).expect(USAGE);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    // In a task, as calls are.
    let reads = match how.as_str() {
        "direct" => runtime.spawn(direct(address.clone(), count)),
        "loader" => runtime.spawn(loader(address.clone(), count)),
        _ => panic!("{USAGE}"),
    };
    let took = runtime.block_on(reads).expect("no read fails");
    println!("{:.2}", took.as_secs_f64() * 1e6 / f64::from(count));
}

/// CPU time of reads on a connection of its own.
async fn direct(address: String, count: u32) -> Duration {
    let mut connection = MySqlConnection::connect(&format!("mysql://root@{address}/demo_a")).await.expect("MySQL answers");
    let mut begun = None;
    for id in ids(count) {
        let query = sqlx::query_as("SELECT id, name, email FROM user_info WHERE id = ?").bind(id);
        let user: Option<(i64, String, String)> = query.fetch_optional(&mut connection).await.expect("MySQL answers");
        assert!(user.is_some_and(|user| user.0 == id));
        begun.get_or_insert_with(cpu);
    }
    cpu() - begun.unwrap_or_default()
}

/// CPU time of reads as `user_info` makes them.
async fn loader(address: String, count: u32) -> Duration {
    let mysql = config::MySql { address, ..config::MySql::default() };
    let metrics = DataMetrics::register(&Registry::new()).expect("registers once");
    let users = Users::open(&config::Users { mysql: Some(mysql), ..config::Users::default() }, &metrics).await.expect("MySQL answers");
    let mut begun = None;
    for id in ids(count) {
        let user = users.get(id).await.expect("MySQL answers");
        assert!(user.is_some_and(|user| user.id == id));
        begun.get_or_insert_with(cpu);
    }
    cpu() - begun.unwrap_or_default()
}

/// One more than `count`: the first read prepares the statement and does not count.
fn ids(count: u32) -> impl Iterator<Item = i64> {
    (0..=count).map(|number| i64::from(number % 10) + 1)
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
