//! A subscriber that records every tracing event, field by field.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, Once},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::Interest,
};

/// Installs a global subscriber with undecided interest. Without one, tracing caches "never" for an
/// event if the first thread to reach it has no subscriber; a concurrent test would miss the event.
pub fn stay_undecided() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        tracing::subscriber::set_global_default(Undecided).expect("the first");
    });
}

struct Undecided;

impl Subscriber for Undecided {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub level: Level,
    pub target: String,
    pub fields: BTreeMap<&'static str, String>,
}

/// A subscriber that records everything.
#[derive(Clone, Default)]
pub struct Events(Arc<Mutex<Vec<Record>>>);

impl Events {
    /// Takes and returns all events of this crate so far.
    pub fn ours(&self) -> Vec<Record> {
        let mut all = std::mem::take(&mut *self.0.lock().expect("no panic"));
        all.retain(|record| record.target.starts_with("revio_status"));
        all
    }
}

impl Subscriber for Events {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.0.lock().expect("no panic").push(Record {
            level: *event.metadata().level(),
            target: event.metadata().target().to_owned(),
            fields: fields.0,
        });
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
