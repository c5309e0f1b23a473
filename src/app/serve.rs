//! `serve`: sockets, threads and the end of them, one after the other. What each of them is has a file
//! of its own.

mod change;
mod doors;
mod fixed;
mod index_thread;
mod lifecycle;
mod observation;
mod reload;
mod running;
mod signals;

use crate::admin;
use crate::config::{Args, Config};
use crate::server::bind;
use anyhow::Context;
use lifecycle::{Event, Life, lameduck, say_listening};
use reload::Reloader;
use running::Running;
use signals::{Signal, Signals};

/// Serves until it is told to stop.
pub(super) fn serve(args: &Args, config: Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime for signals")?;
    let mut signals = Signals::take(&runtime)?;
    let bound = bind(&config.server)?;
    let doors = admin::bind(&config.admin)?;
    let (mut running, ready) = Running::start(config, bound, doors)?;
    let mut life = Life::new(ready, running.drain.clone());
    let mut reloader = Reloader::new(args);
    life.look_again(&running.config.lifecycle);
    let mut event = None;
    let reason = loop {
        let happened = match event.take() {
            Some(event) => event,
            None => runtime.block_on(life.next(&mut signals)),
        };
        let told = match happened {
            Event::Ready => {
                say_listening(running.server.listeners().map(|(_, address)| address));
                continue;
            }
            Event::Ended => break "the source has ended",
            Event::Signal(Signal::Stop(name)) => break name,
            Event::Signal(Signal::Quit) => end_at_once(),
            Event::Signal(Signal::Reload(name)) => Some(name),
            Event::Look => None,
        };
        let interrupted = reloader.look(&mut running, told, (&runtime, &mut signals));
        event = interrupted.map(Event::Signal);
        life.look_again(&running.config.lifecycle);
    };
    running.stopping.start();
    // Who has answered nobody is asked by nobody.
    if life.is_ready() {
        let time = running.config.lifecycle.lameduck;
        let drain = running.drain.clone();
        if runtime.block_on(lameduck(time, &mut signals, &drain)) == Some(Signal::Quit) {
            end_at_once();
        }
    }
    running.stop()?;
    tracing::info!(reason, "stopped");
    Ok(())
}

/// Ends the process: what has been asked and not answered stays so.
fn end_at_once() -> ! {
    tracing::info!(reason = "SIGQUIT", "ended at once");
    std::process::exit(i32::from(crate::config::EXIT_DONE))
}
