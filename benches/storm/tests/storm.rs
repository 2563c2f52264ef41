//! The simulated fleet: correct counts, and the claims about the defaults.

use std::time::Duration;

use revio_status::{Budget, StandardPolicy};
use tokio::time::advance;
use tower::retry::budget::{Budget as _, TpsBudget};

use storm::{
    allowance::{Allowance, Failure, Tokens, Tps},
    args::{self, Command},
    events::{Agenda, Event, Nanos, SECOND},
    fleet::run,
    gains,
    measure::{Measures, Second},
    plot,
    policies::{self, Policy},
    scenario::{self, LASTING, MAINTENANCE, NOTHING, OVERLOAD, Scenario, World},
    settings::ten_seconds_of_requests,
    table,
};

/// Small enough for a debug build.
fn small() -> World {
    World {
        minutes: 11,
        ..World::new(1_000)
    }
}

/// Large enough to make chance irrelevant.
fn large() -> World {
    World {
        minutes: 11,
        ..World::new(3_000)
    }
}

fn all_scenarios() -> impl Iterator<Item = Scenario> {
    let known = scenario::ALL.into_iter().chain(LASTING);
    known.chain([NOTHING])
}

fn policy(name: &str) -> Policy {
    let mut policies = policies::all().into_iter();
    policies.find(|policy| policy.name == name).unwrap()
}

fn with_reserve(reserve: u32) -> Policy {
    let budget = move || Some(Budget::new(reserve, 0.1));
    let name = format!("reserve {reserve}");
    Policy::ours(&name, StandardPolicy::default(), budget)
}

/// Returns the attempts for each request from this minute on, while clients still send.
fn amplification_from(minute: usize, measures: &Measures, world: &World) -> f64 {
    let seconds = &measures.seconds[minute * 60..world.minutes as usize * 60];
    let sum = |count: fn(&Second) -> u32| seconds.iter().map(count).sum::<u32>();
    f64::from(sum(|second| second.sent)) / f64::from(sum(|second| second.asked))
}

#[test]
fn every_request_ends_once() {
    for scenario in all_scenarios() {
        for policy in policies::all() {
            let measures = run(&small(), &scenario, &policy);
            let name = format!("{}, {}", scenario.name, policy.name);
            assert!(measures.asked > 10_000, "{name}");
            assert_eq!(measures.asked, measures.good + measures.bad, "{name}");
            assert_eq!(measures.asked, measures.waits.len(), "{name}");
            assert!(measures.sent + measures.unsent >= measures.asked, "{name}");
            assert!(measures.posts_lost <= measures.bad, "{name}");
            assert!(measures.executed <= measures.sent, "{name}");
            assert!(
                measures.executed >= measures.good + measures.wasted,
                "{name}"
            );
            let sum = |count: fn(&Second) -> u32| -> u64 {
                measures.seconds.iter().map(|s| u64::from(count(s))).sum()
            };
            assert_eq!(measures.sent, sum(|second| second.sent), "{name}");
            assert_eq!(measures.good, sum(|second| second.good), "{name}");
        }
    }
}

#[test]
fn gains_need_all_three_scenarios() {
    let measures = Measures {
        asked: 100,
        good: 92,
        posts_twice: 3,
        ..Measures::new(1)
    };
    let row = |policy: Policy| (policy.name, measures.clone());
    let rows = || policies::all().into_iter().map(row).collect();
    let mut shown: Vec<_> = scenario::ALL.iter().map(|it| (it, rows())).collect();
    let svg = gains::plot(&shown).unwrap().unwrap();
    let line = "requests that fail: no retry 8.0 %, revio-status 8.0 %,";
    assert!(svg.contains(line), "{svg}");
    assert!(svg.contains("of 90,000: no retry 3,"), "{svg}");
    shown.retain(|(scenario, _)| scenario.name != "backend");
    assert!(gains::plot(&shown).is_none());
}

#[test]
fn time_only_goes_forward() {
    let mut agenda = Agenda::default();
    let mut rng = fastrand::Rng::with_seed(1);
    (0..100).for_each(|_| agenda.note(rng.u64(..SECOND), Event::Ask));
    let mut times = Vec::new();
    while agenda.next().is_some() {
        times.push(agenda.now());
        if times.len() < 1_000 {
            agenda.note(agenda.now() + rng.u64(..SECOND), Event::Ask);
            agenda.note_in_order(agenda.now() + SECOND / 2, Event::End);
        }
    }
    assert!(times.len() > 2_000 && times.is_sorted());
}

#[test]
#[should_panic(expected = "in the past")]
fn event_in_the_past_panics() {
    let mut agenda = Agenda::default();
    agenda.note(2, Event::Ask);
    agenda.next();
    agenda.note(1, Event::Ask);
}

#[test]
fn no_failure_sends_each_request_once() {
    for policy in policies::all() {
        let measures = run(&small(), &NOTHING, &policy);
        assert_eq!(measures.sent, measures.asked, "{}", policy.name);
        assert_eq!(measures.executed, measures.good, "{}", policy.name);
        assert_eq!(measures.bad, 0, "{}", policy.name);
    }
}

#[test]
fn same_seed_gives_same_output() {
    let output = |seed| {
        let world = World { seed, ..small() };
        let rows = ["revio-status", "AWS until 2026"].map(|name| {
            let measures = run(&world, &OVERLOAD, &policy(name));
            (name.to_owned(), measures)
        });
        let svg = plot::scenario(&world, &OVERLOAD, &rows).unwrap();
        table::scenario(&world, &OVERLOAD, &rows) + &svg
    };
    let first = output(1);
    assert_ne!(first, output(2));
    assert_eq!(first, output(1));
}

#[test]
fn all_policies_meet_the_same_requests() {
    let asked = |name| {
        let measures = run(&small(), &OVERLOAD, &policy(name));
        let asked: Vec<_> = measures.seconds.iter().map(|second| second.asked).collect();
        (asked[..660].to_vec(), measures.posts)
    };
    assert_eq!(asked("no retry"), asked("reqwest-retry"));
}

#[test]
fn default_policy_applies_no_post_twice() {
    for scenario in all_scenarios() {
        let measures = run(&small(), &scenario, &policies::ours());
        assert_eq!(measures.posts_twice, 0, "{}", scenario.name);
    }
    // Other policies apply POSTs twice in the same scenario.
    for name in [
        "3 attempts at once",
        "AWS until 2026",
        "AWS since Nov. 2026",
        "tower + TpsBudget",
        "reqwest-retry",
    ] {
        let measures = run(&small(), &scenario::SLOW, &policy(name));
        assert!(measures.posts_twice > 0, "{name}");
    }
}

#[test]
fn spent_reserve_limits_retries_to_a_tenth() {
    let world = World {
        minutes: 25,
        ..small()
    };
    for scenario in &LASTING {
        // In a brownout the reserve lasts until the 15th minute. After that only deposits allow retries.
        for (policy, is_modest) in [(policies::ours(), true), (policy("reqwest-retry"), false)] {
            let measures = run(&world, scenario, &policy);
            let amplification = amplification_from(15, &measures, &world);
            let name = format!("{}, {}", scenario.name, policy.name);
            assert_eq!(amplification <= 1.1, is_modest, "{name}: {amplification}");
        }
    }
}

#[test]
fn no_modest_policy_recovers_sooner() {
    let is_modest_policy = |policy: &Policy| {
        LASTING.iter().all(|scenario| {
            let measures = run(&small(), scenario, policy);
            amplification_from(8, &measures, &small()) <= 1.1
        })
    };
    let ours = policies::ours();
    let mut others = policies::all();
    others.retain(|policy| policy.name != ours.name);
    others.extend([0, 10, 20, 50].map(with_reserve));
    others.retain(is_modest_policy);
    assert!(is_modest_policy(&ours) && others.len() >= 5);
    for scenario in [OVERLOAD, scenario::OUTAGE, MAINTENANCE, scenario::SLOW] {
        let recovery = |policy| {
            let measures = run(&large(), &scenario, policy);
            measures.recovery(&scenario, &large()).unwrap_or(u64::MAX)
        };
        let seconds = recovery(&ours);
        assert!(seconds <= 20, "{}: {seconds}", scenario.name);
        for other in &others {
            let theirs = recovery(other);
            let name = format!("{}, {}", scenario.name, other.name);
            assert!(seconds <= theirs, "{name}: {theirs} s, {seconds} s");
        }
    }
}

#[test]
fn many_processes_multiply_the_reserve() {
    let recovery = |processes| {
        // In a larger fleet, chance ends a storm less often.
        let world = World {
            processes,
            minutes: 11,
            ..World::new(10_000)
        };
        let measures = run(&world, &OVERLOAD, &with_reserve(100));
        measures.recovery(&OVERLOAD, &world).unwrap_or(u64::MAX)
    };
    let accounts = World::new(10_000).accounts();
    let (few, many) = (recovery(accounts), recovery(accounts * 10));
    assert!(few + 60 < many, "{few} s, {many} s");
}

#[test]
fn ten_second_reserve_suits_every_fleet() {
    for processes_per_account in [1, 5, 25] {
        let mut world = World::new(10_000);
        world.minutes = 11;
        world.processes = world.accounts() * processes_per_account;
        let policy = ten_seconds_of_requests(&world);
        let overload = run(&world, &OVERLOAD, &policy);
        let recovery = overload.recovery(&OVERLOAD, &world);
        let name = &policy.name;
        assert!(recovery.is_some_and(|s| s <= 20), "{name}: {recovery:?}");
        let restart = |policy| run(&world, &scenario::RESTART, policy).success();
        assert!(restart(&policy) > restart(&with_reserve(0)), "{name}");
    }
}

#[test]
fn retry_after_stops_sends_in_maintenance() {
    let measures = run(&small(), &MAINTENANCE, &policies::ours());
    assert_eq!(measures.sent, measures.asked);
    let measures = run(&small(), &MAINTENANCE, &policy("AWS until 2026"));
    assert!(measures.sent > measures.asked);
}

#[test]
fn plain_503_starts_no_cooldown() {
    for scenario in [scenario::SLOW, scenario::OUTAGE, scenario::RESTART] {
        let [plain, cooling] =
            [policies::ours(), policies::cooling()].map(|policy| run(&small(), &scenario, &policy));
        assert_eq!(plain, cooling, "{}", scenario.name);
    }
}

#[test]
fn cooldown_on_503_blocks_healthy_back_ends() {
    let [plain, cooling] = [policies::ours(), policies::cooling()]
        .map(|policy| run(&small(), &scenario::BACKEND, &policy));
    assert!(plain.success() > 0.97, "{}", plain.success());
    assert!(cooling.success() < 0.7, "{}", cooling.success());
    assert!(cooling.posts_lost > plain.posts_lost * 4);
    assert!(cooling.wait(0.75) > 10.0 && plain.wait(0.75) < 1.0);
    // The benefit: fewer calls to the bad back end.
    assert!(cooling.refused * 2 < plain.refused);
}

#[test]
fn aws_tokens_grant_documented_retries() {
    let retries = |transient, throttled, failure| {
        let mut allowance = Allowance::Tokens(Tokens::new(transient, throttled));
        (0..).take_while(|_| allowance.withdraw(0, failure)).count()
    };
    assert_eq!(retries(5, 5, Failure::Transient), 100);
    assert_eq!(retries(14, 5, Failure::Transient), 35);
    assert_eq!(retries(14, 5, Failure::Throttled), 100);
    // A retry that succeeds gives back its own cost, another request 1.
    for (last, earned) in [
        (Some(Failure::Transient), 14),
        (Some(Failure::Throttled), 5),
        (None, 1),
    ] {
        let mut again = Allowance::Tokens(Tokens::new(14, 5));
        while again.withdraw(0, Failure::Transient) {}
        // 10 tokens remain after 35 retries.
        again.succeed(0, last);
        let more = (0..)
            .take_while(|_| again.withdraw(0, Failure::Throttled))
            .count();
        assert_eq!(more, (10 + earned) / 5, "{last:?}");
    }
}

#[test]
fn invalid_arguments_are_explained() {
    let parse = |words: &str| args::parse(words.split_whitespace().map(Into::into));
    let refusal = |words| parse(words).unwrap_err().to_string();
    assert!(refusal("--clients 3").contains("100 at least"));
    assert!(refusal("--minutes 5").contains("11 at least"));
    assert!(refusal("--scenario flood").contains("no scenario \"flood\""));
    assert!(refusal("--policy polite").contains("revio-status"));
    assert!(refusal("--speed 3").contains("--speed"));
    let Ok(Command::Run(args)) = parse("--clients 5000 --processes 7 --policy AWS") else {
        panic!("valid arguments");
    };
    assert_eq!((args.world().clients, args.world().processes), (5_000, 7));
    assert!(matches!(parse("-h"), Ok(Command::Help)));
}

#[tokio::test(start_paused = true)]
async fn tps_budget_matches_towers() {
    let theirs = TpsBudget::default();
    let mut ours = Allowance::Tps(Tps::default());
    let mut rng = fastrand::Rng::with_seed(3);
    let (mut now, mut granted) = (0, [0_u32; 2]);
    for _ in 0..10_000 {
        let step = rng.u64(..SECOND / 50);
        now += step as Nanos;
        advance(Duration::from_nanos(step)).await;
        if rng.u8(..3) == 0 {
            theirs.deposit();
            ours.succeed(now, None);
        } else {
            granted[0] += u32::from(theirs.withdraw());
            granted[1] += u32::from(ours.withdraw(now, Failure::Transient));
        }
    }
    // About 6,700 retries were requested in 100 s. The one-second slots need not begin together.
    assert!((1_000..3_000).contains(&granted[0]), "{granted:?}");
    assert!(
        granted[0].abs_diff(granted[1]) * 20 < granted[0],
        "{granted:?}"
    );
}
