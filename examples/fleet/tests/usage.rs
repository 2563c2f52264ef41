//! The command line: what it says, and what it needs.

mod support;

use fleet::{
    args::{self, Share},
    fleet::specs,
};
use support::{
    program::{EXACT, URL, program, text, three_for},
    redis,
};

#[test]
fn missing_redis_is_explained() {
    let output = program(&[])
        .env("PATH", "/nowhere")
        .output()
        .expect("it runs");
    let (_, error) = text(&output);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.contains("apt-get install redis-server") && error.contains(URL),
        "{error}"
    );
}

#[test]
fn other_shares_need_no_redis() {
    for share in ["fixed", "nothing"] {
        let mut program = three_for("1");
        program.args(["--share", share]).env("PATH", "/nowhere");
        let (out, error) = text(&program.output().expect("it runs"));
        assert!(out.contains(EXACT), "{share}: {out}{error}");
    }
}

#[test]
fn last_process_sends_ten_times_as_much() {
    let words = ["--processes", "3", "--limit", "600", "--minutes", "2"];
    let Ok(Some(args)) = args::parse(words.map(Into::into)) else {
        panic!("a run")
    };
    let specs = specs(&args, Share::Redis, ([127, 0, 0, 1], 1).into());
    let wants = specs.iter().map(|spec| spec.per_second);
    // Together 15 a second, half as much again as the limit.
    assert_eq!(wants.collect::<Vec<_>>(), [1.25, 1.25, 12.5]);
    let lengths = specs.iter().map(|spec| spec.length.as_secs());
    assert_eq!(lengths.collect::<Vec<_>>(), [120; 3]);
}

#[test]
fn wrong_usage_shows_no_password() {
    let url = "redis//:horse@here";
    let wrong: [(&[&str], &str, &str); 4] = [
        (&["--processes", "0"], url, "from 1 to 100"),
        (&["--share", "half"], url, "redis, fixed or nothing"),
        (&[], url, "no URL of a Redis"),
        (&[], "rediss://:horse@127.0.0.1", "built without"),
    ];
    for (args, url, words) in wrong {
        let output = program(args).env(URL, url).output();
        let output = output.expect("it runs");
        let (_, error) = text(&output);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(words) && !error.contains("horse"), "{error}");
    }
}

#[test]
fn shares_are_compared_side_by_side() {
    let Some(redis) = redis(&[]) else { return };
    let output = three_for("1")
        .arg("--compare")
        .env(URL, redis.url())
        .output();
    let (out, error) = text(&output.expect("it runs"));
    assert_eq!(out.matches(EXACT).count(), 3, "{out}{error}");
    let (_, table) = out.split_once("SHARED ").expect("a table");
    let firsts = table.lines().skip(1).map(|line| line.split(' ').next());
    let firsts: Vec<_> = firsts.collect();
    assert_eq!(firsts, ["nothing", "fixed", "redis"].map(Some), "{out}");
}
