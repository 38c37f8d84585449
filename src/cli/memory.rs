//! Keeps the process's memory, in which there are keys and tokens, out of core dumps.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Asks the system for no core dumps of this process and of those that it starts.
///
/// On Linux the limit alone is not enough: a system that pipes its dumps into a program does not heed it. There the
/// process is made undumpable too. Other processes of the same user can then neither attach to it nor read its memory
/// and its environment, which holds `GITCAST_KEY`; to trace it, start it under the tracer.
pub(super) fn keep_out_of_dumps() {
    // Where the system refuses, there is nothing to be done, and dumps are no reason not to work.
    let refused = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).err();
    let refused = refused.or(undumpable().err());
    tracing::debug!(?refused, "core dumps are off");
}

#[cfg(target_os = "linux")]
fn undumpable() -> rustix::io::Result<()> {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
}

#[cfg(not(target_os = "linux"))]
fn undumpable() -> rustix::io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

    /// Of this very process, which does not mind.
    #[test]
    fn the_process_is_neither_dumped_nor_read_by_others() {
        super::keep_out_of_dumps();
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
        assert_eq!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
    }
}
