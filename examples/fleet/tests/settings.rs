//! Settings that make no sense are refused, by name.

use std::{panic::AssertUnwindSafe, time::Duration};

use fleet::shared::{Account, Limit, Quiet, Settings};
use revio_status::Cooldown;

fn refusal(of: impl FnOnce()) -> String {
    let panic = std::panic::catch_unwind(AssertUnwindSafe(of));
    let panic = panic.expect_err("refused");
    *panic.downcast::<String>().expect("a message")
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let sane = || Settings::new(3, Cooldown::default());
    let refused = |settings, words: &str| {
        let text = refusal(|| drop(Limit::own(settings)));
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

#[test]
fn a_quiet_without_an_end_is_refused() {
    let client = redis::Client::open("redis://127.0.0.1:1").expect("a URL");
    let account = Account::new(client, "acme");
    let endless = || {
        drop(Quiet::shared_for(
            &account,
            Cooldown::default(),
            Duration::MAX,
        ))
    };
    assert!(refusal(endless).contains("a day"));
}
