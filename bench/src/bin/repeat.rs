//! Runs one scenario: `repeat NAME COUNT` prints the nanoseconds a call took on average; without arguments, the names of all scenarios.

use user_info_bench::scenarios::{NAMES, repeat};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        println!("{}", NAMES.join("\n"));
        return;
    };
    let count = arguments.next().and_then(|count| count.parse().ok()).filter(|count| *count > 0).expect("usage: repeat [NAME COUNT]");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let took = runtime.block_on(repeat(&name, count)).expect("a name that `repeat` without arguments lists");
    println!("{:.2}", took.as_nanos() as f64 / count as f64);
}
