//! When a program is to stop.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use user_info_api::Exit;

use crate::telemetry;

/// Exit code of a program that was told twice to stop.
const EXIT_AT_ONCE: i32 = Exit::Interrupted as i32;

/// How long its last lines may take to be written then.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Completes when the program is told to stop, and says by what.
///
/// Told by SIGTERM, SIGINT or SIGQUIT, or (`with_stdin`) by the end of standard input, so that a program whose supervisor was killed does
/// not stay behind. From then on a second signal ends the process at once.
///
/// # Errors
/// If signals cannot be listened to.
pub async fn stop(with_stdin: bool) -> std::io::Result<&'static str> {
    let (sender, mut told) = mpsc::channel(4);
    for (kind, name) in [(SignalKind::terminate(), "SIGTERM"), (SignalKind::interrupt(), "SIGINT"), (SignalKind::quit(), "SIGQUIT")] {
        let (mut signals, sender) = (signal(kind)?, sender.clone());
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                let _ = sender.send(name).await;
            }
        });
    }
    if with_stdin {
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            let _ = sender.blocking_send("end of standard input");
        });
    }
    let why = told.recv().await.unwrap_or("no signals");
    tokio::spawn(async move {
        if let Some(again) = told.recv().await {
            tracing::warn!(signal = again, "told to stop again: ending at once");
            telemetry::flush(LAST_WORDS);
            std::process::exit(EXIT_AT_ONCE);
        }
    });
    Ok(why)
}
