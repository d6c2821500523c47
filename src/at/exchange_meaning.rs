//! What the arguments of an information line mean, as the facts of [`super::exchange`] show it.

use serde_json::{Map, Value, json};

use super::grammar::{Arg, Info};
use super::reply::{Csca, Csq, PinState, Registration, Stat, UssdReply};

/// Vendor lines whose values are shown with their numbers as numbers.
const VENDOR: &[&str] = &[
    "^BOOT",
    "^RSSI",
    "^MODE",
    "^HCSQ",
    "^SRVST",
    "^SIMST",
    "^DSFLOWRPT",
    "^SYSINFO",
    "^SYSINFOEX",
    "^STIN",
    "^SMMEMFULL",
];

/// The arguments as they stand: text, null, or a list of these.
pub(super) fn args_json(args: &[Arg<'_>]) -> Value {
    args.iter().map(arg_json).collect()
}

fn arg_json(arg: &Arg<'_>) -> Value {
    match arg {
        Arg::Empty => Value::Null,
        Arg::Bare(text) | Arg::Quoted(text) => json!(text),
        Arg::List(members) => args_json(members),
    }
}

/// The meaning, for the lines that have a known one.
pub(super) fn meaning(info: &Info<'_>, line: &str) -> Option<Value> {
    match info.name {
        "+CREG" | "+CGREG" | "+CEREG" | "+C5GREG" => registration(&Registration::parse(info)?),
        "+CPIN" => {
            let state = PinState::parse(info)?;
            Some(json!({ "pin": info.text(0), "ready": state == PinState::Ready }))
        }
        "+CSQ" => {
            let csq = Csq::parse(info)?;
            Some(json!({ "rssi": csq.rssi, "ber": csq.ber, "dbm": csq.dbm.map(|dbm| dbm.0) }))
        }
        "+CSCA" => {
            let csca = Csca::parse(info)?;
            info.text(0).map(|_| json!({ "smsc": csca.address, "toa": csca.toa }))
        }
        "+CMGS" => Some(json!({ "mr": info.number::<u8>(0)? })),
        "+CMTI" => stored("new-sms-stored", info),
        "+CDSI" => stored("new-report-stored", info),
        "+CLIP" => Some(json!({ "urc": "caller-id", "number": info.text(0)?, "toa": info.number::<u8>(1) })),
        "+CPMS" => stores(info),
        "+CNMI" => supported_values(info),
        "+COPS" => operator(info),
        "+CUSD" => ussd(&UssdReply::parse(line)?),
        name if VENDOR.contains(&name) => Some(json!({ "urc": "vendor", "values": values(&info.args) })),
        _ => None,
    }
}

fn stored(urc: &str, info: &Info<'_>) -> Option<Value> {
    Some(json!({ "urc": urc, "mem": info.text(0), "index": info.number::<u16>(1)? }))
}

fn values(args: &[Arg<'_>]) -> Value {
    args.iter().map(|arg| arg.number::<i64>().map_or_else(|| arg_json(arg), |number| json!(number))).collect()
}

fn registration(got: &Registration) -> Option<Value> {
    let mut facts = Map::new();
    facts.insert("domain".to_owned(), json!(got.domain.abbreviation()));
    facts.insert("solicited".to_owned(), json!(got.n.is_some()));
    if let Some(n) = got.n {
        facts.insert("n".to_owned(), json!(n));
    }
    facts.insert("stat".to_owned(), json!(got.code));
    facts.insert("state".to_owned(), json!(state_name(got.stat)));
    facts.insert("registered".to_owned(), json!(got.stat.carries_sms()));
    facts.insert("roaming".to_owned(), json!(got.stat.is_roaming()));
    if got.has_cell {
        facts.insert("lac".to_owned(), json!(got.lac));
        facts.insert("ci".to_owned(), json!(got.ci));
    }
    if let Some(rac) = got.rac {
        facts.insert("rac".to_owned(), json!(rac));
    }
    if let Some(act) = got.act {
        facts.insert("act".to_owned(), json!(act));
    }
    Some(Value::Object(facts))
}

fn state_name(stat: Stat) -> &'static str {
    match stat {
        Stat::Idle => "idle",
        Stat::Home => "home",
        Stat::Searching => "searching",
        Stat::Denied => "denied",
        Stat::Unknown => "unknown",
        Stat::Roaming => "roaming",
        Stat::SmsOnlyHome => "sms-only-home",
        Stat::SmsOnlyRoaming => "sms-only-roaming",
        Stat::Emergency => "emergency",
        Stat::CsfbNotPreferredHome => "csfb-not-preferred-home",
        Stat::CsfbNotPreferredRoaming => "csfb-not-preferred-roaming",
        Stat::Restricted => "rlos",
    }
}

/// `+CPMS`: what there is, the stores in use with their fill, or the fill alone.
fn stores(info: &Info<'_>) -> Option<Value> {
    if info.args.iter().any(|arg| arg.list().is_some()) {
        return Some(json!({ "supported": args_json(&info.args) }));
    }
    let fill = |group: &[Arg<'_>]| -> Option<Vec<Value>> {
        let (name, numbers) = group.split_at_checked(group.len().saturating_sub(2))?;
        let mut row: Vec<Value> = name.iter().map(arg_json).collect();
        for number in numbers {
            row.push(json!(number.number::<u32>()?));
        }
        Some(row)
    };
    let (key, width) = if info.number::<u32>(0).is_some() { ("used_total", 2) } else { ("stores", 3) };
    let rows: Option<Vec<Vec<Value>>> = info.args.chunks_exact(width).map(fill).collect();
    rows.filter(|rows| !rows.is_empty()).map(|rows| json!({ key: rows }))
}

/// `+CNMI=?`.
fn supported_values(info: &Info<'_>) -> Option<Value> {
    let is_list = info.args.iter().any(|arg| arg.list().is_some());
    is_list.then(|| json!({ "supported": info.args.iter().map(Arg::members).collect::<Vec<_>>() }))
}

/// `+COPS?`, or the networks of `+COPS=?`.
fn operator(info: &Info<'_>) -> Option<Value> {
    if info.args.iter().any(|arg| arg.list().is_some()) {
        let networks: Vec<Value> = info.args.iter().filter_map(Arg::list).filter_map(network).collect();
        return Some(json!({ "networks": networks }));
    }
    info.text(2)?;
    Some(json!({
        "mode": info.number::<u8>(0)?,
        "format": info.number::<u8>(1),
        "oper": info.text(2),
        "act": info.number::<u8>(3),
    }))
}

/// `(<stat>,"long","short","plmn"[,<act>])`. The lists of modes and formats at the end are no networks: a PLMN has five
/// digits at least, and names in UCS2 hex have more.
fn network(list: &[Arg<'_>]) -> Option<Value> {
    const PLMN_MIN: usize = 5;
    let name = |at: usize| list.get(at).and_then(Arg::text).filter(|text| !text.is_empty());
    let plmn = name(3).filter(|plmn| plmn.len() >= PLMN_MIN)?;
    Some(json!({
        "stat": list.first()?.number::<u8>()?,
        "long": name(1),
        "short": name(2),
        "plmn": plmn,
        "act": list.get(4).and_then(Arg::number::<u8>),
    }))
}

fn ussd(got: &UssdReply) -> Option<Value> {
    Some(match &got.text {
        Some(text) => json!({ "m": got.m, "dcs": got.dcs, "raw": text }),
        None => json!({ "m": got.m }),
    })
}
