//! `Retry-After` in all its forms: each gives the documented wait; malformed headers do no harm.

use std::{
    convert::Infallible,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::support::{Refused, get, hasty};
use bytes::Bytes;
use futures_executor::block_on;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{AGE, DATE},
};
use http_body_util::Full;
use httpdate::{fmt_http_date, parse_http_date};
use proptest::prelude::*;
use revio_status::{Attempt, StatusError, StatusKind, StopReason};
use serde_json::Value;
use tower::{Layer, ServiceExt, service_fn};

/// The least wait that an absurdly large value may give: 68 years.
const VERY_LONG: Duration = Duration::from_secs(1 << 31);

/// Returns the layer's error for a response with these headers.
fn refused(status: u16, headers: &HeaderMap) -> StatusError {
    let inner = service_fn(|_| async move {
        let mut response = Response::new(Full::<Bytes>::default());
        *response.status_mut() = StatusCode::from_u16(status).expect("a valid status");
        *response.headers_mut() = headers.clone();
        Ok::<_, Infallible>(response)
    });
    block_on(hasty().layer(inner).oneshot(get())).refused()
}

fn headers<V: AsRef<[u8]>>(fields: &[(&'static str, V)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let value = HeaderValue::from_bytes(value.as_ref()).expect("a header value");
        headers.append(*name, value);
    }
    headers
}

/// Returns the wait that a 429 with these fields asks for.
fn wait<V: AsRef<[u8]>>(fields: &[(&'static str, V)]) -> Option<Duration> {
    refused(429, &headers(fields)).retry_after()
}

/// Returns the wait until `retry_after` by the clock of a server that sends `date`.
fn wait_at(date: &str, retry_after: &str) -> Option<Duration> {
    wait(&[("retry-after", retry_after), ("date", date)])
}

fn secs(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

fn unix(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Converts an IMF-fixdate to the obsolete RFC 850 form.
fn rfc850(imf: &str) -> String {
    let weekday = match &imf[..3] {
        "Tue" => "Tuesday",
        "Wed" => "Wednesday",
        "Thu" => "Thursday",
        "Sat" => "Saturday",
        "Mon" => "Monday",
        "Fri" => "Friday",
        _ => "Sunday",
    };
    let (day, month, year, time) = (&imf[5..7], &imf[8..11], &imf[14..16], &imf[17..]);
    format!("{weekday}, {day}-{month}-{year} {time}")
}

/// Converts an IMF-fixdate to the obsolete asctime form.
fn asctime(imf: &str) -> String {
    let (weekday, day, month, year, time) = (
        &imf[..3],
        &imf[5..7],
        &imf[8..11],
        &imf[12..16],
        &imf[17..25],
    );
    let day = day.strip_prefix('0').unwrap_or(day);
    format!("{weekday} {month} {day:>2} {time} {year}")
}

mod vectors {
    use super::*;

    struct Case {
        name: String,
        /// `None` if `http` rejects the bytes: no response can contain them.
        fields: Option<Vec<HeaderValue>>,
        date: Option<String>,
        age: Option<String>,
        now: f64,
        expected: Option<Duration>,
        also_ok: Vec<Option<Duration>>,
        at_least: bool,
        is_lenient: bool,
    }

    impl Case {
        fn all() -> Vec<Self> {
            let file: Value = serde_json::from_str(include_str!("../../vectors/retry_after.json"))
                .expect("the vectors are JSON");
            let cases = file["cases"].as_array().expect("a list of cases");
            cases.iter().map(Self::read).collect()
        }

        fn read(case: &Value) -> Self {
            let fields = match &case["retry_after"] {
                Value::Array(fields) => fields.as_slice(),
                one => std::slice::from_ref(one),
            };
            let also_ok = case["also_ok"].as_array().map_or(&[][..], Vec::as_slice);
            let at_least = match case["compare"].as_str() {
                None => false,
                Some("at_least") => true,
                Some(other) => panic!("an unknown comparison: {other}"),
            };
            Self {
                name: case["name"].as_str().expect("a name").to_owned(),
                fields: fields.iter().map(latin1).collect(),
                date: case["date"].as_str().map(str::to_owned),
                age: case["age"].as_str().map(str::to_owned),
                now: case["now"].as_f64().expect("a number"),
                expected: seconds(&case["expected"]),
                also_ok: also_ok.iter().map(seconds).collect(),
                at_least,
                is_lenient: case["lenient"].as_bool().expect("yes or no"),
            }
        }

        fn accepts(&self, wait: Option<Duration>) -> bool {
            let as_expected = match self.at_least {
                true => wait >= self.expected,
                false => wait == self.expected,
            };
            as_expected || self.is_lenient && self.also_ok.contains(&wait)
        }

        fn headers(&self, date: Option<&str>) -> Option<HeaderMap> {
            let mut headers = HeaderMap::new();
            for field in self.fields.as_ref()? {
                headers.append("retry-after", field.clone());
            }
            if let Some(date) = date {
                headers.insert(DATE, date.parse().expect("a header value"));
            }
            if let Some(age) = &self.age {
                headers.insert(AGE, age.parse().expect("a header value"));
            }
            Some(headers)
        }

        /// Returns `true` if the expected wait depends on no clock.
        fn is_timeless(&self) -> bool {
            let is_digit = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_whitespace();
            let mut fields = self.fields.iter().flatten();
            self.expected.is_none() && !self.is_lenient
                || fields.all(|field| field.as_bytes().iter().all(is_digit))
        }

        /// Returns `true` if `Date` is invalid, so that the local clock is used.
        fn needs_local_clock(&self) -> bool {
            let is_invalid = |date: &String| parse_http_date(date).is_err();
            self.date.as_ref().is_some_and(is_invalid) && !self.is_timeless()
        }
    }

    /// Encodes each character as one byte.
    fn latin1(text: &Value) -> Option<HeaderValue> {
        let text = text.as_str().expect("a field value");
        let byte = |c| u8::try_from(u32::from(c)).expect("one byte");
        HeaderValue::from_bytes(&text.chars().map(byte).collect::<Vec<_>>()).ok()
    }

    fn seconds(value: &Value) -> Option<Duration> {
        let value = value.as_object()?;
        Some(Duration::from_secs_f64(
            value["seconds"].as_f64().expect("a number"),
        ))
    }

    #[test]
    fn vectors_are_complete() {
        let cases = Case::all();
        let names = |those: fn(&&Case) -> bool| -> Vec<_> {
            let those = cases.iter().filter(those);
            those.map(|case| case.name.as_str()).collect()
        };
        assert_eq!(cases.len(), 104);
        assert_eq!(names(|case| case.fields.is_none()), ["vertical_tab_suffix"]);
        assert_eq!(
            names(|case| case.needs_local_clock()),
            [
                "date_invalid_empty",
                "date_invalid_zero",
                "date_invalid_weekday"
            ]
        );
        assert_eq!(names(|case| case.is_timeless()).len(), 59);
    }

    /// A case without `Date` gets one from its `now`.
    #[test]
    fn date_is_measured_by_server_clock() {
        let mut count = 0;
        for case in Case::all().iter().filter(|case| !case.needs_local_clock()) {
            let now = fmt_http_date(unix(case.now as u64));
            let Some(headers) = case.headers(case.date.as_deref().or(Some(&now))) else {
                continue;
            };
            let wait = refused(429, &headers).retry_after();
            assert!(case.accepts(wait), "{}: {wait:?}", case.name);
            count += 1;
        }
        assert_eq!(count, 100);
    }

    #[test]
    fn seconds_need_no_clock() {
        for case in Case::all().iter().filter(|case| case.is_timeless()) {
            let Some(headers) = case.headers(None) else {
                continue;
            };
            let wait = refused(429, &headers).retry_after();
            assert!(case.accepts(wait), "{}: {wait:?}", case.name);
        }
    }

    /// Promise (load): `Retry-After` is read in all its forms, and a date by the server's clock.
    ///
    /// The cases with a skewed `Date` accept either clock; the crate uses the server's.
    #[test]
    fn valid_date_overrides_local_clock() {
        let is_valid = |case: &&Case| {
            case.date
                .as_deref()
                .is_some_and(|d| parse_http_date(d).is_ok())
        };
        let mut count = 0;
        for case in Case::all().iter().filter(is_valid) {
            let headers = case.headers(case.date.as_deref()).expect("a valid case");
            let wait = refused(429, &headers).retry_after();
            assert_eq!(wait, case.expected, "{}", case.name);
            count += 1;
        }
        assert_eq!(count, 16);
    }

    #[test]
    fn invalid_date_falls_back_to_local_clock() {
        for case in Case::all().iter().filter(|case| case.needs_local_clock()) {
            super::assert_by_local_clock(case.date.as_deref());
        }
    }
}

/// Asserts that a date two minutes ahead, in each form, is measured by the local clock.
fn assert_by_local_clock(date: Option<&str>) {
    let before = SystemTime::now();
    let then = fmt_http_date(before + Duration::from_secs(120));
    for form in [then.clone(), rfc850(&then), asctime(&then)] {
        let mut headers = headers(&[("retry-after", &form)]);
        if let Some(date) = date {
            headers.insert(DATE, date.parse().expect("a header value"));
        }
        let wait = refused(429, &headers).retry_after().expect("a wait");
        let then = parse_http_date(&then).expect("a date");
        let until = |now| then.duration_since(now).unwrap_or_default();
        assert!(wait <= until(before), "{form} at {date:?}: {wait:?}");
        assert!(
            wait >= until(SystemTime::now()),
            "{form} at {date:?}: {wait:?}"
        );
    }
}

mod dates {
    use super::*;

    const NOW: &str = "Mon, 03 Jun 2019 11:00:00 GMT";

    /// Promise (load): `Retry-After` is read in all its forms, and a date by the server's clock.
    #[test]
    fn date_forms_give_the_same_wait() {
        let then = "Tue, 04 Jun 2019 11:00:07 GMT";
        for form in [then.to_owned(), rfc850(then), asctime(then)] {
            assert_eq!(wait_at(NOW, &form), secs(86_407), "{form}");
            assert_eq!(wait_at(&form, &form), secs(0), "{form}");
        }
        for date in [rfc850(NOW), asctime(NOW)] {
            assert_eq!(wait_at(&date, then), secs(86_407), "{date}");
        }
    }

    #[test]
    fn missing_date_falls_back_to_local_clock() {
        assert_by_local_clock(None);
        for date in [
            "",
            "garbage",
            "1559559600",
            "Mon, 03 Jun 2019 11:00:00",
            "-1",
            "Mon, 32 Jun 2019 11:00:00 GMT",
        ] {
            assert_by_local_clock(Some(date));
        }
    }

    #[test]
    fn past_date_is_zero_wait() {
        for past in [
            NOW,
            "Mon, 03 Jun 2019 10:59:59 GMT",
            "Thu, 01 Jan 1970 00:00:00 GMT",
        ] {
            assert_eq!(wait_at(NOW, past), secs(0), "{past}");
            assert_eq!(wait_at(NOW, &asctime(past)), secs(0), "{past}");
        }
        assert_eq!(
            wait(&[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")]),
            secs(0)
        );
    }

    /// Promise (load): `Retry-After` is read in all its forms, and a date by the server's clock.
    #[test]
    fn age_shortens_the_wait() {
        let then = "Mon, 03 Jun 2019 11:01:00 GMT";
        let wait = |ages: &[&'static str], then: &str, date: &str| {
            let mut fields = vec![("retry-after", then), ("date", date)];
            fields.extend(ages.iter().map(|age| ("age", *age)));
            super::wait(&fields)
        };
        for (ages, seconds) in [
            (&["50"][..], 10),
            (&[" 50\t"], 10),
            (&["59"], 1),
            (&["60"], 0),
            (&["4294967295"], 0),
            (&["99999999999999999999999999"], 0),
            (&["50,10"], 10),
            (&["50", "10"], 10),
            (&["0"], 60),
            (&[""], 60),
            (&["5.0"], 60),
            (&["+50"], 60),
            (&["50s"], 60),
            (&["x, 50"], 60),
        ] {
            assert_eq!(wait(ages, then, NOW), secs(seconds), "{ages:?}");
            assert_eq!(
                wait(ages, &rfc850(then), &asctime(NOW)),
                secs(seconds),
                "{ages:?}"
            );
        }
        let end = "Fri, 31 Dec 9999 23:59:59 GMT";
        assert_eq!(wait(&["99999999999999999999999999"], end, end), secs(0));
        let milliseconds = [("retry-after-ms", "1500"), ("date", NOW), ("age", "50")];
        assert_eq!(
            super::wait(&milliseconds),
            Some(Duration::from_millis(1500))
        );
    }

    #[test]
    fn age_without_date_is_ignored() {
        let then = SystemTime::now() + Duration::from_secs(120);
        let fields = [
            ("retry-after", fmt_http_date(then)),
            ("age", "50".to_owned()),
        ];
        let wait = super::wait(&fields).expect("a wait");
        assert!(wait > Duration::from_secs(100), "{wait:?}");
    }

    #[test]
    fn leap_second_is_next_minute() {
        let leap = "Sat, 31 Dec 2016 23:59:60 GMT";
        for form in [leap.to_owned(), rfc850(leap), asctime(leap)] {
            assert_eq!(
                wait_at("Sat, 31 Dec 2016 23:59:00 GMT", &form),
                secs(60),
                "{form}"
            );
            assert_eq!(
                wait_at(&form, "Sun, 01 Jan 2017 00:00:30 GMT"),
                secs(30),
                "{form}"
            );
        }
        for odd in [
            "Sat, 31 Dec 2016 23:59:61 GMT",
            "Sat, 32 Dec 2016 23:59:60 GMT",
            "23:59:60",
        ] {
            assert_eq!(wait_at("Sat, 31 Dec 2016 23:59:00 GMT", odd), None, "{odd}");
        }
    }

    #[test]
    fn impossible_date_is_rejected() {
        for never in [
            "Fri, 29 Feb 2019 00:00:00 GMT",
            "Mon, 31 Jun 2019 00:00:00 GMT",
            "Tue, 03 Jun 2019 11:00:00 GMT",
            "Mon, 03 Jun 2019 24:00:00 GMT",
            "Mon, 03 Jun 2019 11:60:00 GMT",
        ] {
            assert_eq!(wait_at(NOW, never), None, "{never}");
        }
        assert_eq!(
            wait_at(
                "Fri, 28 Feb 2020 23:59:59 GMT",
                "Sat, 29 Feb 2020 00:00:00 GMT"
            ),
            secs(1)
        );
    }

    #[test]
    fn rfc_850_date_without_space_is_rejected() {
        let now = "Fri, 08 Mar 2024 14:00:00 GMT";
        assert_eq!(wait_at(now, "Friday, 08-Mar-24 14:27:13 GMT"), secs(1633));
        for bad in [
            "Friday, 08-Mar-24314:27:13 GMT",
            "Friday, 08-Mar-24-14:27:13 GMT",
            "Friday, 08-Mar-24T14:27:13 GMT",
        ] {
            assert_eq!(wait_at(now, bad), None, "{bad}");
        }
    }

    #[test]
    fn year_9999_is_a_very_long_wait() {
        let last = "Fri, 31 Dec 9999 23:59:59 GMT";
        assert!(wait_at(NOW, last) > Some(VERY_LONG));
        assert_eq!(wait_at(last, last), secs(0));
        assert_eq!(
            wait_at(
                "Fri, 31 Dec 9999 23:59:58 GMT",
                &last.replace("59 GMT", "60 GMT")
            ),
            secs(2)
        );
    }

    #[test]
    fn two_digit_year_is_relative_to_date() {
        for (date, then, expected) in [
            // The next century begins.
            (
                "Fri, 31 Dec 1999 23:59:59 GMT",
                "Saturday, 01-Jan-00 00:00:00 GMT",
                secs(1),
            ),
            (
                "Thu, 31 Dec 2099 23:59:59 GMT",
                "Friday, 01-Jan-00 00:00:00 GMT",
                secs(1),
            ),
            // The previous century is over.
            (
                "Sat, 01 Jan 2000 00:00:00 GMT",
                "Friday, 31-Dec-99 23:59:59 GMT",
                secs(0),
            ),
            (
                "Fri, 01 Jan 2100 00:00:00 GMT",
                "Thursday, 31-Dec-99 23:59:59 GMT",
                secs(0),
            ),
            // Less than fifty years ahead.
            (
                "Sun, 06 Nov 1994 08:49:37 GMT",
                "Wednesday, 03-Jun-43 00:00:00 GMT",
                secs(1_532_790_623),
            ),
            (
                "Sun, 01 Jan 2090 00:00:00 GMT",
                "Thursday, 01-Jan-39 00:00:00 GMT",
                secs(1_546_214_400),
            ),
            // More than fifty years ahead means the past, which has another weekday.
            (
                "Wed, 01 Jan 2025 00:00:00 GMT",
                "Wednesday, 01-Jan-76 00:00:00 GMT",
                None,
            ),
            (
                "Wed, 01 Jan 2025 00:00:00 GMT",
                "Thursday, 01-Jan-76 00:00:00 GMT",
                secs(0),
            ),
        ] {
            assert_eq!(wait_at(date, then), expected, "{then} at {date}");
        }
    }

    #[test]
    fn two_digit_year_in_date_header_is_read() {
        let now = SystemTime::now();
        let then = fmt_http_date(now + Duration::from_secs(120));
        let date = rfc850(&fmt_http_date(now + Duration::from_secs(60)));
        assert_eq!(wait_at(&date, &then), secs(60), "{then} at {date}");
    }

    #[test]
    fn whitespace_around_date_is_ignored() {
        let then = "\t Mon, 03 Jun 2019 11:00:09 GMT ";
        assert_eq!(wait_at(" Mon, 03 Jun 2019 11:00:00 GMT\t", then), secs(9));
    }
}

mod milliseconds {
    use super::*;

    const NAMES: [&str; 2] = ["retry-after-ms", "x-ms-retry-after-ms"];
    const MALFORMED: [&str; 11] = [
        "",
        " ",
        "1.5",
        "-1",
        "+1",
        "1e3",
        "0x10",
        "1 500",
        "soon",
        "1500ms",
        "Mon, 03 Jun 2019 11:02:00 GMT",
    ];

    #[test]
    fn milliseconds_override_seconds() {
        for name in NAMES {
            let ms = Some(Duration::from_millis(1500));
            assert_eq!(wait(&[(name, "1500")]), ms);
            assert_eq!(wait(&[("retry-after", "7"), (name, "1500")]), ms);
            assert_eq!(wait(&[(name, " 0 "), ("retry-after", "7")]), secs(0));
        }
        assert_eq!(wait(&[(NAMES[1], "2000"), (NAMES[0], "1000")]), secs(1));
    }

    #[test]
    fn malformed_milliseconds_fall_back() {
        for bad in MALFORMED {
            assert_eq!(
                wait(&[(NAMES[0], bad), ("retry-after", "7")]),
                secs(7),
                "{bad}"
            );
            assert_eq!(
                wait(&[(NAMES[1], bad), ("retry-after", "7")]),
                secs(7),
                "{bad}"
            );
            assert_eq!(
                wait(&[(NAMES[0], bad), (NAMES[1], "9000")]),
                secs(9),
                "{bad}"
            );
            assert_eq!(wait(&[(NAMES[0], bad), (NAMES[1], bad)]), None, "{bad}");
        }
    }

    #[test]
    fn milliseconds_hide_malformed_seconds() {
        assert_eq!(
            wait(&[("retry-after", "soon"), (NAMES[0], "1000")]),
            secs(1)
        );
    }
}

mod extremes {
    use super::*;
    use crate::support::script::{Script, answer};

    const HUGE: [&str; 5] = [
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "18446744073709551620", // 4 if the number wraps
        "99999999999999999999999999999999999999999999999999",
    ];

    /// Promise (load): An overflowing `Retry-After` is a very long wait, never a short one.
    #[test]
    fn overflow_is_a_very_long_wait() {
        for huge in HUGE {
            for name in ["retry-after", "retry-after-ms", "x-ms-retry-after-ms"] {
                assert!(wait(&[(name, huge)]) >= Some(VERY_LONG), "{name}: {huge}");
            }
        }
    }

    #[test]
    fn leading_zeros_are_ignored() {
        let number = format!("{:09999}", 7);
        assert_eq!(wait(&[("retry-after", number)]), secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn overflow_ends_the_request_at_once() {
        for huge in HUGE {
            let script = Script::new([answer(503).retry_after(huge)]);
            let error = hasty().layer(script.clone()).oneshot(get()).await.refused();
            assert_eq!(error.stop_reason(), StopReason::RetryAfterTooLong, "{huge}");
            assert_eq!(script.count(), 1, "{huge}");
        }
    }

    /// RFC 9110 allows one field only; a field added by a proxy must not shorten the wait.
    #[test]
    fn longest_of_several_fields_counts() {
        assert_eq!(wait(&[("retry-after", "3"), ("retry-after", "2")]), secs(3));
        assert_eq!(wait(&[("retry-after", "2"), ("retry-after", "3")]), secs(3));
        assert_eq!(
            wait(&[("retry-after", "2"), ("retry-after", "soon")]),
            secs(2)
        );
    }
}

mod quota {
    use super::*;

    fn kind_of_403<V: AsRef<[u8]>>(fields: &[(&'static str, V)]) -> StatusKind {
        let headers = headers(fields);
        let error = refused(403, &headers);
        let kind = StatusKind::classify(StatusCode::FORBIDDEN, &headers);
        assert_eq!(kind, Some(error.kind()), "`classify` and the error agree");
        error.kind()
    }

    #[test]
    fn readable_wait_makes_403_quota_exceeded() {
        let readable = [
            ("retry-after", "1802"),
            ("retry-after", "0"),
            ("retry-after", "99999999999999999999"),
            ("retry-after", "Mon, 03 Jun 2019 11:02:00 GMT"),
            ("retry-after", "Monday, 03-Jun-19 11:02:00 GMT"),
            ("retry-after", "Mon Jun  3 11:02:00 2019"),
            ("retry-after-ms", "250"),
            ("x-ms-retry-after-ms", "250"),
        ];
        for field in readable {
            assert_eq!(
                kind_of_403(&[field]),
                StatusKind::QuotaExceeded,
                "{field:?}"
            );
        }
    }

    #[test]
    fn unreadable_wait_leaves_403_forbidden() {
        assert_eq!(kind_of_403::<&str>(&[]), StatusKind::Forbidden);
        for value in [
            "",
            "soon",
            "-1",
            "1.5",
            "00:30:02",
            "Mon, 03 Jun 2019 25:02:00 GMT",
        ] {
            for name in ["retry-after", "retry-after-ms", "x-ms-retry-after-ms"] {
                assert_eq!(
                    kind_of_403(&[(name, value)]),
                    StatusKind::Forbidden,
                    "{name}: {value}"
                );
            }
        }
        assert_eq!(
            kind_of_403(&[("retry-after", b"12\xFF")]),
            StatusKind::Forbidden
        );
    }
}

mod any_input {
    use super::*;

    fn config() -> ProptestConfig {
        ProptestConfig {
            cases: 1024,
            failure_persistence: None,
            ..ProptestConfig::default()
        }
    }

    /// Random bytes, numbers, and strings that resemble dates.
    fn field() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            "[ \t]?[0-9]{0,30}[ \t]?".prop_map(String::into_bytes),
            near_date().prop_map(String::into_bytes),
        ]
    }

    /// A date of any form in which no, one or several parts are wrong.
    fn near_date() -> impl Strategy<Value = String> {
        let weekday = "(Mon|Tue|Wed|Thu|Fri|Sat|Sun|Monday|Thursday|Sunday|mon|Xyz|)";
        let day = "([0-2][0-9]|3[01]| [1-9]|00|99|[0-9]|)";
        let month = "(Jan|Feb|Jun|Dec|dec|Foo|)";
        let year = "(19[0-9]{2}|20[0-9]{2}|[0-9]{2}|0000|9999|[0-9]{5}|)";
        let time = "([01][0-9]:[0-5][0-9]:[0-5][0-9]|23:59:60|24:00:00|99:99:99|[0-9]:0:0|)";
        let end = "( GMT| UTC| |GMT|)";
        let form = |form: &str| prop::string::string_regex(form).expect("a regex");
        prop_oneof![
            form(&format!("{weekday}, {day} {month} {year} {time}{end}")),
            form(&format!("{weekday}, {day}-{month}-{year} {time}{end}")),
            form(&format!("{weekday} {month} {day} {time} {year}")),
            form("[A-Za-z0-9,: é\u{2212}-]{20,32}"),
        ]
    }

    fn map(fields: Vec<(&'static str, Vec<u8>)>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.append(name, value);
            }
        }
        headers
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn any_headers_give_consistent_error(
            fields in prop::collection::vec(
                (
                    prop::sample::select(vec![
                        "retry-after", "retry-after", "date", "retry-after-ms",
                        "x-ms-retry-after-ms",
                    ]),
                    field(),
                ),
                0..5,
            ),
            status in 400..1000_u16,
        ) {
            prop_assume!(status != 503 && status != 504); // the layer would resend after these
            let headers = map(fields);
            let error = refused(status, &headers);
            prop_assert_eq!(error.status(), status);
            prop_assert_eq!(error.headers(), &headers);
            let quota = status == 403 && error.retry_after().is_some();
            prop_assert_eq!(error.kind() == StatusKind::QuotaExceeded, quota);
            let kind = StatusKind::classify(error.status(), &headers);
            prop_assert_eq!(kind, Some(error.kind()));
        }

        #[test]
        fn attempt_and_error_have_equal_retry_after(retry_after in field(), date in field()) {
            // Without a valid `Date` the local clock counts, and advances between the calls.
            let date = [date, b"Mon, 03 Jun 2019 11:00:00 GMT".to_vec()].into_iter().find(|date| {
                std::str::from_utf8(date).is_ok_and(|date| parse_http_date(date).is_ok())
            });
            let fields = vec![("retry-after", retry_after), ("date", date.expect("one at least"))];
            let headers = map(fields);
            let error = refused(429, &headers);
            let (request, ()) = Request::new(()).into_parts();
            let (mut response, ()) = Response::new(()).into_parts();
            response.headers = headers;
            let attempt = Attempt::new(&request, &response, error.body());
            prop_assert_eq!(attempt.retry_after(), error.retry_after());
        }

        #[test]
        fn any_two_dates_give_their_distance(
            date in 0..253_402_300_800_u64,
            then in 0..253_402_300_800_u64,
        ) {
            let expected = secs(then.saturating_sub(date));
            let (date, then) = (fmt_http_date(unix(date)), fmt_http_date(unix(then)));
            prop_assert_eq!(wait_at(&date, &then), expected);
            prop_assert_eq!(wait_at(&date, &asctime(&then)), expected);
            prop_assert_eq!(wait_at(&asctime(&date), &then), expected);
        }

        #[test]
        fn two_digit_year_is_right_within_50_years(
            date in 1_600_000_000..250_000_000_000_u64,
            ahead in -1_577_600_000..1_577_600_000_i64, // 50 years less two days
        ) {
            let then = date.saturating_add_signed(ahead);
            let expected = secs(then.saturating_sub(date));
            let (date, then) = (fmt_http_date(unix(date)), fmt_http_date(unix(then)));
            prop_assert_eq!(wait_at(&date, &rfc850(&then)), expected, "{} at {}", then, date);
        }
    }
}
