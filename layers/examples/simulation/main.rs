//! Simulates breakers and balancers under one load: this crate's, and others by their published rules.
//!
//! `cargo run --example simulation` prints tables; with files as arguments it writes them between `<!-- simulated NAME -->` and
//! `<!-- end of NAME -->` there, and the picture into `images/breaker.svg` beside the first.

mod balancers;
mod balancing;
mod breakers;
mod breaking;
mod picture;
mod world;

use std::path::Path;

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> std::io::Result<()> {
    let (breaking, seen) = breaking::simulate().await;
    let tables = [("breakers", breaking), ("balancers", balancing::simulate().await)];
    let pages: Vec<_> = std::env::args().skip(1).collect();
    for (name, table) in &tables {
        println!("{name}\n\n{table}");
    }
    for page in &pages {
        let mut text = std::fs::read_to_string(page)?;
        for (name, table) in &tables {
            let (from, to) = (format!("<!-- simulated {name} -->\n"), format!("<!-- end of {name} -->"));
            let place = text.find(&from).map(|at| at + from.len()).and_then(|at| Some(at..at + text[at..].find(&to)?));
            if let Some(place) = place {
                text.replace_range(place, &format!("\n{table}\n"));
            }
        }
        std::fs::write(page, text)?;
    }
    match pages.first().and_then(|page| Path::new(page).parent()) {
        Some(folder) => std::fs::write(folder.join("images/breaker.svg"), picture::draw(&seen)),
        None => Ok(()),
    }
}
