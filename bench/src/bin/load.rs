//! Calls GetUserInfo over many connections; `load --help` lists what can be chosen.

use clap::Parser;
use user_info_bench::load::Load;

fn main() {
    let load = Load::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut latencies = match runtime.block_on(load.run()) {
        Ok(latencies) if latencies.is_empty() => panic!("no call was made"),
        Ok(latencies) => latencies,
        Err(error) => {
            eprintln!("load: {error}");
            std::process::exit(1);
        }
    };
    latencies.sort_unstable();
    let quantile = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize];
    println!(r#"{{"calls": {}, "p50_us": {}, "p99_us": {}}}"#, latencies.len(), quantile(0.5), quantile(0.99));
}
