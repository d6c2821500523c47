//! Which channels may carry a message, and in which order: rules by the beginning of the number and by the lane.
//!
//! The first rule that fits decides. It names channels one by one, all of a provider, or the rest; what it does not name is not
//! used. Without a fitting rule all channels are equal. The lane's type is an argument, because lanes are of the queue.

/// All rules, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules<L>(pub Vec<Rule<L>>);

impl<L> Default for Rules<L> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule<L> {
    /// Beginnings of numbers (`+43`); none: every number.
    pub prefixes: Vec<String>,
    /// Lanes; none: every lane.
    pub lanes: Vec<L>,
    /// Channels, best first.
    pub channels: Vec<Named>,
}

/// What a rule names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// This channel, by its whole identity.
    Channel(String),
    /// Every channel of this provider that is not named itself.
    Provider(String),
    /// Every channel that is not named otherwise.
    Rest,
}

impl<L: PartialEq> Rules<L> {
    /// The rule for this number and lane, with its place from 0; `None` if none fits.
    pub fn find(&self, to: &str, lane: &L) -> Option<(usize, &Rule<L>)> {
        self.0.iter().enumerate().find(|(_, rule)| rule.fits(to, lane))
    }
}

impl<L: PartialEq> Rule<L> {
    fn fits(&self, to: &str, lane: &L) -> bool {
        (self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| to.starts_with(prefix.as_str())))
            && (self.lanes.is_empty() || self.lanes.contains(lane))
    }
}

impl<L> Rule<L> {
    /// The place of a channel, 0 for the best; `None` if the rule does not use it. A name goes before a provider, and that before
    /// the rest, wherever they stand.
    #[must_use]
    pub fn rank(&self, channel: &str) -> Option<usize> {
        let provider = channel.split_once(':').map_or(channel, |(provider, _)| provider);
        let at = |wanted: &dyn Fn(&Named) -> bool| self.channels.iter().position(wanted);
        at(&|named| matches!(named, Named::Channel(id) if id == channel))
            .or_else(|| at(&|named| matches!(named, Named::Provider(name) if name == provider)))
            .or_else(|| at(&|named| *named == Named::Rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules<char> {
        let channel = |id: &str| Named::Channel(id.to_owned());
        Rules(vec![
            Rule {
                prefixes: vec!["+43".into(), "+41".into()],
                lanes: vec![],
                channels: vec![channel("gsm:2")],
            },
            Rule {
                prefixes: vec![],
                lanes: vec!['l'],
                channels: vec![
                    channel("gsm:1"),
                    Named::Rest,
                    Named::Provider("http".into()),
                    channel("gsm:9"),
                ],
            },
        ])
    }

    #[test]
    fn the_first_fitting_rule_decides() {
        let rules = rules();
        let place = |to, lane| rules.find(to, &lane).map(|(at, _)| at);
        assert_eq!(place("+43664", 'l'), Some(0));
        assert_eq!(place("+41", 'b'), Some(0));
        assert_eq!(place("+49170", 'l'), Some(1));
        assert_eq!(place("+49170", 'b'), None, "all channels are equal there");
    }

    #[test]
    fn the_closest_name_gives_the_rank() {
        let Rules(rules) = rules();
        let ranks = |rule: &Rule<char>| ["gsm:1", "gsm:2", "gsm:9", "http:a"].map(|id| rule.rank(id));
        assert_eq!(ranks(&rules[0]), [None, Some(0), None, None], "what is not named is not used");
        assert_eq!(ranks(&rules[1]), [Some(0), Some(1), Some(3), Some(2)]);
    }
}
