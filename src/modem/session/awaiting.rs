//! The command in flight: which of the lines that come are its echo and its answer.

use std::time::Duration;

use zeroize::Zeroizing;

use super::order::Order;
use super::{CTRL_Z, Purpose, reference};
use crate::at::command::Domain;
use crate::at::reply::Registration;
use crate::at::{Command, Expect, Info, Urc};
use crate::modem::profile::Profile;

/// Lines of one answer kept: a list of 255 stored messages has twice as many.
const REPLY_LINES_MAX: usize = 600;

/// Where the prompt of the command in flight stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prompt {
    /// The command has none.
    None,
    Awaited,
    /// Not wanted any more: ESC when it comes.
    Cancelled,
    Open,
    /// PDU and Ctrl-Z have left.
    Answered,
}

#[derive(Debug)]
pub(super) struct Awaiting {
    pub(super) order: Order,
    pub(super) purpose: Purpose,
    pub(super) prompt: Prompt,
    pub(super) lines: Vec<String>,
    /// The final result may be missing; how long to wait for it behind the line.
    pub(super) grace: Option<Duration>,
    /// A list header came; its PDU is due.
    pub(super) pdu_due: bool,
    /// What the modem may echo: the command, then the PDU.
    pub(super) echo: Zeroizing<String>,
}

impl Awaiting {
    pub(super) fn is_echo(&self, line: &str) -> bool {
        let line = line.trim_start_matches(['>', ' ']).trim_end_matches([char::from(CTRL_Z), ' ']);
        line.eq_ignore_ascii_case(&self.echo) || line.is_empty() || line == "\u{1b}"
    }

    /// Whether the line belongs to the answer; it is kept then.
    pub(super) fn takes(&mut self, line: &str, note: &Profile) -> bool {
        let wanted = match self.order.expect() {
            Expect::None => false,
            Expect::Prefix("+CMGS") => {
                self.prompt == Prompt::Answered && self.lines.is_empty() && reference(line).is_some()
            }
            Expect::Prefix(name) => self.lines.is_empty() && is_reply(line, name),
            Expect::Bare(name) => {
                self.lines.is_empty()
                    && Urc::parse(line).is_none()
                    && !note.is_noise_line(line)
                    && !note.is_ready_line(line)
                    && is_bare(line, name, &self.order)
            }
            Expect::List(name) => self.takes_of_list(line, name),
        };
        if wanted && self.lines.len() < REPLY_LINES_MAX {
            self.lines.push(line.to_owned());
        }
        wanted
    }

    fn takes_of_list(&mut self, line: &str, name: &str) -> bool {
        if Info::parse(line).is_some_and(|info| info.name == name) {
            self.pdu_due = true;
            return true;
        }
        let pdu = self.pdu_due && is_hex(line);
        self.pdu_due &= !pdu;
        pdu
    }
}

/// Whether an information line answers the command of that name; a registration without `<n>` is unsolicited.
fn is_reply(line: &str, name: &str) -> bool {
    let Some(info) = Info::parse(line).filter(|info| info.name == name) else { return false };
    Domain::from_name(name).is_none() || Registration::parse(&info).is_some_and(|read| read.n.is_some())
}

/// Whether a line may be the bare answer (an identity). Numbers must look like numbers, so that an unknown word of
/// the modem is never taken for the IMEI.
fn is_bare(line: &str, name: &str, order: &Order) -> bool {
    if Info::parse(line)
        .is_some_and(|info| info.name != name && info.name.starts_with(['+', '^', '#', '*', '%']))
    {
        return false;
    }
    let digits = line.bytes().filter(u8::is_ascii_digit).count();
    match order {
        Order::Known(Command::Cgsn | Command::Cimi) => digits >= IDENTITY_DIGITS_MIN,
        Order::Known(Command::Ccid(_)) => digits >= ICCID_DIGITS_MIN,
        _ => true,
    }
}

/// An IMSI has at least 6 digits, an IMEI 14; ITU-T E.212, TS 23.003.
const IDENTITY_DIGITS_MIN: usize = 6;
/// An ICCID has at least 18 digits; ITU-T E.118.
const ICCID_DIGITS_MIN: usize = 18;
/// No PDU is shorter: service centre length, first octet, reference.
const PDU_DIGITS_MIN: usize = 4;

pub(super) fn is_hex(line: &str) -> bool {
    let line = line.trim();
    line.len() >= PDU_DIGITS_MIN && line.bytes().all(|b| b.is_ascii_hexdigit())
}
