//! The run itself: clients ask, the server answers, and each failure is put before the policy in
//! the order in which the layer does it.

use std::time::Duration;

use fastrand::Rng;
use revio_status::Attempt;

use super::{
    allowance::{Allowance, Failure},
    events::{Agenda, Event, Nanos},
    judge::{Retry, judge},
    mail::{Mail, POST, kind},
    measure::Measures,
    policies::Policy,
    quiet::{Look, Quiet},
    scenario::{Cause, Scenario, World},
    server::{Answer, Call, Reception, Server, Work, exponential},
};

/// Runs one scenario under one policy. The same arguments give the same measures, whatever ran
/// before on this thread, and all policies meet the same requests.
pub fn run(world: &World, scenario: &Scenario, policy: &Policy) -> Measures {
    fastrand::seed(world.seed); // the crate's jitter
    let mut fleet = Fleet::new(world, scenario, policy);
    fleet.agenda.note(scenario.window.start, Event::Begin);
    fleet.agenda.note(scenario.window.end, Event::End);
    fleet.note_next_ask();
    while let Some(event) = fleet.agenda.next() {
        fleet.happen(event);
    }
    fleet.measures
}

/// A request in flight, or its work without a waiting client.
#[derive(Default)]
struct Request {
    asked: Nanos,
    /// The attempt whose response is awaited; 0 for none.
    ticket: u32,
    client: u32,
    kind: u8,
    attempts: u8,
    /// The number of times that its work was done.
    executed: u8,
    /// Attempts that the server still has.
    in_server: u8,
    has_ended: bool,
    /// The failure before its last retry, and whether the allowance paid for the retry.
    retried: Option<Failure>,
    is_paid: bool,
    was_paced: bool,
    /// The sum of its holds.
    held: Nanos,
}

struct Fleet<'a> {
    world: &'a World,
    scenario: &'a Scenario,
    policy: &'a Policy,
    agenda: Agenda,
    server: Server,
    requests: Vec<Request>,
    free: Vec<u32>,
    /// Of each process.
    allowances: Vec<Allowance>,
    quiets: Vec<Quiet>,
    mail: Mail,
    tickets: u32,
    rng: Rng,
    measures: Measures,
}

impl<'a> Fleet<'a> {
    fn new(world: &'a World, scenario: &'a Scenario, policy: &'a Policy) -> Self {
        Self {
            world,
            scenario,
            policy,
            agenda: Agenda::default(),
            server: Server::new(world),
            requests: Vec::new(),
            free: Vec::new(),
            allowances: (0..world.processes).map(|_| (policy.allowance)()).collect(),
            quiets: (0..world.processes).map(|_| Quiet::default()).collect(),
            mail: Mail::default(),
            tickets: 0,
            rng: Rng::with_seed(world.seed),
            measures: Measures::new(world.minutes),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Ask => self.ask(),
            Event::Begin => {
                for call in self.server.begin(self.scenario.cause) {
                    self.leave_server(call, Some(Answer::Unavailable));
                }
            }
            Event::End => self.server.end(),
            Event::Wake { slot } => self.set_out(slot),
            Event::Done { slot, ticket, boot } => self.done(Call { slot, ticket }, boot),
            Event::Late { slot, ticket } => self.answer(Call { slot, ticket }, Answer::Late),
        }
    }

    /// Requests follow a Poisson process: clients are independent.
    fn note_next_ask(&mut self) {
        let window = &self.scenario.window;
        let usual = self.world.asks_per_second();
        let mut from = self.agenda.now();
        while from < self.world.end() {
            let is_inside = window.contains(&from);
            let rate = match self.scenario.cause {
                Cause::Overload(load) if is_inside => self.world.capacity() * load,
                _ => usual,
            };
            let change = match is_inside {
                true => window.end,
                false if from < window.start => window.start,
                false => Nanos::MAX,
            };
            let time = from + exponential(&mut self.rng, 1.0 / rate);
            if time < change.min(self.world.end()) {
                return self.agenda.note(time, Event::Ask);
            }
            // A Poisson process has no memory: it restarts at each change.
            from = change;
        }
    }

    fn ask(&mut self) {
        let now = self.agenda.now();
        let request = Request {
            asked: now,
            client: self.rng.u32(..self.world.clients),
            kind: kind(self.rng.u8(..100)),
            ..Request::default()
        };
        self.measures.ask(now);
        self.measures.posts += u64::from(request.kind == POST);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.requests[slot as usize] = request;
                slot
            }
            None => {
                self.requests.push(request);
                (self.requests.len() - 1) as u32
            }
        };
        self.set_out(slot);
        self.note_next_ask();
    }

    fn process(&self, slot: u32) -> usize {
        (self.requests[slot as usize].client % self.world.processes) as usize
    }

    /// Sends a request, unless a cool-down holds or refuses it.
    fn set_out(&mut self, slot: u32) {
        let now = self.agenda.now();
        let process = self.process(slot);
        let request = &mut self.requests[slot as usize];
        let look = match self.policy.has_cooldown {
            true => self.quiets[process].look(&*self.policy.rules, now, &mut request.held),
            false => Look::Send,
        };
        match look {
            Look::Send => self.send(slot),
            Look::Hold(time) => self.agenda.note(now + time, Event::Wake { slot }),
            Look::Refuse => {
                self.measures.unsent += u64::from(request.attempts == 0);
                if request.is_paid {
                    self.allowances[process].give_back();
                }
                self.end(slot, false);
            }
        }
    }

    fn send(&mut self, slot: u32) {
        let now = self.agenda.now();
        self.tickets += 1;
        let call = Call {
            slot,
            ticket: self.tickets,
        };
        let request = &mut self.requests[slot as usize];
        request.ticket = call.ticket;
        request.attempts += 1;
        let client = request.client;
        self.measures.send(now);
        match self.server.receive(now, client, call) {
            Reception::Refused(answer) => return self.answer(call, answer),
            Reception::Begun(work) => self.begin(work),
            Reception::Queued => {}
        }
        self.requests[slot as usize].in_server += 1;
        let Call { slot, ticket } = call;
        let late = Event::Late { slot, ticket };
        self.agenda.note_in_order(now + World::PATIENCE, late);
    }

    fn begin(&mut self, work: Work) {
        let Call { slot, ticket } = work.call;
        let boot = work.boot;
        let done = Event::Done { slot, ticket, boot };
        self.agenda.note(self.agenda.now() + work.takes, done);
    }

    fn done(&mut self, call: Call, boot: u32) {
        if self.server.has_lost(boot) {
            return self.leave_server(call, Some(Answer::Unavailable));
        }
        let request = &mut self.requests[call.slot as usize];
        let is_awaited = request.ticket == call.ticket;
        let is_lost = self.server.loses_answer();
        request.executed = request.executed.saturating_add(1);
        if request.executed == 2 {
            self.measures.twice += 1;
            self.measures.posts_twice += u64::from(request.kind == POST);
        }
        self.measures.executed += 1;
        self.measures.wasted += u64::from(is_lost || !is_awaited);
        self.leave_server(call, (!is_lost).then_some(Answer::Done));
        if let Some(work) = self.server.proceed() {
            self.begin(work);
        }
    }

    /// Ends a call at the server. If the response is lost, the gateway times out.
    fn leave_server(&mut self, call: Call, answer: Option<Answer>) {
        let request = &mut self.requests[call.slot as usize];
        request.in_server -= 1;
        if request.has_ended {
            self.release(call.slot);
        } else if let Some(answer) = answer {
            self.answer(call, answer);
        }
    }

    /// Handles a response to a call. Only the first one counts.
    fn answer(&mut self, call: Call, answer: Answer) {
        let now = self.agenda.now();
        let process = self.process(call.slot);
        let request = &mut self.requests[call.slot as usize];
        if request.ticket != call.ticket {
            return;
        }
        request.ticket = 0;
        let allowance = &mut self.allowances[process];
        if answer == Answer::Done {
            allowance.succeed(now, request.retried);
            return self.end(call.slot, true);
        }
        self.measures.over_limit += u64::from(matches!(answer, Answer::OverLimit(_)));
        self.measures.refused += u64::from(answer != Answer::Late);
        let head = self.mail.request(request.kind);
        let attempt = Attempt::new(head, self.mail.response(answer), &self.mail.body)
            .with_number(u32::from(request.attempts))
            .with_elapsed(Duration::from_nanos(now - request.asked));
        let rules = &*self.policy.rules;
        let has_cooldown = self.policy.has_cooldown;
        if has_cooldown {
            self.quiets[process].hear(rules, &attempt, now);
        }
        let can_be_paced = has_cooldown && !request.was_paced;
        match judge(rules, allowance, can_be_paced, &attempt, now) {
            Some(Retry { after, is_paid }) => {
                request.retried = attempt.status().map(Failure::of);
                request.is_paid = is_paid;
                request.was_paced |= !is_paid;
                let after = World::ROUND_TRIP.saturating_add(after.as_nanos() as Nanos);
                self.agenda
                    .note(now + after, Event::Wake { slot: call.slot });
            }
            None => self.end(call.slot, false),
        }
    }

    fn end(&mut self, slot: u32, is_good: bool) {
        let now = self.agenda.now();
        let request = &mut self.requests[slot as usize];
        request.has_ended = true;
        self.measures.posts_lost += u64::from(request.kind == POST && !is_good);
        let waited = now - request.asked + World::ROUND_TRIP;
        self.measures.end(now, is_good, waited);
        self.release(slot);
    }

    /// Frees the request's slot once the server has finished its work, too.
    fn release(&mut self, slot: u32) {
        let request = &self.requests[slot as usize];
        if request.has_ended && request.in_server == 0 {
            self.free.push(slot);
        }
    }
}
