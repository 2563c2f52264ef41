//! Sends the requests of a scene, one after the other, as a strict executor: a future is polled only
//! after a wake-up, unless the scene wants an extra poll.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::{Request, Response};
use revio_status::{Budget, Cooldown, Deadline, Error, Idempotent, RevioStatus};
use tower::{Layer, Service};

use super::{
    cooldown::{Account, Model},
    model::Judge,
    scene::{Hint, Job, Scene},
    service::{Inner, Length, Mark},
    settings::Settings,
    setup::{AnyPolicy, layer},
    upload::{Broken, Script, Upload},
    world::{Event, Flag, World},
};

type Client = RevioStatus<Inner, AnyPolicy>;
type Outcome = Option<Result<Response<Script>, Error>>;

/// Millionths of one retry.
pub const RETRY: u64 = 1_000_000;

pub const URI: &str = "http://user:secret@api.test/v1/Notes?page=2";

pub fn run(scene: &Scene) {
    let settings = &scene.settings;
    let world = World::new(settings.slop(), settings.account);
    let budget = settings
        .budget
        .map(|(reserve, ratio)| Budget::new(reserve.get(), ratio.get()));
    let cooldown = settings.account.max().map(Cooldown::new);
    let layer = layer(settings, &world, budget.clone(), cooldown.clone());
    let mut client = layer.layer(Inner::new(&world));
    let mut model = Model::default();
    let mut balance = settings
        .budget
        .map_or(0, |(reserve, _)| RETRY * u64::from(reserve.get()));
    for job in scene
        .jobs
        .iter()
        .take(3)
        .filter(|job| !job.scripts.is_empty())
    {
        let play = Play {
            world: &world,
            settings,
            job,
            budget: budget.as_ref(),
            cooldown: cooldown.as_ref(),
        };
        (balance, model) = play.run(&mut client, balance, model);
    }
    drop((client, layer));
    assert_eq!(world.state().counts.instances.get(), 0);
}

pub struct Play<'a> {
    pub world: &'a World,
    pub settings: &'a Settings,
    pub job: &'a Job,
    budget: Option<&'a Budget>,
    pub cooldown: Option<&'a Cooldown>,
}

impl Play<'_> {
    /// Returns the budget's balance and the cool-down afterwards.
    fn run(&self, client: &mut Client, balance: u64, model: Model) -> (u64, Model) {
        let balance = self.begin(balance);
        if !self.is_ready(client) {
            return (balance, model);
        }
        let flag = Flag::up();
        let mut future = Box::pin(client.call(self.request()));
        let outcome = self.drive(future.as_mut(), &flag);
        let is_ended = outcome.is_some();
        if is_ended {
            self.nothing_is_held(&outcome);
        }
        drop(future);
        self.nothing_is_held(&outcome);
        self.drain();
        let epoch = self.world.instant(Duration::ZERO);
        let log = std::mem::take(&mut self.world.state().log);
        let mut judge = Judge::new(self.settings, self.job, balance, model, epoch);
        let balance = judge.judge(&log, &outcome);
        let model = judge.cooldown;
        self.check_end(&model);
        drop((log, outcome));
        self.nothing_is_left();
        if let Some(budget) = self.budget {
            assert_eq!(
                u64::from(budget.available()),
                balance / RETRY,
                "the budget's balance"
            );
        }
        (balance, model)
    }

    fn check_end(&self, model: &Model) {
        let until = self.cooldown.and_then(Cooldown::until);
        assert_eq!(
            until,
            model.active.map(|(until, _)| self.world.instant(until))
        );
    }

    fn begin(&self, balance: u64) -> u64 {
        let mut state = self.world.state();
        state.begin(&self.job.scripts);
        let (Some(budget), Some((reserve, ratio))) = (self.budget, self.settings.budget) else {
            return 0;
        };
        match self.job.budget_use {
            None => balance,
            Some(true) => {
                budget.deposit();
                (balance + ratio.millionths()).min(RETRY * u64::from(reserve.get()))
            }
            Some(false) => {
                assert_eq!(budget.withdraw(), balance >= RETRY);
                balance.checked_sub(RETRY).unwrap_or(balance)
            }
        }
    }

    fn is_ready(&self, client: &mut Client) -> bool {
        let flag = Flag::up();
        let waker = Waker::from(flag.clone());
        while self.wakes(&flag) {
            match client.poll_ready(&mut Context::from_waker(&waker)) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => return true,
                Poll::Ready(Err(error)) => {
                    let Error::Service(error) = error else {
                        panic!("a response before the call")
                    };
                    assert!(error.get_ref().is::<Broken>() && error.attempts() == 0);
                    return false;
                }
            }
        }
        panic!("a lost wakeup before the call");
    }

    fn request(&self) -> Request<Script> {
        let length = Length {
            bytes: Job::content(&self.job.body).0.len() as u64,
            is_exact: matches!(self.job.hint, Hint::Exact),
        };
        let mut request = Request::new(Script::request(self.world, self.job));
        *request.method_mut() = self.job.method.method();
        *request.uri_mut() = http::Uri::from_static(URI);
        *request.version_mut() = http::Version::HTTP_10;
        request
            .headers_mut()
            .append("x-one", "1".parse().expect("a value"));
        request
            .headers_mut()
            .append("x-one", "2".parse().expect("a value"));
        request.extensions_mut().insert(Mark(7));
        request.extensions_mut().insert(length);
        if let Some(word) = self.job.idempotent {
            request.extensions_mut().insert(Idempotent(word));
        }
        if let Some(limit) = self.job.time_limit() {
            request.extensions_mut().insert(limit);
        }
        if let Some(time) = self.job.deadline {
            let deadline = self.world.state().now + time.get();
            let deadline = Deadline(self.world.instant(deadline));
            request.extensions_mut().insert(deadline);
        }
        if let (Account::Request(_), Some(cooldown)) = (self.settings.account, self.cooldown) {
            request.extensions_mut().insert(cooldown.clone());
        }
        request
    }

    /// Returns `None` if the caller dropped the future.
    fn drive<F>(&self, mut future: Pin<&mut F>, flag: &Arc<Flag>) -> Outcome
    where
        F: Future<Output = Result<Response<Script>, Error>>,
    {
        let waker = Waker::from(flag.clone());
        for number in 0.. {
            if self
                .job
                .drop_after
                .is_some_and(|polls| number == usize::from(polls % 32))
            {
                return None;
            }
            flag.take();
            self.world.log(Event::Polled);
            if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                self.world.log(Event::Finished);
                return Some(result);
            }
            self.world.log(self.waiting());
            let held = self.world.state().held();
            self.world
                .log(Event::Pending(self.budget.map(Budget::available), held));
            self.interfere(number);
            self.read_on();
            let (beyond, is_extra) = self.job.step(number);
            while !flag.is_up() && !is_extra {
                assert!(self.world.advance(beyond), "a lost wakeup");
                self.read_on();
            }
        }
        unreachable!("endless")
    }

    fn waiting(&self) -> Event {
        let state = self.world.state();
        Event::Waiting(state.leftovers.iter().filter_map(Upload::waits).collect())
    }

    /// Advances the clock until the flag is up. Returns `false` if no alarm is left.
    fn wakes(&self, flag: &Flag) -> bool {
        loop {
            if flag.take() {
                return true;
            }
            if !self.world.advance(Duration::ZERO) {
                return false;
            }
        }
    }

    /// Polls uploads that go on after their response. Returns `true` if all have ended.
    fn read_on(&self) -> bool {
        let mut leftovers = std::mem::take(&mut self.world.state().leftovers);
        leftovers.iter_mut().for_each(Upload::read_on);
        let are_done = leftovers.iter().all(|upload| upload.end.is_some());
        self.world.state().leftovers = leftovers;
        are_done
    }

    /// Advances the clock until all uploads have ended.
    fn drain(&self) {
        while !self.read_on() {
            let is_woken = self.world.state().leftovers.iter().any(Upload::is_woken);
            assert!(
                is_woken || self.world.advance(Duration::ZERO),
                "a lost wakeup of an upload"
            );
        }
    }

    fn nothing_is_held(&self, outcome: &Outcome) {
        let state = self.world.state();
        let counts = &state.counts;
        let responses = usize::from(matches!(outcome, Some(Ok(_))));
        assert_eq!(counts.instances.get(), 1, "instances of the service");
        assert_eq!(counts.permits.get(), 0, "permits");
        assert_eq!(counts.sends.get(), 0, "inner futures");
        assert_eq!(counts.sleeps.get(), 0, "sleeps");
        assert_eq!(counts.responses.get(), responses, "response bodies");
        if state.leftovers.is_empty() {
            assert_eq!(counts.requests.get(), 0, "request bodies");
        }
    }

    fn nothing_is_left(&self) {
        self.world.state().leftovers.clear();
        let state = self.world.state();
        assert_eq!(state.counts.requests.get(), 0, "request bodies");
        assert_eq!(state.counts.responses.get(), 0, "response bodies");
        assert_eq!(state.counts.chunks.get(), 0, "chunks of bodies");
    }
}
