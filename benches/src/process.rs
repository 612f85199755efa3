//! Other programs, measured from outside: what Linux counts for a process.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A program that was started. Dropped, it is ended.
#[derive(Debug)]
pub struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Program {
    /// Starts it. What it prints to standard output is read by [`Self::line`]; what it complains
    /// about is thrown away, since a peer that lacks its library says so at length.
    ///
    /// # Errors
    ///
    /// If there is no such program.
    pub fn start(mut command: Command) -> io::Result<Self> {
        let quiet = command.stdin(Stdio::null()).stderr(Stdio::null());
        let mut child = quiet.stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take();
        let output = output.ok_or_else(|| io::Error::other("it has no standard output"))?;
        Ok(Self {
            child,
            output: BufReader::new(output),
        })
    }

    /// The next line that it prints; waits for it.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(io::Error::other("it is not installed, or failed to start"));
        }
        line.truncate(line.trim_end().len());
        Ok(line)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// CPU time of all its threads, kernel included: to the nanosecond while none of them has ended,
    /// to 10 ms from then on.
    ///
    /// # Errors
    ///
    /// If it has ended, or this is not Linux.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        let mut alive = Duration::ZERO;
        for thread in fs::read_dir(format!("/proc/{}/task", self.id()))? {
            let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else {
                continue; // it has ended meanwhile
            };
            let nanos = text.split(' ').next().and_then(|text| text.parse().ok());
            alive += Duration::from_nanos(nanos.unwrap_or(0));
        }
        let status = fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        // The name of the program, in parentheses, may have spaces in it.
        let fields = status.rsplit(')').next().unwrap_or_default().split(' ');
        let ticks = fields
            .skip(12)
            .take(2)
            .map(|ticks| ticks.parse().unwrap_or(0_u64));
        Ok(alive.max(Duration::from_millis(10 * ticks.sum::<u64>())))
    }

    /// The most memory that it ever held; see [`peak_memory`].
    ///
    /// # Errors
    ///
    /// If it has ended, or this is not Linux.
    pub fn peak_memory(&self) -> io::Result<u64> {
        peak_memory(self.id())
    }

    /// Whether it still runs.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn is_running(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The most memory that the process ever held resident, in bytes.
///
/// # Errors
///
/// If there is none, or this is not Linux.
pub fn peak_memory(process: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let mut lines = status.lines();
    let kib = lines.find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    let kib: Option<u64> = kib.and_then(|kib| kib.parse().ok());
    kib.map(|kib| kib << 10)
        .ok_or_else(|| io::Error::other("no peak is stated"))
}
