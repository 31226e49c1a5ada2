//! One line of JSON for each event.

use std::{
    fmt,
    fs::OpenOptions,
    io::{self, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

use super::{AuditEvent, AuditSink};

/// Writes each event as a line of JSON, and each line at once.
pub struct JsonLines(Mutex<Box<dyn Write + Send>>);

impl JsonLines {
    /// To anything that can be written to.
    pub fn new(writer: impl Write + Send + 'static) -> Self {
        Self(Mutex::new(Box::new(writer)))
    }

    /// At the end of a file, which is made if it is not there: on Unix for its owner alone to read.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened.
    pub fn append_to(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        // It names people.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self::new(options.open(path)?))
    }
}

impl AuditSink for JsonLines {
    fn record(&self, event: &AuditEvent) {
        let written = serde_json::to_vec(event).map_err(io::Error::other);
        let written = written.and_then(|mut line| {
            line.push(b'\n');
            let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // One call: lines of several processes that append to one file do not mix.
            writer.write_all(&line).and_then(|()| writer.flush())
        });
        if let Err(error) = written {
            tracing::error!(event = "audit_not_written", fault = "server", reason = %error);
        }
    }
}

impl fmt::Debug for JsonLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsonLines")
    }
}
