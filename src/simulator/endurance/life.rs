//! One modem's life: the loop of virtual time, and the wiring between machine, lines, modem, dispatcher and store.

use std::time::{Duration, Instant};

use fastrand::Rng;

use super::agenda::{Agenda, Happening};
use super::dispatcher::Dispatcher;
use super::host::{Exit, Host};
use super::inbox::{Inbox, Received};
use super::line::Line;
use super::plan::Plan;
use super::record::Record;
use super::{Broken, Ends, Tally, Time, Verdict};
use crate::at::command::CMGS_ANSWER;
use crate::modem::machine::{
    Cause, Event, Input, Kind, Machine, Output, Phase, Request, RequestId, Status, Step,
};
use crate::queue::message::State;
use crate::simulator::{Kinds, Network, Out, Silence, SimulatedModem, What};

/// More rounds than this at one instant mean that something spins.
const SPIN: u32 = 10_000;
/// The calm: two looks at a store whose notification was lost (each twelve keep-alives of five minutes), and then some.
const CALM: Duration = Duration::from_secs(3 * 3600);
/// How often the calm is asked whether all is done.
const CALM_STEP: Duration = Duration::from_secs(60);

/// What a PIN is entered with.
const ENTER_PIN: &[u8] = b"AT+CPIN=";
/// What the modem tells of itself.
const WATCHED: Kinds = Kinds::PHONE.and(Kinds::TAKEN);

/// All that one life consists of.
pub(super) struct Life {
    pub(super) seed: u64,
    pub(super) plan: Plan,
    pub(super) time: Time,
    pub(super) now: Instant,
    pub(super) rng: Rng,
    pub(super) network: Network,
    pub(super) modem: SimulatedModem,
    pub(super) host: Host,
    pub(super) to_modem: Line,
    pub(super) to_host: Line,
    pub(super) agenda: Agenda,
    pub(super) dispatcher: Dispatcher,
    pub(super) inbox: Inbox,
    pub(super) record: Record,
    pub(super) tally: Tally,
    /// Operators' resets that have not ended.
    pub(super) resets: Vec<RequestId>,
    pub(super) powered: bool,
    /// Counts silences, so that the end of an old one does not end a newer one.
    pub(super) silences: u64,
    /// The silence in force ends by itself.
    pub(super) silent: bool,
    /// It does not: only a restart or less power helps.
    pub(super) hung: bool,
    /// A person is on the way to the card.
    pub(super) person: bool,
    /// The PIN that is not the card's was entered.
    wrong_pin_tried: bool,
    pub(super) calm: bool,
    /// Counts the times that the port was to be opened.
    openings: u64,
    /// How long the port was left alone since the modem is stuck, because no ladder helped.
    parked: Duration,
    /// Since when the modem is stuck, if it is.
    stuck_since: Instant,
    exit: Option<Exit>,
}

impl Life {
    pub(super) fn new(seed: u64, base: Instant) -> Self {
        let mut rng = Rng::with_seed(seed);
        let (plan, time) = (Plan::draw(seed, &mut rng), Time { base });
        let network = Network::new(base, Time::WALL);
        let modem = SimulatedModem::new(plan.scenario.clone(), &network, 0, WATCHED, base);
        let mut agenda = Agenda::default();
        agenda.enter(base, Happening::Open(0));
        Self {
            seed,
            host: Host::new(plan.pin(), plan.profile()),
            plan,
            time,
            now: base,
            rng,
            network,
            modem,
            to_modem: Line::default(),
            to_host: Line::default(),
            agenda,
            dispatcher: Dispatcher::new(time),
            inbox: Inbox::default(),
            record: Record::default(),
            tally: Tally::default(),
            resets: Vec::new(),
            powered: true,
            silences: 0,
            silent: false,
            hung: false,
            person: false,
            wrong_pin_tried: false,
            calm: false,
            openings: 0,
            parked: Duration::ZERO,
            stuck_since: base,
            exit: None,
        }
    }

    /// So many hours and the calm after them.
    pub(super) fn run(mut self, hours: u64) -> Result<Tally, Box<Broken>> {
        match self.live(hours) {
            Ok(()) => Ok(self.sum(hours)),
            Err(what) => Err(Box::new(Broken {
                seed: self.seed,
                after: self.now - self.time.base,
                what,
                modem: format!("{:?}\n{:?}", self.plan, self.host),
                wire: self.record.text(self.time.base),
            })),
        }
    }

    fn live(&mut self, hours: u64) -> Verdict {
        for hour in 0..hours {
            self.agenda.enter(self.time.base + Duration::from_secs(hour * 3600), Happening::Hour);
        }
        let end = self.time.base + Duration::from_secs(hours * 3600);
        self.pass(end)?;
        self.calm_down();
        while self.dispatcher.open() > 0 || self.inbox.complete().is_err() || !self.host.is_ready() {
            if self.now > end + CALM {
                self.inbox.complete()?;
                return Err(format!("{} messages come to no end", self.dispatcher.open()));
            }
            self.pass(self.now + CALM_STEP)?;
        }
        self.dispatcher.honest()?;
        if self.resets.is_empty() { Ok(()) } else { Err(format!("{:?} never ended", self.resets)) }
    }

    fn sum(&self, hours: u64) -> Tally {
        let count = |state| self.dispatcher.count(state);
        Tally {
            hours,
            messages: self.dispatcher.accepted(),
            inbound: self.inbox.sent(),
            wire_events: self.record.count,
            ends: Ends {
                submitted: count(State::Submitted),
                delivered: count(State::Delivered),
                failed: count(State::Failed),
                expired: count(State::Expired),
                uncertain: count(State::Uncertain),
            },
            repeated: self.dispatcher.repeated,
            inbound_again: self.inbox.repeats,
            machines: self.host.number,
            ..self.tally
        }
    }

    /// Lets time pass, from one thing to the next.
    fn pass(&mut self, end: Instant) -> Verdict {
        let mut here = 0;
        loop {
            let machine = self.host.machine.as_ref().and_then(Machine::deadline);
            let times =
                [self.agenda.due(), machine, self.modem.deadline(), self.to_modem.due(), self.to_host.due()];
            let Some(next) = times.into_iter().flatten().min().filter(|at| *at <= end) else { break };
            here = if next > self.now { 0 } else { here + 1 };
            if here > SPIN {
                return Err("time stands still".to_owned());
            }
            self.now = self.now.max(next);
            self.turn()?;
        }
        self.now = end;
        Ok(())
    }

    /// Everything that is due now. What the dispatcher wants comes first: a deadline holds against octets of the same instant.
    fn turn(&mut self) -> Verdict {
        while let Some(happening) = self.agenda.take(self.now) {
            self.happen(happening)?;
        }
        if self.host.machine.as_ref().and_then(Machine::deadline).is_some_and(|due| due <= self.now) {
            self.input(Input::Tick)?;
        }
        while let Some(piece) = self.to_modem.arrived(self.now) {
            self.modem.receive(self.now, &piece);
            self.hear_modem()?;
        }
        if self.modem.deadline().is_some_and(|due| due <= self.now) {
            self.modem.tick(self.now);
            self.hear_modem()?;
        }
        while let Some(piece) = self.to_host.arrived(self.now) {
            self.record.reached_host(self.now, &piece);
            self.input(Input::Bytes(&piece))?;
        }
        self.dispatch()?;
        self.watch()
    }

    /// Gives the machine something, and carries out what it says.
    pub(super) fn input(&mut self, input: Input<'_>) -> Verdict {
        let Some(machine) = &mut self.host.machine else { return Ok(()) };
        machine.handle(self.now, input);
        while let Some(output) = self.host.machine.as_mut().and_then(Machine::poll) {
            self.carry_out(output)?;
        }
        match self.exit.take() {
            Some(exit) => self.give_up(exit),
            None => Ok(()),
        }
    }

    fn carry_out(&mut self, output: Output) -> Verdict {
        match output {
            Output::Write(octets) => {
                self.dispatcher.leaves(self.now, &octets)?;
                self.pin_leaves(&octets)?;
                self.record.reached_modem(self.now, &octets);
                if let Some(harm) = self.to_modem.send(self.now, octets.to_vec(), &mut self.rng) {
                    self.record.note(self.now, format!("{harm:?} on the way to the modem"));
                }
            }
            Output::Done(id, result) => {
                if let Some(at) = self.resets.iter().position(|reset| *reset == id) {
                    self.resets.swap_remove(at);
                    return Ok(());
                }
                let note = format!("{id:?} ended: {result:?}");
                self.record.note(self.now, note);
                let after = self.dispatcher.ended(self.now, id, result, self.rng.u8(..))?;
                if after.answered {
                    self.stuck_since = self.now;
                }
                if let Some(due) = after.due {
                    self.agenda.enter(due, Happening::Due);
                }
            }
            Output::Event(event) => self.told(event)?,
            Output::Status(Status { phase, .. }) => self.learn(&phase),
            Output::Ladder(step) => self.exit = Some(Exit::Ladder(step)),
        }
        Ok(())
    }

    /// A PIN that the card did not take is not tried again, however many tries are left.
    fn pin_leaves(&mut self, octets: &[u8]) -> Verdict {
        if !self.plan.wrong_pin || !octets.starts_with(ENTER_PIN) {
            return Ok(());
        }
        if std::mem::replace(&mut self.wrong_pin_tried, true) {
            return Err("a wrong PIN is tried again".to_owned());
        }
        Ok(())
    }

    fn told(&mut self, event: Event) -> Verdict {
        match event {
            Event::Incoming { token, octets, .. } => {
                let at = self.now + self.commit();
                let machine = self.host.number;
                self.agenda.enter(at, Happening::Stored { machine, token, octets });
            }
            Event::Settled { id, .. } => self.dispatcher.settled(id)?,
            Event::Down(Cause::PinWanted(iccid)) => self.exit = Some(Exit::PinWanted(iccid)),
            Event::Up(_) | Event::Down(_) | Event::OtherCard { .. } | Event::Jamming(_) | Event::Noise(_) => {
                self.record.note(self.now, format!("{event:?}"));
            }
        }
        Ok(())
    }

    fn learn(&mut self, phase: &Phase) {
        self.host.learn(phase);
        if matches!(phase, Phase::Down(Cause::PinWrong(_) | Cause::PinLastTry(_))) {
            self.call_person();
        }
    }

    /// How long a commit takes: milliseconds, at times seconds.
    pub(super) fn commit(&mut self) -> Duration {
        let slow = self.rng.u8(..50) == 0;
        Duration::from_millis(if slow { self.rng.u64(100..8000) } else { self.rng.u64(1..30) })
    }

    /// The octets of the modem go on the line if anybody has the port open.
    pub(super) fn hear_modem(&mut self) -> Verdict {
        while let Some(out) = self.modem.poll() {
            match out {
                Out::Send(octets) if self.host.machine.is_some() => {
                    if let Some(harm) = self.to_host.send(self.now, octets, &mut self.rng) {
                        self.record.note(self.now, format!("{harm:?} on the way to the host"));
                    }
                }
                Out::Send(_) => {}
                Out::Event(event) => match event.what {
                    What::PhoneShows(shown) => self.dispatcher.shown(&shown.number)?,
                    What::Taken(tpdu) => self.inbox.taken(&tpdu)?,
                    _ => {}
                },
                Out::HangUp(dark) => self.power_off(dark, self.plan.usb)?,
            }
        }
        if self.modem.is_locked() { Err("the SIM asks for its PUK".to_owned()) } else { Ok(()) }
    }

    fn happen(&mut self, happening: Happening) -> Verdict {
        match happening {
            Happening::Hour => self.draw_hour(),
            Happening::Message => {
                let (id, deadline) = self.dispatcher.accept(self.now, &mut self.rng)?;
                self.agenda.enter(deadline, Happening::Lapse(id));
            }
            Happening::Inbound => self.send_inbound()?,
            Happening::Fault => self.fault()?,
            Happening::Reset => {
                let steps = [Step::Poke, Step::Reinitialise, Step::CfunCycle, Step::CfunReset];
                let step = self.rng.choice(steps).unwrap_or(Step::Poke);
                if self.host.machine.is_some() {
                    let id = self.dispatcher.new_request();
                    self.resets.push(id);
                    self.record.note(self.now, format!("the operator asks for {step:?}"));
                    self.input(Input::Request(Request { id, kind: Kind::Reset(step) }))?;
                }
            }
            Happening::Lapse(id) => {
                if let Some(request) = self.dispatcher.lapse(id) {
                    self.input(Input::Abandon(request))?;
                }
            }
            Happening::Due => {}
            Happening::Committed(id, well) => {
                if self.dispatcher.committed(self.now, id, well) {
                    self.input(if well { Input::Durable(id) } else { Input::Abandon(id) })?;
                }
            }
            Happening::Stored { machine, token, octets } => {
                if let Received::Report(number) = self.inbox.store(octets)? {
                    self.dispatcher.reported(&number);
                }
                if machine == self.host.number {
                    self.input(Input::Stored(token))?;
                }
            }
            Happening::SilenceEnds(silence) => self.end_silence(silence),
            Happening::PowerOn { ready } => return self.power_on(ready),
            Happening::Open(opening) if opening == self.openings => self.open()?,
            Happening::Open(_) => {}
            Happening::Person => self.person_comes()?,
        }
        Ok(())
    }

    /// Hands messages to a modem that is ready.
    fn dispatch(&mut self) -> Verdict {
        while self.host.is_ready() {
            let Some((id, kind)) = self.dispatcher.next(self.now) else { break };
            let (delay, well) = (self.commit(), self.rng.u8(..200) > 0);
            self.agenda.enter(self.now + delay, Happening::Committed(id, well));
            self.input(Input::Request(Request { id, kind }))?;
        }
        Ok(())
    }

    fn open(&mut self) -> Verdict {
        if self.host.machine.is_some() {
            return Ok(());
        }
        if self.plan.usb && !self.powered {
            let pause = self.next_pause();
            self.open_in(pause);
            return Ok(());
        }
        self.record.note(self.now, "the port is opened");
        self.host.open(self.now);
        self.input(Input::Tick)
    }

    pub(super) fn next_pause(&mut self) -> Duration {
        self.host.next_pause(self.rng.f64())
    }

    /// The port is opened after this, and not when it was to be opened before.
    pub(super) fn open_in(&mut self, pause: Duration) {
        self.openings += 1;
        self.agenda.enter(self.now + pause, Happening::Open(self.openings));
    }

    /// The port is closed, by whomever, and opened again after a pause.
    pub(super) fn close(&mut self, pause: Duration) -> Verdict {
        if self.host.machine.is_none() {
            return Ok(());
        }
        self.record.note(self.now, "the port is closed");
        for output in self.host.close(self.now) {
            if matches!(output, Output::Write(_) | Output::Ladder(_) | Output::Event(_)) {
                return Err(format!("{output:?} after the port hung up"));
            }
            self.carry_out(output)?;
        }
        self.dispatcher.port_closed()?;
        if !self.resets.is_empty() {
            return Err(format!("{:?} did not end with the port", self.resets));
        }
        self.to_modem.cut();
        self.to_host.cut();
        self.modem.host_gone();
        self.open_in(pause);
        Ok(())
    }

    /// The machine is at its wits' end.
    fn give_up(&mut self, exit: Exit) -> Verdict {
        self.record.note(self.now, format!("given up: {exit:?}"));
        match exit {
            Exit::PinWanted(iccid) => {
                if self.host.permit(iccid) {
                    self.close(Duration::ZERO)
                } else {
                    self.call_person();
                    let pause = self.next_pause();
                    self.close(pause)
                }
            }
            Exit::Ladder(wanted) => {
                let (step, parking) = self.host.step(wanted, self.plan.usb);
                self.parked += parking.unwrap_or_default();
                let pause = parking.unwrap_or_else(|| self.next_pause());
                self.close(pause)?;
                let can = if step == Step::SiteHook { self.plan.hook } else { self.plan.usb };
                if can && self.powered {
                    self.tally.outside_steps += 1;
                    self.power_off(self.plan.scenario.reboot, self.plan.usb)?;
                }
                Ok(())
            }
        }
    }

    /// Whether the modem is stuck, and for how long already. It is not while nobody could help: it has no power, its silence
    /// has an end of its own, or a person is on the way. A modem that hangs is stuck however well it looks.
    fn watch(&mut self) -> Verdict {
        let works = self.host.is_ready() && !self.hung && !self.dispatcher.has_work(self.now);
        if works || !self.powered || self.silent || self.person {
            (self.stuck_since, self.parked) = (self.now, Duration::ZERO);
            return Ok(());
        }
        let stuck = self.now - self.stuck_since;
        self.tally.stuck_s = self.tally.stuck_s.max(stuck.as_secs());
        if stuck > self.longest_stuck() {
            return Err(format!("the modem is stuck since {stuck:?}"));
        }
        Ok(())
    }

    /// Two climbs: the step from outside behind the first may be one that there is not, or may have been in vain just before
    /// the modem was to be helped by it. Then the times that the port is left alone because no ladder helped.
    fn longest_stuck(&self) -> Duration {
        Machine::longest_climb(CMGS_ANSWER) * 2 + self.parked
    }

    /// No more faults: what is out of order is put right.
    fn calm_down(&mut self) {
        self.record.note(self.now, "no more faults from here on");
        self.calm = true;
        self.to_modem.heal();
        self.to_host.heal();
        self.modem.silence(Silence::None);
        self.silences += 1;
        (self.silent, self.hung) = (false, false);
        if self.person {
            self.agenda.enter(self.now, Happening::Person);
        }
    }
}
