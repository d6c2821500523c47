//! What both engines do alike with what phones send: what makes it the same when it is shown again, who its parts are of, and how
//! they become a text. The engines keep and find the rows.

use data_encoding::HEXUPPER;

use super::Incoming;
use crate::pdu::reassemble::{Content, Set};
use crate::pdu::{self, Kind, Pdu, reassemble};
use crate::secret::Secret;
use crate::units::UnixMs;

/// An HMAC that is the same for the same content.
pub(super) type Digest = [u8; 32];

/// What is the same whenever a channel shows the same part again.
pub(super) struct Identity<'a> {
    incoming: &'a Incoming,
    sent: Vec<u8>,
    place: Vec<u8>,
}

impl<'a> Identity<'a> {
    pub(super) fn of(incoming: &'a Incoming) -> Self {
        let segment = &incoming.segment;
        let sent = segment.sent.map_or_else(Vec::new, |sent| sent.0.to_be_bytes().to_vec());
        let place = segment.concat.map_or_else(Vec::new, |concat| {
            [&concat.reference.to_be_bytes()[..], &[concat.total, concat.seq]].concat()
        });
        Self { incoming, sent, place }
    }

    /// To make its HMAC of.
    pub(super) fn octets(&self) -> [&[u8]; 5] {
        let Incoming { channel, segment, .. } = self.incoming;
        [channel.0.as_bytes(), segment.from.as_bytes(), &self.sent, &self.place, segment.content.expose()]
    }
}

/// Who sent it to whom; a channel has no space in it.
pub(super) fn key(channel: &str, sender: &str) -> String {
    format!("{channel} {sender}")
}

/// What waits no longer.
pub(super) struct Kept {
    pub(super) seq: u8,
    pub(super) channel: String,
    pub(super) sender: String,
    pub(super) pdu: Secret,
}

/// A row to be.
pub(super) struct Text<'a> {
    pub(super) channel: &'a str,
    pub(super) from: &'a str,
    pub(super) body: Secret,
    /// One a line.
    pub(super) pdu: Secret,
    pub(super) sent: Option<UnixMs>,
    pub(super) parts: u8,
    pub(super) missing: u8,
}

impl<'a> Text<'a> {
    /// What came in one piece.
    pub(super) fn whole(incoming: &'a Incoming) -> Self {
        let Incoming { channel, segment, .. } = incoming;
        Self {
            channel: &channel.0,
            from: &segment.from,
            body: segment.body.clone(),
            pdu: segment.pdu.clone(),
            sent: segment.sent,
            parts: 1,
            missing: 0,
        }
    }

    /// Of the parts that are there, in their order; `None` if there are none.
    pub(super) fn joined(set: &Set<Digest>, kept: &'a [Kept]) -> Option<Self> {
        let first = kept.first()?;
        let contents: Vec<_> = kept.iter().filter_map(|kept| Some((kept.seq, content(&kept.pdu)?))).collect();
        let pdus: Vec<_> = kept.iter().map(|kept| kept.pdu.expose()).collect();
        Some(Self {
            channel: &first.channel,
            from: &first.sender,
            body: reassemble::text(set.total(), contents.iter().map(|(seq, content)| (*seq, content))),
            pdu: Secret::new(pdus.join(&b'\n')),
            sent: set.parts().iter().find_map(|part| part.sent),
            parts: set.total(),
            missing: set.total().saturating_sub(u8::try_from(contents.len()).unwrap_or(u8::MAX)),
        })
    }
}

/// The text of a part, read from its octets.
fn content(pdu: &Secret) -> Option<Content> {
    let octets = Secret::new(HEXUPPER.decode(pdu.expose()).ok()?);
    match pdu::decode(octets.expose(), true, Some(Kind::Deliver)).ok()?.pdu {
        Pdu::Deliver(deliver) => Content::of(&deliver.user_data, deliver.dcs),
        _ => None,
    }
}
