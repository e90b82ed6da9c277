//! What the measuring scripts run. One program, since linking each with link-time optimisation takes a minute.

use clap::Parser;
use user_info_bench::load::Load;
use user_info_bench::{bare, scenarios};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Servers and clients to compare with, load, and parts of a call alone.
#[derive(Debug, Parser)]
#[command(name = "user-info-bench")]
enum Command {
    /// Serves a constant reply with plain tonic.
    Bare {
        /// HOST:PORT to listen on.
        address: String,
    },
    /// Calls a server in a closed loop with plain tonic.
    BareClient {
        /// URL of the server.
        url: String,
        /// How many calls.
        calls: u64,
        /// How many at a time.
        concurrency: usize,
    },
    Load(Load),
    /// Runs one scenario and prints the nanoseconds a call took on average; without a name, prints the names of all.
    Repeat {
        /// Which one.
        #[arg(requires = "calls")]
        name: Option<String>,
        /// How many calls, at least one.
        #[arg(value_parser = clap::value_parser!(u64).range(1..))]
        calls: Option<u64>,
    },
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match Command::parse() {
        Command::Bare { address } => bare::serve(&address),
        Command::BareClient { url, calls, concurrency } => runtime.block_on(bare::call(url, calls, concurrency)),
        Command::Load(load) => match runtime.block_on(load.run()) {
            Ok(latencies) if latencies.calls() == 0 => panic!("no call was made"),
            Ok(latencies) => {
                let (calls, p50, p99, undisturbed) =
                    (latencies.calls(), latencies.quantile(0.5), latencies.quantile(0.99), latencies.undisturbed(0.99));
                println!(r#"{{"calls": {calls}, "p50_us": {p50}, "p99_us": {p99}, "undisturbed_p99_us": {undisturbed}}}"#);
            }
            Err(error) => {
                eprintln!("load: {error}");
                std::process::exit(1);
            }
        },
        Command::Repeat { name: Some(name), calls: Some(calls) } => {
            let took = runtime.block_on(scenarios::repeat(&name, calls)).expect("a name that `repeat` without arguments lists");
            println!("{:.2}", took.as_nanos() as f64 / calls as f64);
        }
        Command::Repeat { .. } => println!("{}", scenarios::NAMES.join("\n")),
    }
}
