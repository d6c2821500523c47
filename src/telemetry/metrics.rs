//! The metrics, as OpenMetrics text: `smsotp_*`, base units, and no phone number, user or token serial in any label.
//!
//! Events are counted where they happen, by cheap clones of these counters. What another part counts already (commits, the
//! dispatcher's tally) is copied in by [`put`] when somebody looks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::queue::conversion::Conversions;
use crate::queue::lanes::PerLane;
use crate::queue::message::Lane;
use crate::store::{AlarmRecord, Count, LaneRecord, OutboxCount};
use crate::units::UnixMs;

/// Labels of an answered request. Endpoints are the router's own names, never paths as sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Request {
    /// `/validate/check`, `/v1/messages`, ...
    pub endpoint: &'static str,
    /// HTTP status.
    pub status: u16,
}

/// Labels of a validation's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Validation {
    /// `accept`, `reject`, `challenge`, `error`.
    pub outcome: &'static str,
}

/// Labels of a try to carry a story to a hook.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct HookTry {
    /// The hook's name; `dlr` for all Kannel clients.
    pub hook: String,
    /// `carried`, `failed` (it is tried again) or `dead`.
    pub outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfHook {
    hook: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Standing {
    lane: &'static str,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Limit {
    channel: String,
    window: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfChannel {
    channel: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StandingAlarm {
    kind: String,
    severity: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDimension {
    dimension: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCountry {
    country: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfModem {
    modem: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfLane {
    lane: &'static str,
}

/// The age of the queue: one figure for all of it, as there was before there were those of the lanes, and one for each lane. Under
/// one name, so no family: that would put braces after the figure without a label, which not all who read it know.
#[derive(Debug, Clone, Default)]
struct Ages {
    all: Gauge,
    lanes: PerLane<Gauge>,
}

impl EncodeMetric for Ages {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for lane in Lane::ALL {
            let label = OfLane { lane: lane.as_str() };
            self.lanes.of(lane).encode(encoder.encode_family(&label)?)?;
        }
        self.all.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

/// Every metric of the daemon.
pub struct Metrics {
    /// Answered requests.
    pub requests: Family<Request, Counter>,
    /// Outcomes of `/validate/check`.
    pub validations: Family<Validation, Counter>,
    /// Attempts that the network took.
    pub submitted: Counter,
    /// Attempts that were refused.
    pub failed: Counter,
    /// Attempts in doubt.
    pub uncertain: Counter,
    /// Logins that went once more, over another channel, because no report came.
    pub fallbacks: Counter,
    /// Messages received from phones.
    pub incoming: Counter,
    /// Received messages that are no text for anybody: WAP pushes, silent messages.
    pub dropped: Counter,
    /// Handset reports received.
    pub reports: Counter,
    /// Lines from modems that no rule knows.
    pub at_noise: Counter,
    /// Durable commits of the store.
    pub commits: Counter,
    /// Jobs that those commits served.
    pub jobs: Counter,
    /// Tries to carry a story to a hook.
    pub hook_tries: Family<HookTry, Counter>,
    /// Stories for hooks that found the outbox full.
    pub hook_refused: Counter,
    hook_waiting: Family<OfHook, Gauge>,
    hook_oldest: Family<OfHook, Gauge>,
    hook_dead: Family<OfHook, Gauge>,
    messages: Family<Standing, Gauge>,
    alarms: Family<StandingAlarm, Gauge>,
    balances: Family<OfModem, Gauge<f64, AtomicU64>>,
    budget_left: Family<Limit, Gauge>,
    breakers: Family<OfChannel, Gauge>,
    budget_exceeded: Family<OfDimension, Counter>,
    codes: Family<OfCountry, Gauge>,
    conversion: Family<OfCountry, Gauge<f64, AtomicU64>>,
    channels_ready: Gauge,
    channels: Gauge,
    started: Gauge,
    waited: Ages,
    depth: Family<OfLane, Gauge>,
    paused: Family<OfLane, Gauge>,
    clock_apart: Gauge<f64, AtomicU64>,
    registry: Registry,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            requests: Family::default(),
            validations: Family::default(),
            submitted: Counter::default(),
            failed: Counter::default(),
            uncertain: Counter::default(),
            fallbacks: Counter::default(),
            incoming: Counter::default(),
            dropped: Counter::default(),
            reports: Counter::default(),
            at_noise: Counter::default(),
            commits: Counter::default(),
            jobs: Counter::default(),
            hook_tries: Family::default(),
            hook_refused: Counter::default(),
            hook_waiting: Family::default(),
            hook_oldest: Family::default(),
            hook_dead: Family::default(),
            messages: Family::default(),
            alarms: Family::default(),
            balances: Family::default(),
            budget_left: Family::default(),
            breakers: Family::default(),
            budget_exceeded: Family::default(),
            codes: Family::default(),
            conversion: Family::default(),
            channels_ready: Gauge::default(),
            channels: Gauge::default(),
            started: Gauge::default(),
            waited: Ages::default(),
            depth: Family::default(),
            paused: Family::default(),
            clock_apart: Gauge::default(),
            registry: Registry::with_prefix("smsotp"),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("requests", "Answered API requests", self.requests.clone());
        r.register("validations", "Outcomes of /validate/check", self.validations.clone());
        r.register("submitted", "Attempts that the network took", self.submitted.clone());
        r.register("failed", "Attempts that were refused", self.failed.clone());
        r.register("uncertain", "Attempts that may have left", self.uncertain.clone());
        let fallbacks = "Logins that went once more because no report came";
        r.register("fallbacks", fallbacks, self.fallbacks.clone());
        r.register("incoming", "Messages received from phones", self.incoming.clone());
        r.register(
            "incoming_dropped",
            "Received WAP pushes and silent messages, not kept",
            self.dropped.clone(),
        );
        r.register("reports", "Handset reports received", self.reports.clone());
        r.register("at_noise_lines", "Lines from modems that no rule knows", self.at_noise.clone());
        r.register("store_commits", "Durable commits", self.commits.clone());
        r.register("store_jobs", "Jobs served by the commits", self.jobs.clone());
        r.register("hook_tries", "Tries to carry a story to a hook", self.hook_tries.clone());
        let refused = "Stories for hooks that were lost because the outbox was full";
        r.register("hook_refused", refused, self.hook_refused.clone());
        r.register("hook_waiting", "Stories on their way to a hook", self.hook_waiting.clone());
        r.register("hook_oldest_seconds", "Age of the oldest of them", self.hook_oldest.clone());
        let dead = "Stories for a hook that were given up in the last seven days";
        r.register("hook_dead", dead, self.hook_dead.clone());
        r.register("messages", "Messages in the store", self.messages.clone());
        r.register("alarm", "Open alarms", self.alarms.clone());
        let balance = "Money on the SIM, in its own currency, by the IMEI of its modem";
        r.register("modem_balance", balance, self.balances.clone());
        r.register("budget_left", "What a SIM may still send in a window", self.budget_left.clone());
        let breaker =
            "Whether a channel is left alone for its failures: 0 no, 1 tried with one message, 2 yes";
        r.register("channel_breaker", breaker, self.breakers.clone());
        let exceeded = "Requests over a budget of admission: refused, or in shadow let in all the same";
        r.register("budget_exceeded", exceeded, self.budget_exceeded.clone());
        let codes =
            "Codes of the last hour that the network took and that were used or expired, by calling code";
        r.register("codes_settled", codes, self.codes.clone());
        let used = "The share of those codes that was used";
        r.register("code_conversion_ratio", used, self.conversion.clone());
        r.register("channels", "Channels there are", self.channels.clone());
        r.register("channels_ready", "Channels that take messages", self.channels_ready.clone());
        let waited = "How long the message that has waited longest could have left: of all that are not paused, and of each lane";
        r.register("queue_oldest_seconds", waited, self.waited.clone());
        let apart = "What the wall clock was set ahead of the daemon's time since its start";
        r.register("clock_apart_seconds", apart, self.clock_apart.clone());
        r.register("queue_depth", "Unsent messages of a lane", self.depth.clone());
        r.register("queue_paused", "Whether an operator paused the lane", self.paused.clone());
        r.register("start_time_seconds", "When the daemon started, since the epoch", self.started.clone());
    }

    /// The time that `start_time_seconds` tells.
    pub fn started(&self, seconds: i64) {
        self.started.set(seconds);
    }

    /// Channels now: those that take messages, of all.
    pub fn channels(&self, ready: usize, all: usize) {
        self.channels_ready.set(i64::try_from(ready).unwrap_or(i64::MAX));
        self.channels.set(i64::try_from(all).unwrap_or(i64::MAX));
    }

    /// For how long the message that has waited longest could have left.
    pub fn waited(&self, waited: Duration) {
        let seconds = i64::try_from(waited.as_secs()).unwrap_or(i64::MAX);
        self.waited.all.set(seconds);
    }

    /// The lanes now, each with the time for which its head could have left.
    pub fn lanes<'a>(&self, lanes: impl Iterator<Item = (&'a LaneRecord, Duration)>) {
        for (record, waited) in lanes {
            let lane = OfLane { lane: record.lane.as_str() };
            let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
            self.waited.lanes.of(record.lane).set(whole(waited.as_secs()));
            self.depth.get_or_create(&lane).set(whole(record.queued.saturating_add(record.leased)));
            self.paused.get_or_create(&lane).set(i64::from(record.paused.is_some()));
        }
    }

    /// What the wall clock was set ahead of our time since the start, ms.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this millennium fit 53 bits")]
    pub fn clock_apart(&self, millis: i64) {
        self.clock_apart.set(millis as f64 / 1_000.0);
    }

    /// Messages now, by lane and state; what is not named is none.
    pub fn messages(&self, counts: &[Count]) {
        self.messages.clear();
        for count in counts {
            self.messages
                .get_or_create(&Standing { lane: count.lane.as_str(), state: count.state.as_str() })
                .set(i64::try_from(count.messages).unwrap_or(i64::MAX));
        }
    }

    /// What limited SIMs may still send, by channel and window; what is not named has no limit.
    pub fn budgets(&self, left: impl Iterator<Item = (String, &'static str, u32)>) {
        self.budget_left.clear();
        for (channel, window, left) in left {
            self.budget_left.get_or_create(&Limit { channel, window }).set(i64::from(left));
        }
    }

    /// Breakers now, by channel: closed, half-open or open.
    pub fn breakers(&self, standing: impl Iterator<Item = (String, &'static str)>) {
        self.breakers.clear();
        for (channel, breaker) in standing {
            let code = ["closed", "half-open", "open"].iter().position(|word| *word == breaker);
            let code = code.and_then(|code| i64::try_from(code).ok()).unwrap_or(0);
            self.breakers.get_or_create(&OfChannel { channel }).set(code);
        }
    }

    /// What is on its way to hooks now.
    pub fn outbox(&self, counts: &[OutboxCount], now: UnixMs) {
        let all = [&self.hook_waiting, &self.hook_oldest, &self.hook_dead];
        all.iter().for_each(|family| family.clear());
        for count in counts {
            let seconds = count.oldest.map_or(0, |made| now.since(made).as_secs());
            for (family, value) in all.into_iter().zip([count.waiting, seconds, count.dead]) {
                let label = OfHook { hook: hook_label(&count.hook).to_owned() };
                family.get_or_create(&label).set(i64::try_from(value).unwrap_or(i64::MAX));
            }
        }
    }

    /// Requests over budget so far, by dimension.
    pub fn over_budget(&self, totals: impl Iterator<Item = (&'static str, u64)>) {
        for (dimension, total) in totals {
            put(&self.budget_exceeded.get_or_create(&OfDimension { dimension }), total);
        }
    }

    /// Codes of the last hour by country; a country that is not named had none.
    pub fn conversions(&self, all: &Conversions) {
        self.codes.clear();
        self.conversion.clear();
        let mut countries: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
        for codes in &all.0 {
            let (used, submitted) = countries.entry(&codes.country).or_default();
            *used = used.saturating_add(codes.used);
            *submitted = submitted.saturating_add(codes.submitted);
        }
        for (country, (used, submitted)) in countries {
            let label = OfCountry { country: country.to_owned() };
            self.codes.get_or_create(&label).set(i64::from(submitted));
            self.conversion.get_or_create(&label).set(f64::from(used) / f64::from(submitted.max(1)));
        }
    }

    /// Open alarms now; a kind that is not named has none.
    pub fn alarms(&self, open: &[AlarmRecord]) {
        self.alarms.clear();
        for alarm in open {
            let standing = StandingAlarm { kind: alarm.kind.clone(), severity: alarm.severity.as_str() };
            self.alarms.get_or_create(&standing).inc();
        }
    }

    /// Balances now, by IMEI; a modem that is not named has told none.
    pub fn balances(&self, told: impl Iterator<Item = (String, f64)>) {
        self.balances.clear();
        for (modem, balance) in told {
            self.balances.get_or_create(&OfModem { modem }).set(balance);
        }
    }

    /// The whole exposition.
    ///
    /// # Errors
    /// None that a `String` can give.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(4_096);
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// What metrics call a hook; Kannel's clients have no name of their own.
#[must_use]
pub fn hook_label(hook: &str) -> &str {
    if hook.is_empty() { "dlr" } else { hook }
}

/// Copies a total that somebody else counts. Only ever with the newest value of a running count.
pub fn put(counter: &Counter, total: u64) {
    counter.inner().store(total, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::message::State;

    #[test]
    fn the_exposition_is_openmetrics() {
        let metrics = Metrics::default();
        metrics.requests.get_or_create(&Request { endpoint: "/v1/messages", status: 202 }).inc();
        metrics.messages(&[Count { lane: Lane::Bulk, state: State::Queued, messages: 3 }]);
        metrics.channels(1, 2);
        metrics.breakers([("gsm:1".to_owned(), "open")].into_iter());
        metrics.waited(Duration::from_secs(8));
        let (lane, queued, leased) = (Lane::Bulk, 3, 1);
        let bulk = LaneRecord { lane, queued, leased, most: None, oldest: None, paused: None };
        metrics.lanes([(&bulk, Duration::from_secs(9))].into_iter());
        put(&metrics.commits, 7);
        let text = metrics.encode().unwrap();
        for line in [
            "smsotp_requests_total{endpoint=\"/v1/messages\",status=\"202\"} 1",
            "smsotp_messages{lane=\"bulk\",state=\"queued\"} 3",
            "smsotp_channels_ready 1",
            "smsotp_channel_breaker{channel=\"gsm:1\"} 2",
            "smsotp_queue_oldest_seconds 8",
            "smsotp_queue_oldest_seconds{lane=\"bulk\"} 9",
            "smsotp_queue_depth{lane=\"bulk\"} 4",
            "smsotp_queue_paused{lane=\"bulk\"} 0",
            "smsotp_store_commits_total 7",
            "smsotp_incoming_total 0",
            "# EOF",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn a_state_that_emptied_is_told_no_longer() {
        let metrics = Metrics::default();
        metrics.messages(&[Count { lane: Lane::Bulk, state: State::Queued, messages: 3 }]);
        metrics.messages(&[]);
        assert!(!metrics.encode().unwrap().contains("state=\"queued\""));
    }
}
