//! The hand at the plug: takes one simulated modem off and puts it back under another tty, and reads from its events what it took
//! by itself.

use std::cell::RefCell;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fd::OwnedFd;
use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};
use serde_json::{Value, json};

use crate::probe::monotonic_us;
use crate::rig::{PATIENCE, Place, Simulator};

/// How often the hand looks whether the link is gone: far below what is measured.
const GLANCE: Duration = Duration::from_micros(100);
/// How long the number of the former pty may take to be free.
const TAKE_NUMBER: Duration = Duration::from_millis(20);

/// A simulated modem in a process of its own, and its link.
pub struct Plug {
    simulator: Simulator,
    link: PathBuf,
    /// What keeps the former tty's number taken.
    place_taken: Vec<OwnedFd>,
    former: PathBuf,
}

/// What the return of a modem brought, on the monotonic clock in microseconds.
pub struct Return {
    /// When the modem was told to come back.
    pub at: u64,
    /// When its first PDU was whole.
    pub ctrl_z: u64,
    /// What it took by itself until then.
    pub own: Duration,
}

impl Plug {
    /// A modem whose commands take this long, messages 50 ms where `command_latency` is not nothing.
    pub fn new(place: &Place, name: &str, latency: &str, command_latency: &str) -> Self {
        let link = place.ports().join(name);
        let options = [
            "--latency",
            latency,
            "--command-latency",
            command_latency,
            "--seed",
            "77",
            "--events",
            "at,reply,prompt,ctrl-z,power",
        ];
        let simulator = Simulator::start(std::slice::from_ref(&link), &options);
        Self { simulator, link, place_taken: Vec::new(), former: PathBuf::new() }
    }

    /// How many events so far.
    pub fn now(&self) -> usize {
        self.simulator.now()
    }

    /// Pulls it. Gives when; port and link go shortly after, and its directory with the link if it is told so.
    pub fn pull(&mut self, with_directory: bool) -> u64 {
        self.former = fs::read_link(&self.link).expect("the link of a modem that is plugged in");
        let from = self.simulator.now();
        let at = monotonic_us();
        self.simulator.control(&json!({"do": "hangup"}));
        if with_directory {
            let until = Instant::now() + PATIENCE;
            while let Err(error) = fs::remove_dir(self.link.parent().expect("it has a directory")) {
                assert_eq!(error.kind(), ErrorKind::DirectoryNotEmpty, "{error}");
                assert!(Instant::now() < until, "the link goes");
                std::thread::sleep(GLANCE);
            }
        }
        self.simulator.wait(from, "the unplugging", |event| event["state"] == "gone");
        at
    }

    /// Plugs it in; `true` if under another tty.
    pub fn put_back(&mut self) -> (u64, usize, bool) {
        fs::create_dir_all(self.link.parent().expect("it has a directory")).expect("the directory of links");
        self.place_taken = take_number(&self.former);
        let from = self.simulator.now();
        let at = monotonic_us();
        self.simulator.control(&json!({"do": "plug"}));
        self.simulator.wait(from, "the plugging", |event| event["state"] == "there");
        let now = fs::read_link(&self.link).expect("the link of a modem that is plugged in");
        (at, from, now != self.former)
    }

    /// Waits for the first message since event `from`, when it was plugged in at `at`.
    pub fn first_message(&self, at: u64, from: usize) -> Return {
        let own = RefCell::new(Own::default());
        let event = self.simulator.wait(from, "the first message", |event| {
            own.borrow_mut().take(event);
            event["event"] == "ctrl-z"
        });
        Return { at, ctrl_z: micros(&event), own: Duration::from_micros(own.into_inner().ended()) }
    }

    /// Waits for the `count`th message since event `from`.
    pub fn messages(&self, from: usize, count: usize) {
        let seen = RefCell::new(0);
        self.simulator.wait(from, "all messages", |event| {
            let mut seen = seen.borrow_mut();
            *seen += usize::from(event["event"] == "ctrl-z");
            *seen == count
        });
    }
}

/// Takes the number of a pty that was closed, so that the next one has another.
fn take_number(former: &Path) -> Vec<OwnedFd> {
    let until = Instant::now() + TAKE_NUMBER;
    let mut taken = Vec::new();
    while Instant::now() < until {
        let pty = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pty");
        unlockpt(&pty).expect("a pty");
        let name = ptsname(&pty, Vec::new()).expect("a pty");
        let is_former = former.as_os_str().as_encoded_bytes() == name.to_bytes();
        if is_former {
            // The others were only in the way of it.
            return vec![pty];
        }
        taken.push(pty);
        std::thread::sleep(Duration::from_millis(1));
    }
    taken
}

/// When an event was.
pub fn micros(event: &Value) -> u64 {
    event["us"].as_u64().expect("events carry their time")
}

/// What a modem took by itself: from each command line to the last line of its answer, or to the prompt.
#[derive(Default)]
struct Own {
    asked: Option<u64>,
    answered: Option<u64>,
    sum: u64,
}

impl Own {
    fn take(&mut self, event: &Value) {
        match event["event"].as_str() {
            Some("at") => {
                self.close();
                self.asked = Some(micros(event));
            }
            Some("reply" | "prompt") => self.answered = Some(micros(event)),
            _ => {}
        }
    }

    fn close(&mut self) {
        if let (Some(asked), Some(answered)) = (self.asked.take(), self.answered.take()) {
            self.sum += answered.saturating_sub(asked);
        }
    }

    fn ended(mut self) -> u64 {
        self.close();
        self.sum
    }
}
