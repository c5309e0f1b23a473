//! UDP workers that are held to one CPU each (`[server] pin`). Not how many there are: that is
//! [`super::bind()`]'s.

use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The CPUs that the workers of a listener are held to, in turn. Without any, workers go where the kernel
/// puts them.
#[derive(Debug, Default)]
pub(super) struct Cpus(Vec<usize>);

/// Why a worker is not held to a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// The kernel does not tell which ones there are.
    #[error("which CPUs this process may use can't be told: {0}")]
    Unknown(Errno),
    /// The kernel does not give this one.
    #[error("CPU {0} can't be had: {1}")]
    Refused(usize, Errno),
}

impl Cpus {
    /// Returns those to hold workers to, if that is asked for, and why there are none.
    pub(super) fn asked(pin: bool) -> (Self, Option<PinError>) {
        match pin.then(Self::allowed) {
            None => (Self::default(), None),
            Some(Ok(cpus)) => (cpus, None),
            Some(Err(error)) => (Self::default(), Some(error)),
        }
    }

    /// Returns those that the calling thread may use: of its cpuset, and of them those that whoever started
    /// it left.
    fn allowed() -> Result<Self, PinError> {
        let set = sched_getaffinity(None).map_err(PinError::Unknown)?;
        let cpus = (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu));
        Ok(Self(cpus.collect()))
    }

    /// Returns the one of a listener's worker.
    pub(super) fn of(&self, worker: usize) -> Option<usize> {
        let at = worker.checked_rem(self.0.len())?;
        self.0.get(at).copied()
    }
}

/// Holds the calling thread to a CPU.
///
/// # Errors
/// The kernel refuses it; the thread goes on where it may.
pub(super) fn hold(cpu: usize) -> Result<(), PinError> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).map_err(|error| PinError::Refused(cpu, error))
}

#[cfg(test)]
mod tests;
