//! When the process is asked to end.

/// Ready when the process gets SIGTERM or SIGINT (Ctrl-C). It is listened for from the call on, not from the first look at
/// what is returned: whoever has told others where it can be reached may be asked to end at once.
///
/// # Errors
/// When the operating system refuses to listen for signals.
///
/// # Panics
/// Outside an async runtime.
pub fn asked() -> impl Future<Output = std::io::Result<()>> {
    #[cfg(unix)]
    let signals = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate()).and_then(|it| Ok((it, signal(SignalKind::interrupt())?)))
    };
    async move {
        #[cfg(unix)]
        {
            let (mut terminate, mut interrupt) = signals?;
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            Ok(())
        }
        #[cfg(not(unix))]
        tokio::signal::ctrl_c().await
    }
}
