//! Settings that make no sense are refused, by name.

use std::{panic::AssertUnwindSafe, time::Duration};

use fleet::shared::{Limit, Settings};
use revio_status::Cooldown;

#[test]
fn settings_that_make_no_sense_are_refused() {
    let sane = || Settings::new(3, Cooldown::default());
    let refused = |settings, words: &str| {
        let panic = std::panic::catch_unwind(AssertUnwindSafe(|| Limit::own(settings)));
        let panic = panic.err().expect("refused");
        let text = panic.downcast::<String>().expect("a message");
        assert!(text.contains(words), "{text}");
    };
    refused(Settings { calls: 1, ..sane() }, "1 calls");
    refused(
        Settings {
            processes: 0,
            ..sane()
        },
        "0 processes",
    );
    for (per, words) in [
        (Duration::ZERO, "per 0ns"),
        (Duration::from_micros(489), "microsecond"),
        (Duration::MAX, "a day"),
    ] {
        refused(Settings { per, ..sane() }, words);
    }
    refused(
        Settings {
            answer: Duration::ZERO,
            ..sane()
        },
        "an answer in 0ns",
    );
    refused(
        Settings {
            max_wait: Duration::MAX,
            ..sane()
        },
        "a day",
    );
}
