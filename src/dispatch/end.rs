//! Ending attempts: what came back from the store and from the channels, and what the rules make of it.

use super::{Dispatcher, Flight, STORE_PAUSE, Stage, Turned};
use crate::clock;
use crate::fault::{self, Point};
use crate::provider::Outcome;
use crate::queue::message::{Lane, State};
use crate::queue::rules::{self, Ended, Next, Standing};
use crate::store::{AttemptState, Begun, End, Leased};
use crate::units::UnixMs;

impl Dispatcher {
    /// A turn came back: attempts may go on, or must be given up; what could not be written is kept for the next turn.
    pub(super) fn turned(&mut self, turned: Turned) {
        match turned.result {
            Ok(verdicts) => {
                self.tally.send_modify(|tally| tally.turns += 1);
                for ((flight, keeper), verdict) in turned.keepers.into_iter().zip(verdicts) {
                    let durable = verdict == Begun::Durable;
                    self.set_stage(flight, if durable { Stage::Durable } else { Stage::Refused });
                    if durable {
                        // The receiver may be gone: its channel hung up meanwhile, and says so in its outcome.
                        let _ = keeper.send(());
                    }
                }
                for channel in turned.ended_on {
                    if let Some(line) = self.lines.get_mut(&channel) {
                        line.unwritten = line.unwritten.saturating_sub(1);
                    }
                }
            }
            Err(error) => {
                tracing::error!(%error, "an outcome could not be stored yet; nothing is sent until it is");
                for (flight, _keeper) in turned.keepers {
                    self.set_stage(flight, Stage::StoreFailed);
                }
                let newer = std::mem::replace(&mut self.pending.ended, turned.turn.ended);
                self.pending.ended.extend(newer);
                self.pending_ended_on.extend(turned.ended_on);
                self.paused_until = Some(clock::monotonic() + STORE_PAUSE);
            }
        }
    }

    fn set_stage(&mut self, flight: u64, stage: Stage) {
        if let Some(flight) = self.flights.get_mut(&flight) {
            flight.stage = stage;
        }
    }

    /// An attempt ended: the rules say what becomes of its message.
    pub(super) fn ended(&mut self, flight: u64, outcome: Outcome) {
        fault::point(Point::Answered);
        let Some(Flight { mut message, seq, channel, stage, begun, at, whom }) = self.flights.remove(&flight)
        else {
            return;
        };
        if let Some(line) = self.lines.get_mut(&channel) {
            line.in_flight = line.in_flight.saturating_sub(1);
        }
        self.count(&outcome);
        self.learn(&channel, &outcome, message.recipient, begun);
        if matches!(outcome, Outcome::Refused { .. } | Outcome::Abandoned) {
            self.ledger.take_back(&channel, message.recipient, at);
        }
        let now = clock::wall();
        let (result, reference, cause, next) = match outcome {
            // Nothing was written and nothing left: the lease is still good, or it is lost and somebody else's now.
            Outcome::Abandoned if stage == Stage::StoreFailed => {
                self.held.insert((message.lane, message.id), message);
                return;
            }
            Outcome::Abandoned if stage == Stage::Refused => return,
            Outcome::Abandoned if message.first_round.is_some() => {
                (AttemptState::Abandoned, None, None, Next::Rest(State::Submitted))
            }
            Outcome::Abandoned => (AttemptState::Abandoned, None, None, Next::Retry(now)),
            Outcome::Submitted { reference } => {
                (AttemptState::Submitted, reference, None, judge(Ended::Submitted, &message, now))
            }
            Outcome::Refused { disposition, cause, .. } => {
                message.refusals += 1;
                let next = judge(Ended::Refused(disposition), &message, now);
                (AttemptState::Refused, None, Some(cause), next)
            }
            Outcome::Uncertain { cause } => {
                message.uncertain += 1;
                (AttemptState::Uncertain, None, Some(cause), judge(Ended::Uncertain, &message, now))
            }
        };
        if let Some(cause) = &cause {
            tracing::warn!(message = %message.id, %channel, seq, cause, ?next, "attempt not confirmed");
        }
        self.pending.ended.push(End {
            id: message.id,
            epoch: message.epoch,
            seq,
            result,
            reference,
            cause,
            whom,
            at: now,
            next,
        });
        let left = next == Next::Rest(State::Submitted) && result == AttemptState::Submitted;
        if left && message.lane == Lane::Login && message.report {
            self.wait_for_report(&message, &channel, now);
        }
        self.lines.entry(channel.clone()).or_default().unwritten += 1;
        self.pending_ended_on.push(channel.clone());
        if next == Next::Continue {
            message.open.retain(|&open| open != seq);
            message.bound = Some(channel);
            self.held.insert((message.lane, message.id), message);
        }
    }

    fn count(&self, outcome: &Outcome) {
        self.tally.send_modify(|tally| match outcome {
            Outcome::Submitted { .. } => tally.submitted += 1,
            Outcome::Refused { .. } => tally.refused += 1,
            Outcome::Uncertain { .. } => tally.uncertain += 1,
            Outcome::Abandoned => tally.abandoned += 1,
        });
    }
}

/// The rules' verdict, with the facts of the message filled in.
fn judge(ended: Ended, message: &Leased, now: UnixMs) -> Next {
    let standing = Standing {
        lane: message.lane,
        deadline: message.deadline,
        refusals: message.refusals,
        uncertain: message.uncertain,
        remaining: u8::try_from(message.open.len().saturating_sub(1)).unwrap_or(u8::MAX),
    };
    let next = rules::after_attempt(ended, standing, now, fastrand::u8(..));
    match next {
        // Its first round was submitted, and one more try is all that the second is.
        Next::Rest(_) | Next::Retry(_) if message.first_round.is_some() => Next::Rest(State::Submitted),
        next => next,
    }
}
