//! `pdu encode`: the PDUs of a text, as a modem takes them or, for tests, as it would give them.

use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::failure::Failure;
use super::lines::{Row, RowError};
use super::messages;
use super::render::{self, Output};
use super::texts::Texts;
use crate::at::hex;
use crate::clock;
use crate::number::Number;
use crate::pdu::{
    self, Address, Deliver, EncodeError, Flaws, Pid, Plan, Submit, Timestamp, Validity, ValidityFormat,
};
use crate::units::{MessageRef, UnixMs};

/// What is to be encoded; the same words on the command line and in JSON lines.
#[derive(Debug, Args, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    /// JSON lines carry it; it is answered as it came.
    #[arg(skip)]
    #[serde(default, rename = "id")]
    _id: Option<Value>,
    /// To whom: +49... or a short code; with --deliver from whom, which may be a name
    #[arg(required_unless_present = "jsonl")]
    #[serde(rename = "to")]
    address: Option<String>,
    /// The text; `-` reads it from stdin
    #[arg(required_unless_present = "jsonl")]
    text: Option<String>,
    /// The service centre [default: the one stored on the SIM]
    #[arg(long, value_name = "NUMBER")]
    #[serde(default)]
    smsc: Option<String>,
    /// Ask for a status report (TP-SRR); with --deliver, say that the sender gets one (TP-SRI)
    #[arg(long)]
    #[serde(default)]
    report: bool,
    /// Shown at once and not stored by the phone (message class 0)
    #[arg(long)]
    #[serde(default)]
    flash: bool,
    /// How long the service centre shall try (TP-VP), such as 90s, 5m, 2d
    #[arg(long, value_name = "TIME", value_parser = messages::seconds, conflicts_with = "deliver")]
    #[serde(default)]
    validity: Option<u64>,
    /// The service centre shall refuse a second message of the same reference (TP-RD)
    #[arg(long, conflicts_with = "deliver")]
    #[serde(default)]
    reject_duplicates: bool,
    /// Reference of the message (TP-MR) and of its concatenation
    #[arg(long, value_name = "N", default_value_t = 0)]
    #[serde(default)]
    reference: u8,
    /// SMS-DELIVER instead of SMS-SUBMIT: what a phone receives, as test data
    #[arg(long)]
    #[serde(default)]
    deliver: bool,
    #[command(flatten)]
    #[serde(flatten)]
    texts: Texts,
    /// When the service centre took the message (TP-SCTS) [default: now]
    #[arg(long, value_name = "TIME", requires = "deliver")]
    #[serde(default)]
    time: Option<jiff::Timestamp>,
}

/// Encodes what the command line says; one line for each part, its TPDU length as `AT+CMGS` wants it in front.
pub(super) fn run(output: Output, mut order: Order) -> Result<(), Failure> {
    order.text = order.text.map(messages::text).transpose()?;
    let got = encode(&order).map_err(|error| Failure::Data(error.to_string()))?;
    Ok(output.show(&got, people)?)
}

/// Answers a JSON line.
pub(super) fn row(row: &Row) -> Result<Value, RowError> {
    let order: Order = serde_json::from_value(Value::Object(row.clone()))
        .map_err(|error| RowError::Content(error.to_string()))?;
    encode(&order)
}

fn people(got: &Value) -> String {
    let parts = got.get("parts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let said = |part: &Value, key| part.get(key).map_or_else(String::new, render::plain);
    parts.iter().map(|part| format!("{} {}\n", said(part, "length"), said(part, "pdu"))).collect()
}

fn encode(order: &Order) -> Result<Value, RowError> {
    let address = order.address.as_deref().ok_or(RowError::Key("to"))?;
    let text = order.text.as_deref().ok_or(RowError::Key("text"))?;
    let plan =
        pdu::plan_with(text, &order.texts.policy()).map_err(|error| RowError::Content(error.to_string()))?;
    let centre = match &order.smsc {
        None => vec![0],
        Some(centre) => number(centre)?.to_service_centre(),
    };
    let tpdus =
        if order.deliver { delivers(order, address, &plan)? } else { submits(order, address, &plan)? };
    let part = |tpdu: &Vec<u8>| json!({"length": tpdu.len(), "pdu": hex::encode(&[centre.as_slice(), tpdu].concat())});
    Ok(json!({"parts": tpdus.iter().map(part).collect::<Vec<_>>()}))
}

fn submits(order: &Order, to: &str, plan: &Plan) -> Result<Vec<Vec<u8>>, RowError> {
    let (destination, validity) = (number(to)?, order.validity.map(validity).transpose()?);
    let submit = |(dcs, user_data)| Submit {
        reference: MessageRef(order.reference),
        destination,
        pid: Pid::PLAIN,
        dcs,
        validity,
        reject_duplicates: order.reject_duplicates,
        status_report: order.report,
        reply_path: false,
        user_data,
        flaws: Flaws::default(),
    };
    written(plan.user_data(order.reference, order.flash).map(|part| submit(part).encode()))
}

fn delivers(order: &Order, from: &str, plan: &Plan) -> Result<Vec<Vec<u8>>, RowError> {
    let (originator, timestamp) = (originator(from)?, timestamp(order.time)?);
    let deliver = |(dcs, user_data)| Deliver {
        more: false,
        loop_prevention: false,
        status_report: order.report,
        reply_path: false,
        originator,
        pid: Pid::PLAIN,
        dcs,
        timestamp,
        user_data,
        flaws: Flaws::default(),
    };
    written(plan.user_data(order.reference, order.flash).map(|part| deliver(part).encode()))
}

fn number(text: &str) -> Result<Address, RowError> {
    let number = Number::parse(text, None).map_err(|error| RowError::Content(error.to_string()))?;
    Ok(Address::from(&number))
}

/// A number, or else a name.
fn originator(text: &str) -> Result<Address, RowError> {
    let wrong = || {
        RowError::Content(format!(
            "{text:?} is no originator: neither a number nor at most 11 characters of the GSM 7 bit alphabet"
        ))
    };
    number(text).or_else(|_| Address::alphanumeric(text).ok_or_else(wrong))
}

fn timestamp(time: Option<jiff::Timestamp>) -> Result<Timestamp, RowError> {
    let at = time.map_or_else(clock::wall, |time| UnixMs(time.as_millisecond()));
    let wrong = "the time is outside 1990 to 2089, so TP-SCTS cannot say it";
    Timestamp::new(at, 0).ok_or_else(|| RowError::Content(wrong.to_owned()))
}

fn written(tpdus: impl Iterator<Item = Result<Vec<u8>, EncodeError>>) -> Result<Vec<Vec<u8>>, RowError> {
    tpdus.map(|tpdu| tpdu.map_err(|error| RowError::Content(error.to_string()))).collect()
}

/// The relative format where it says exactly this period, else the enhanced one.
fn validity(seconds: u64) -> Result<Validity, RowError> {
    let validity = Validity::within(Duration::from_secs(seconds), ValidityFormat::Enhanced);
    match validity.period().map(|period| period.as_secs()) {
        Some(said) if said != seconds => Err(RowError::Content(format!(
            "no TP-VP says {seconds} seconds; the nearest below is {said} seconds"
        ))),
        _ => Ok(validity),
    }
}
