//! Calls GetUserInfo over many connections; `load --help` lists what can be chosen.

use clap::Parser;
use user_info_bench::load::Load;

fn main() {
    let load = Load::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let latencies = match runtime.block_on(load.run()) {
        Ok(latencies) if latencies.calls() == 0 => panic!("no call was made"),
        Ok(latencies) => latencies,
        Err(error) => {
            eprintln!("load: {error}");
            std::process::exit(1);
        }
    };
    let (calls, p50, p99, undisturbed) =
        (latencies.calls(), latencies.quantile(0.5), latencies.quantile(0.99), latencies.undisturbed(0.99));
    println!(r#"{{"calls": {calls}, "p50_us": {p50}, "p99_us": {p99}, "undisturbed_p99_us": {undisturbed}}}"#);
}
