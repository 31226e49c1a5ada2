//! Everything anybody logs in this process, at the finest level: events, spans, their fields, and
//! what comes through the `log` crate.

use std::{
    collections::BTreeSet,
    fmt::{Debug, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// What was logged so far.
#[derive(Clone, Default)]
pub struct Log(Arc<Captured>);

#[derive(Default)]
struct Captured {
    text: Mutex<String>,
    sources: Mutex<BTreeSet<String>>,
    events: AtomicU64,
    spans: AtomicU64,
}

impl Log {
    /// Listens from now on, for the whole process.
    pub fn capture() -> Self {
        let log = Self::default();
        tracing::subscriber::set_global_default(log.clone()).unwrap();
        ::log::set_boxed_logger(Box::new(log.clone())).unwrap();
        ::log::set_max_level(::log::LevelFilter::Trace);
        log
    }

    pub fn text(&self) -> String {
        self.0.text.lock().unwrap().clone()
    }

    pub fn events(&self) -> u64 {
        self.0.events.load(Ordering::SeqCst)
    }

    /// Who was heard.
    pub fn sources(&self) -> BTreeSet<String> {
        self.0.sources.lock().unwrap().clone()
    }

    fn write(&self, source: &str, fill: impl FnOnce(&mut Line)) {
        let mut line = Line(format!("{source}:"));
        fill(&mut line);
        line.0.push('\n');
        self.0.text.lock().unwrap().push_str(&line.0);
        self.0.sources.lock().unwrap().insert(source.to_owned());
        self.0.events.fetch_add(1, Ordering::SeqCst);
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.write(span.metadata().target(), |line| span.record(line));
        Id::from_u64(self.0.spans.fetch_add(1, Ordering::SeqCst) + 1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        self.write("span", |line| values.record(line));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.write(event.metadata().target(), |line| event.record(line));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl ::log::Log for Log {
    fn enabled(&self, _: &::log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &::log::Record<'_>) {
        self.write(record.target(), |line| {
            write!(line.0, " {}", record.args()).unwrap();
        });
    }

    fn flush(&self) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?} {value:#?}", field.name()).unwrap();
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, " {}={value}", field.name()).unwrap();
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        let text = String::from_utf8_lossy(value);
        write!(self.0, " {}={text} {value:?}", field.name()).unwrap();
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        write!(self.0, " {}={value} {value:?}", field.name()).unwrap();
        let mut source = value.source();
        while let Some(error) = source {
            write!(self.0, " because {error} {error:?}").unwrap();
            source = error.source();
        }
    }
}
