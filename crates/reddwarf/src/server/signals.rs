//! The signals that end a process.

use std::io;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Exit code of a process that was told twice to stop.
const SECOND_SIGNAL_EXIT: i32 = 130;

/// Cancels `stop` on SIGTERM or SIGINT; a second one ends the process at once, which loses no
/// acknowledged write. SIGHUP, which a closed terminal sends, ends nothing; certificates are looked at then.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn stop_signals(stop: CancellationToken) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hangup.recv() => continue,
            }
            if stop.is_cancelled() {
                warn!("told twice to stop: stopping at once");
                std::process::exit(SECOND_SIGNAL_EXIT);
            }
            info!("stopping");
            stop.cancel();
        }
    });
    Ok(())
}
