//! Reads users from MySQL one after another and prints the microseconds of CPU that a read took on average.
//!
//! Usage: reads direct|loader HOST:PORT COUNT

use std::time::Duration;

use prometheus::Registry;
use rustix::time::{ClockId, clock_gettime};
use sqlx::{Connection, MySqlConnection};
use user_info_api::config;
use user_info_services::data::{DataMetrics, User, Users};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: reads direct|loader HOST:PORT COUNT";

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [how, address, count] = &*arguments else { panic!("{USAGE}") };
    let count = count.parse().ok().filter(|count| *count > 0).expect(USAGE);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let store = runtime.block_on(Store::open(how, address));
    // In a task, as calls are.
    let took = runtime.block_on(runtime.spawn(timed(store, count))).expect("no read fails");
    println!("{:.2}", took.as_secs_f64() * 1e6 / f64::from(count));
}

/// What users are read from.
enum Store {
    /// A connection of its own.
    Direct(MySqlConnection),
    /// As `user_info` reads them.
    Loader(Users),
}

impl Store {
    async fn open(how: &str, address: &str) -> Self {
        match how {
            "direct" => {
                let connection = MySqlConnection::connect(&format!("mysql://root@{address}/demo_a")).await;
                Self::Direct(connection.expect("MySQL answers"))
            }
            "loader" => {
                let mysql = config::MySql { address: address.to_owned(), ..config::MySql::default() };
                let users = config::Users { mysql: Some(mysql), ..config::Users::default() };
                let metrics = DataMetrics::new(&Registry::new()).expect("registers once");
                Self::Loader(Users::open(&users, 1, &metrics).await.expect("MySQL answers"))
            }
            _ => panic!("{USAGE}"),
        }
    }

    async fn read(&mut self, id: i64) -> Option<User> {
        match self {
            Self::Direct(connection) => {
                let query = sqlx::query_as("SELECT id, name, email FROM user_info WHERE id = ?").bind(id);
                let user: Option<(i64, String, String)> = query.fetch_optional(connection).await.expect("MySQL answers");
                user.map(|(id, name, email)| User { id, name, email })
            }
            Self::Loader(users) => users.get(id).await.expect("MySQL answers"),
        }
    }
}

/// CPU time of so many reads, after one that prepares the statement.
async fn timed(mut store: Store, count: u32) -> Duration {
    store.read(1).await;
    let begun = cpu();
    for number in 0..count {
        let id = i64::from(number % 10) + 1;
        assert!(store.read(id).await.is_some_and(|user| user.id == id));
    }
    cpu() - begun
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
