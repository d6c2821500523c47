//! What is measured: our side of every case and the input that both sides get.

use std::fmt;
use std::hint::black_box;
use std::path::PathBuf;

use allocation_counter::AllocationInfo;
use data_encoding::HEXUPPER;
use serde_json::Value;
use smsotpd::at::{Chunk, Final, Info, Lines, hex};
use smsotpd::number::Number;
use smsotpd::pdu::{
    Address, Dcs, Deliver, Flaws, Pid, Submit, SubmitOptions, Timestamp, UserData, gsm7, plan,
};
use smsotpd::secret::Secret;

use crate::job::{Job, Produced};

/// What a port gives in one read.
const READ: usize = 4096;
/// Stands between the exchanges of one input; no modem sends it.
const RECORD_SEPARATOR: &str = "\u{1e}";

/// 160 septets: words, digits and a character beyond ASCII, as one-time codes have them.
const TEXT: &str = "Ihr Code für die Anmeldung lautet 314159. Er gilt fünf Minuten. Geben Sie ihn an niemanden \
    weiter, auch nicht am Telefon. Ihre Bank fragt nie nach diesen Codes.";
const TEXT_UCS2: &str = "Ваш код для входа 314159. Он действует пять минут. ";
const LINE: &str = "+CREG: 2,5,\"9E9A\",\"019624BD\",2";

/// Lines of several dialects, for a machine without the corpus.
const DIALECTS: &str = "AT+CSQ\r\r\n+CSQ: 17,99\r\n\r\nOK\r\n\r\n+CREG: 2,1,\"00C3\",\"0B2A\"\r\n\r\nOK\r\n\
    \r\n+CMTI: \"SM\",7\r\n^RSSI:18\r\n^HCSQ:\"LTE\",43,39,131,20\r\n\r\n+CPMS: \"SM\",3,20,\"SM\",3,20,\"SM\",3,20\r\n\
    +COPS: (2,\"Example\",\"EX\",\"00101\",7),(1,\"Other\",\"OT\",\"00102\",2),,(0-4),(0-2)\r\n\r\nOK\r\n+CMS ERROR: 500\r\n\
    +CMGR: 1,,26\r\n07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07\r\nOK\r\n";

/// How a figure is told.
#[derive(Clone, Copy)]
pub enum Unit {
    Nanoseconds,
    Microseconds,
    /// Millions of octets a second, of an input of so many.
    Megabytes(usize),
}

impl Unit {
    pub fn value(self, ns: f64) -> f64 {
        match self {
            Self::Nanoseconds => ns,
            Self::Microseconds => ns / 1e3,
            Self::Megabytes(octets) => octets as f64 * 1e3 / ns,
        }
    }

    pub fn reaches(self, value: f64, line: f64) -> bool {
        if matches!(self, Self::Megabytes(_)) { value >= line } else { value <= line }
    }

    pub fn line(self, line: f64) -> String {
        format!("{} {line}", if matches!(self, Self::Megabytes(_)) { ">=" } else { "<=" })
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nanoseconds => "ns",
            Self::Microseconds => "us",
            Self::Megabytes(_) => "MB/s",
        })
    }
}

/// One thing that is measured.
pub struct Case {
    pub id: &'static str,
    pub what: String,
    pub unit: Unit,
    pub wanted: Option<f64>,
    /// What the other crates get.
    pub input: Vec<u8>,
    pub job: Job,
    /// What the job gives, in one line.
    result: String,
}

impl Case {
    /// What another crate makes of the input, beside what we do.
    pub fn compare(&self, theirs: &str) -> String {
        let ours = self.result.as_str();
        let counts = ours.parse::<usize>().is_ok() && theirs.parse::<usize>().is_ok();
        // The reference of a long message is chosen at random: one octet in the header of each part.
        let mask = |part: &str| {
            let (before, after) = part.split_once("050003")?;
            Some(format!("{before}050003??{}", after.get(2..)?))
        };
        let masked = |parts: &str| -> Vec<String> {
            parts.split(' ').map(|part| mask(part).unwrap_or_else(|| part.to_owned())).collect()
        };
        match () {
            () if ours == theirs => "the same".to_owned(),
            () if masked(ours) == masked(theirs) => "the same but for the random reference".to_owned(),
            () if counts => format!("finds {theirs}, ours {ours}"),
            () => differences(&masked(ours), &masked(theirs)),
        }
    }
}

/// Which octets differ, if the results are alike otherwise: the same one in every part of a long text is told once.
fn differences(ours: &[String], theirs: &[String]) -> String {
    let octets =
        |line: &String| line.as_bytes().chunks(2).map(String::from_utf8_lossy).map(String::from).collect();
    let pairs = ours.iter().map(octets).zip(theirs.iter().map(octets));
    let mut told: Vec<String> = Vec::new();
    for (ours, theirs) in pairs {
        let (ours, theirs): (Vec<String>, Vec<String>) = (ours, theirs);
        let differ = (0..).zip(ours.iter().zip(&theirs)).filter(|(_, (ours, theirs))| ours != theirs);
        told.extend(
            differ.map(|(at, (ours, theirs)): (usize, _)| format!("octet {at} is {theirs}, ours {ours}")),
        );
        if ours.len() != theirs.len() {
            told.push(format!("{} octets, ours {}", theirs.len(), ours.len()));
        }
    }
    told.sort();
    told.dedup();
    match told.len() {
        1..=3 => format!("the same but: {}", told.join(", ")),
        many => format!("differs in {many} places"),
    }
}

/// What is read or written, and where the AT lines are from.
pub struct Inputs {
    pub about: String,
    /// Every recorded exchange.
    exchanges: Vec<String>,
    to: Number,
}

impl Inputs {
    /// The AT corpus beside the checkout or where `SMSOTPD_CORPUS` says, else lines of our own.
    pub fn find() -> Self {
        let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus");
        let corpus = std::env::var_os("SMSOTPD_CORPUS").map_or_else(|| PathBuf::from(beside), PathBuf::from);
        let files = ["at-exchanges.jsonl", "at-exchanges-extra.jsonl"];
        let read = files.iter().filter_map(|file| std::fs::read_to_string(corpus.join(file)).ok());
        let mut exchanges: Vec<String> =
            read.flat_map(|text| text.lines().map(received).collect::<Vec<_>>()).collect();
        let source = if exchanges.is_empty() {
            exchanges = vec![DIALECTS.to_owned(); 400];
            "no corpus here: lines of our own, repeated"
        } else {
            "recv texts of the AT corpus"
        };
        let text = exchanges.concat();
        let (lines, octets) = lines_of(&text).iter().fold((0, 0), |(n, sum), line| (n + 1, sum + line.len()));
        let about = format!(
            "AT input: {source}; {} exchanges, {} octets, {lines} lines of {:.1} octets on average, fed in reads of {READ}.",
            exchanges.len(),
            text.len(),
            octets as f64 / lines.max(1) as f64
        );
        Self { about, exchanges, to: Number::parse("+491701234567", None).expect("a number") }
    }

    fn submit(&self) -> Submit {
        let plan = plan(TEXT).expect("one part");
        plan.submits(&self.to, &SubmitOptions::default()).pop().expect("one part")
    }

    fn deliver(&self) -> Vec<u8> {
        let (dcs, user_data) = UserData::from_text(TEXT);
        let deliver = Deliver {
            more: false,
            loop_prevention: false,
            status_report: false,
            reply_path: false,
            originator: Address::from(&self.to),
            pid: Pid(0),
            dcs: if dcs == Dcs::GSM7 { dcs } else { panic!("the text is GSM 7 bit") },
            timestamp: Timestamp([0x62, 0x11, 0x42, 0x90, 0x15, 0x30, 0x40]),
            user_data,
            flaws: Flaws::default(),
        };
        deliver.encode().expect("it fits")
    }

    /// All PDUs of a text.
    fn submits(&self, text: &str) -> Vec<Vec<u8>> {
        let plan = plan(text).expect("not too long");
        let tpdu = |seq| plan.tpdu(seq, &self.to, &SubmitOptions::default()).expect("it fits");
        (1..=plan.segments()).filter_map(tpdu).collect()
    }
}

fn received(row: &str) -> String {
    let row: Value = serde_json::from_str(row).expect("a row of the corpus is JSON");
    row["recv"].as_str().expect("a row has recv").to_owned()
}

/// Feeds `text` as a port gives it and shows every line to `see`.
fn split(text: &[u8], mut see: impl FnMut(&str)) {
    let mut lines = Lines::new();
    for read in text.chunks(READ) {
        lines.push(read);
        while let Some(chunk) = lines.next(false) {
            if let Chunk::Line(line) = chunk {
                see(line);
            }
        }
    }
}

fn lines_of(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    split(text.as_bytes(), |line| lines.push(line.to_owned()));
    lines
}

/// Every case, those with a line to reach first.
pub fn all(inputs: &Inputs) -> Vec<Case> {
    let mut cases = messages(inputs);
    cases.extend(alphabets());
    cases.extend(lines(inputs));
    cases.sort_by_key(|case| case.wanted.is_none());
    cases
}

fn case(
    id: &'static str,
    what: impl Into<String>,
    input: &[u8],
    job: impl Fn() -> Produced + 'static,
) -> Case {
    let result = job().line();
    Case {
        id,
        what: what.into(),
        unit: Unit::Nanoseconds,
        wanted: None,
        input: input.to_vec(),
        job: Box::new(job),
        result,
    }
}

impl Case {
    fn wanted(self, unit: Unit, line: f64) -> Self {
        Self { unit, wanted: Some(line), ..self }
    }

    /// For a job that only counts what it made, so that no copy is timed.
    fn giving(self, result: &Produced) -> Self {
        Self { result: result.line(), ..self }
    }
}

fn messages(inputs: &Inputs) -> Vec<Case> {
    let (submit, octets) = (inputs.submit(), inputs.deliver());
    let thousand = |text: &str| text.chars().cycle().take(1000).collect::<String>();
    let (gsm7, ucs2) = (thousand(TEXT), thousand(TEXT_UCS2));
    let read = |octets: &[u8]| {
        let deliver = Deliver::decode(octets).expect("a DELIVER");
        deliver.user_data.text(deliver.dcs).expect("a text")
    };
    let said = Produced::Text(read(&octets).expose_str().expect("UTF-8").to_owned());
    let length = |text: Secret| Produced::Count(black_box(text).len());
    let segments =
        |text: String| move || Produced::Count(plan(&text).expect("not too long").segments().into());
    let whole = |text: &str| {
        let (text, inputs) =
            (text.to_owned(), Inputs { about: String::new(), exchanges: vec![], to: inputs.to.clone() });
        move || Produced::Parts(inputs.submits(&text))
    };
    let pdu_hex = HEXUPPER.encode(&[&[0], &octets[..]].concat());
    vec![
        case("encode", "SUBMIT of 160 septets to octets", &[], move || {
            Produced::Octets(submit.encode().expect("it fits"))
        })
        .wanted(Unit::Nanoseconds, 250.0),
        case("deliver", "DELIVER of 160 septets from octets, with its text", &octets.clone(), move || {
            length(read(&octets))
        })
        .wanted(Unit::Nanoseconds, 250.0)
        .giving(&said),
        case("plan-gsm7", "1,000 characters to segments, GSM 7 bit", &[], segments(gsm7.clone()))
            .wanted(Unit::Microseconds, 3.0),
        case("plan-ucs2", "1,000 characters to segments, UCS-2", &[], segments(ucs2.clone()))
            .wanted(Unit::Microseconds, 3.0),
        case("submit", "text of 160 septets to the octets of a SUBMIT", TEXT.as_bytes(), whole(TEXT)),
        case(
            "deliver-hex",
            "DELIVER of 160 septets from hex, with its text",
            pdu_hex.clone().as_bytes(),
            move || {
                let octets = hex::decode(&pdu_hex).expect("hex");
                length(read(octets.get(1..).unwrap_or_default()))
            },
        )
        .giving(&said),
        case("long-gsm7", "1,000 characters to the octets of 7 SUBMITs", gsm7.as_bytes(), whole(&gsm7)),
        case(
            "long-ucs2",
            "1,000 characters to the octets of 15 SUBMITs, UCS-2",
            ucs2.as_bytes(),
            whole(&ucs2),
        ),
    ]
}

fn alphabets() -> Vec<Case> {
    let septets = gsm7::encode(TEXT).expect("GSM 7 bit");
    let packed = gsm7::pack(&septets, 0);
    let count = septets.len();
    vec![
        case("pack", "text to 160 packed septets", TEXT.as_bytes(), || {
            Produced::Octets(gsm7::pack(&gsm7::encode(TEXT).expect("GSM 7 bit"), 0))
        }),
        case("unpack", "160 packed septets to text", &packed.clone(), move || {
            Produced::Text(gsm7::decode(&gsm7::unpack(&packed, 0, count)))
        }),
        case("to-septets", "text to 160 septets, not packed", TEXT.as_bytes(), || {
            Produced::Octets(gsm7::encode(TEXT).expect("GSM 7 bit"))
        }),
        case("from-septets", "160 septets, not packed, to text", &septets.clone(), move || {
            Produced::Text(gsm7::decode(&septets))
        }),
    ]
}

fn lines(inputs: &Inputs) -> Vec<Case> {
    let text = inputs.exchanges.concat();
    let grammar = |text: &[u8]| {
        let mut found = 0;
        split(text, |line| found += Info::parse(line).map_or(1, |info| 1 + info.args.len()));
        Produced::Count(found)
    };
    let count = |text: &[u8]| {
        let mut found = 0;
        split(text, |line| {
            found += if Info::parse(line).is_some() { 1 } else { usize::from(!line.is_empty()) }
        });
        Produced::Count(found)
    };
    let only_lines = |text: &[u8]| {
        let mut found = 0;
        split(text, |_| found += 1);
        Produced::Count(found)
    };
    // What every codec takes: printable lines with the end that the standard has.
    let plain = |line: &String| line.bytes().all(|octet| (0x20..0x7f).contains(&octet));
    let tidy = lines_of(&text).into_iter().filter(plain).map(|line| line + "\r\n").collect::<String>();
    let records = inputs.exchanges.join(RECORD_SEPARATOR);
    let exchanges = inputs.exchanges.clone();
    let octets = text.len();
    let (first, second) = (text.clone(), text);
    let (tidy_octets, answers_octets) = (tidy.len(), records.len());
    let mut cases = vec![
        case("split", "AT lines split", &[], move || only_lines(first.as_bytes()))
            .wanted(Unit::Megabytes(octets), 300.0),
        case("grammar", "AT lines split and their parameters read", &[], move || grammar(second.as_bytes()))
            .wanted(Unit::Megabytes(octets), 100.0),
        case(
            "at",
            format!("{tidy_octets} octets of tidy AT lines split and read"),
            &tidy.clone().into_bytes(),
            move || count(tidy.as_bytes()),
        ),
        case(
            "answers",
            format!("{answers_octets} octets of answers, each to its end"),
            records.as_bytes(),
            move || {
                let ends = |exchange: &String| {
                    let mut found = 0;
                    split(exchange.as_bytes(), |line| found += usize::from(Final::parse(line).is_some()));
                    found
                };
                Produced::Count(exchanges.iter().map(ends).sum())
            },
        ),
    ];
    cases.push(case(
        "line",
        "five fields of one line; theirs is told what to expect",
        LINE.as_bytes(),
        || {
            let info = Info::parse(LINE).expect("a line with a name");
            let (number, text) = (|at| info.number::<usize>(at), |at| info.text(at).map(str::len));
            let fields = [number(0), number(1), text(2), text(3), number(4)];
            Produced::Count(fields.into_iter().map(|field| field.expect("a field")).sum())
        },
    ));
    cases
}

/// Length of an encoded SUBMIT and what its encoding allocated.
pub fn encode_counted(inputs: &Inputs) -> (usize, AllocationInfo) {
    let (submit, mut octets) = (inputs.submit(), Vec::new());
    let info = allocation_counter::measure(|| octets = submit.encode().expect("it fits"));
    (octets.len(), info)
}
