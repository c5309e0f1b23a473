//! `serve`: sockets, threads and the end of them, one after the other. What each of them is has a file
//! of its own.

mod change;
mod doors;
mod fixed;
mod handover;
mod index_thread;
mod lifecycle;
mod means;
mod observation;
mod reload;
mod running;
mod signals;

use crate::admin;
use crate::config::{Args, Config};
use crate::server::{Bound, bind};
use anyhow::Context;
use handover::Handed;
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
    // Where another server has the sockets, they are asked for once this one can answer.
    let mut waits = handover::has_predecessor(&config, &runtime);
    let (bound, doors) = match waits {
        true => (Bound::default(), admin::Bound::default()),
        false => (bind(&config.server)?, admin::bind(&config.admin)?),
    };
    let door = match waits {
        true => None,
        false => handover::open_door(&config, &runtime)?,
    };
    let (mut running, ready) = Running::start(config, bound, doors)?;
    running.handover = door;
    let mut life = Life::new(ready, running.drain.clone());
    let mut reloader = Reloader::new(args);
    life.look_again(&running.config.lifecycle);
    let mut event = None;
    let reason = loop {
        let happened = match event.take() {
            Some(event) => event,
            None => {
                let door = running.handover.as_ref();
                runtime.block_on(life.next(&mut signals, door))
            }
        };
        let told = match happened {
            Event::Ready => {
                if std::mem::take(&mut waits)
                    && let Err(error) = handover::take_over(&mut running, &runtime)
                {
                    // The predecessor serves on; what went wrong is what there is to say.
                    let _ = running.stop();
                    return Err(error);
                }
                if !running.config.quiet {
                    say_listening(running.server.listeners());
                }
                continue;
            }
            Event::Ended => break "the source has ended",
            Event::Signal(Signal::Stop(name)) => break name,
            Event::Signal(Signal::Quit) => end_at_once(),
            Event::Successor(stream) => {
                match handover::hand_over(&running, stream, (&runtime, &mut signals)) {
                    Handed::Not => {}
                    Handed::Interrupted(signal) => event = Some(Event::Signal(signal)),
                    Handed::Over(successor) => {
                        handover::leave(&mut running, successor, (&runtime, &mut signals));
                        break "a successor has taken over";
                    }
                }
                continue;
            }
            Event::Signal(Signal::Reload(name)) => Some(name),
            Event::Look => None,
        };
        // Until then the sockets are another server's, and so is the configuration that counts.
        if !waits {
            event = reloader.look(&mut running, told, (&runtime, &mut signals));
        }
        life.look_again(&running.config.lifecycle);
    };
    // Who has answered nobody is asked by nobody, and neither is who has handed over.
    if life.is_ready() && !running.stopping.is_started() {
        running.stopping.start();
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
