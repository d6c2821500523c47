//! Writes the seeds of the fuzz targets to `fuzz/seeds/<target>/`: `cargo run --example seeds` in `fuzz/`.
//!
//! The PDUs are those of the project's own tests or made here by hand; the scripts of the machine are what a driver does.

use std::fs;
use std::path::Path;

use smsotpd::at::hex;
use smsotpd::pdu::gsm7;

/// To or from 1234, international.
const ADDRESS: &str = "04912143";
/// TP-SCTS 2006-06-27 17:17:11 -7:00.
const TIME: &str = "6060727171118A";

fn main() -> std::io::Result<()> {
    write("pdu", pdus())?;
    write("at_lines", streams())?;
    write("machine", scripts())?;
    write("reassemble", parts())?;
    write("command", commands())
}

fn write(target: &str, seeds: Vec<Vec<u8>>) -> std::io::Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(directory.join(format!("{number:02}")), seed)?;
    }
    Ok(())
}

/// The text packed, as TP-UDL and TP-UD.
fn user_data(text: &str) -> String {
    let septets = gsm7::encode(text).unwrap_or_default();
    format!("{:02X}{}", septets.len(), hex::encode(&gsm7::pack(&septets, 0)))
}

fn pdus() -> Vec<Vec<u8>> {
    let text = user_data("Your code is 314159 {€}");
    let deliver = |first: &str, dcs: &str, data: &str| format!("{first}{ADDRESS}00{dcs}{TIME}{data}");
    let submit = |first: &str, validity: &str| format!("{first}00{ADDRESS}0000{validity}{text}");
    let report = format!("0207{ADDRESS}{TIME}{TIME}00");
    let octets = [
        // With a service centre.
        "07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07".to_owned(),
        "07911326040000F0062A0B911346610089F6208062917314802080629173148000".to_owned(),
        "0011000C919471103254760000A709C834888E2ECBCB21".to_owned(),
        "010105912143F500000BC8329BFD06DDDF723619".to_owned(),
        // Alphabets and waiting indications.
        deliver("04", "00", &text),
        deliver("24", "10", &user_data("")),
        deliver("04", "04", "03AABBCC"),
        deliver("04", "08", "080041D83DDE0020AC"),
        deliver("04", "08", "0300410042"),
        deliver("04", "C8", &user_data("2 new messages")),
        deliver("04", "D9", &user_data("x")),
        deliver("04", "E1", "0400410042"),
        deliver("04", "F5", "0100"),
        deliver("04", "20", "02ABCD"),
        // Headers: concatenation with 8 and 16 bits, ports, shifts, a void one, none at all, indications.
        deliver("44", "08", "0A05000307020100410042"),
        deliver("44", "08", "09060804DFD303020041"),
        deliver("44", "04", "090605040B8423F0AABB"),
        deliver("44", "04", "0504040203010203"),
        deliver("40", "00", "0603250101380000"),
        deliver("40", "00", "07032401013653"),
        deliver("40", "00", "0A060003010201240101650D"),
        deliver("40", "04", "0605000301020500"),
        deliver("40", "00", "00"),
        deliver("40", "00", "080401028003AABBCC"),
        // Senders: a name, a short code, none.
        format!("040BD0CFA914440F03DD000000{TIME}{text}"),
        format!("040581214 3F50000{TIME}{text}").replace(' ', ""),
        format!("0400810000{TIME}00"),
        // Validity periods.
        submit("01", ""),
        submit("31", "A7"),
        submit("19", TIME),
        submit("09", "025A0000000000"),
        submit("09", "03102030000000"),
        submit("09", "C100A700000000"),
        // Reports with and without options.
        report.clone(),
        format!("{report}00"),
        format!("{report}070000{text}"),
        format!("{report}8100{}", "41"),
        format!("{report}0408{text}"),
        // The other four TPDUs.
        "0000".to_owned(),
        format!("00D1070000{text}"),
        format!("0100{TIME}"),
        format!("01D100{TIME}"),
        format!("02000000 00{ADDRESS}00").replace(' ', ""),
        format!("2207 4501 07{ADDRESS}03AABBCC").replace(' ', ""),
    ];
    let octets = octets.iter().map(|pdu| prefixed(&[0], &hex::decode(pdu).expect("hex")));
    let septets = [
        prefixed(&[2, 0, 0, 0], b"Your code is 314159"),
        prefixed(&[2, 1, 1, 1], &[0x04, 0x07, 0x1b, 0x53, 0x1b, 0x1b, 0x41]),
        prefixed(&[2, 6, 13, 13], b"\x1b\x65abc\x1b"),
        prefixed(&[2, 3, 8, 4], b"1234567\r"),
        prefixed(&[2, 0, 0, 0], &(0..128).collect::<Vec<u8>>()),
    ];
    let texts = [
        "Your code is 314159".to_owned(),
        "a".repeat(160),
        format!("{}€{}", "a".repeat(152), "b".repeat(20)),
        format!("{}😁{}", "a".repeat(66), "b".repeat(20)),
        "e\u{301}ш".repeat(40),
        "şğıÇ {[€]}".repeat(20),
        "👩‍👩‍👧 𝄞".repeat(12),
    ];
    let utf8 = texts.iter().map(|text| prefixed(&[3, 1], text.as_bytes()));
    let utf16 = texts.iter().map(|text| {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        prefixed(&[3, 0], &units)
    });
    octets.chain(septets).chain(utf8).chain(utf16).collect()
}

fn streams() -> Vec<Vec<u8>> {
    let streams = [
        "AT\r\r\nOK\r\n",
        "\r\n+CMS ERROR: 500\r\n\r\n+CME ERROR: SIM not inserted\r\n",
        "AT+CMGS=23\r\r\n> 0001000491214300000161\x1a\r\n+CMGS: 7\r\n\r\nOK\r\n",
        "\r\n+CMTI: \"SM\",3\r\n\r\n+CDSI: \"SR\",1\r\n",
        "\r\n+CMT: ,23\r\n07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07\r\n",
        "\r\n+CMT: \"+491701234567\",,\"07/02/18,00:05:10+32\"\r\nThe word OK\r\nOK\r\n",
        "\r\n+CDS: 25\r\n07911326040000F0062A0B911346610089F6208062917314802080629173148000\r\n",
        "\r\n+CMGL: 1,0,,23\r\n0004\r\n+CMGL: 2,\"REC READ\",\"+4917\",,\"07/02/18,00:05:10+32\"\r\nA\r\n\r\nOK\r\n",
        "\r\n+CMGR: 0,,23\r\n0791\r\n\r\nOK\r\n",
        "\r\n+CPMS: (\"SM\",\"ME\"),(\"SM\"),(\"SM\")\r\n\r\nOK\r\n\r\n+CPMS: \"SM\",1,20,\"SM\",1,20,\"SM\",1,20\r\n",
        "\r\n+CNMI: (0-2),(0-2,3),(0,2),(0-2),(0,1)\r\n",
        "\r\n+CREG: 2,1,\"0B01\",\"01007\",7\r\n+CREG: 5\r\n+CGREG: 0,5\r\n+CEREG: 1,\"0B\",\"01\"\r\n+C5GREG: 0\r\n",
        "\r\n+CREG: 2,1,\"0B,\"01007\r\n+CMTI: \"SM\",7\r\n",
        "\r\n+COPS: (2,\"A\",\"A\",\"26201\"),(1,\"B\r\n(3,\"C\",,\"26203\",2),,(0-4),(0-2)\r\nOK\r\n",
        "\r\n+COPS: 0,0,\"Net\",7\r\n\r\n+CSQ: 16,99\r\n\r\n+CSCA: \"+491710760000\",145\r\n",
        "\r\n+CUSD: 0,\"Your balance\r\nis 12.34, \"call\" 1\",15\r\n",
        "\r\n+CUSD: 1,\"0041004200430020AC\",72\r\n+CUSD: 4\r\n+CUSD: 0,\"AA180C3602\",15\r\n",
        "\r\n+CPIN: READY\r\n+CPIN: SIM PUK2\r\n+CPIN:NOT READY\r\n",
        "\r\n490154203237518\r\n\r\n+CCID: \"89490200001005155450\"\r\n\r\nIMEI: 490154203237518\r\n",
        "\0\0\r\nRDY\r\n+CFUN: 1\r\nSMS Ready\r\nCall Ready\r\n^SIMST: 1\r\n^RSSI:20\r\n^SMMEMFULL: \"SM\"\r\n",
        "\r\nCOMMAND NOT SUPPORT\r\nTOO MANY PARAMETERS\r\nNO CARRIER\r\nCONNECT 115200\r\nRING\r\n",
        "\r\n+XYZ: ((1,2),(\"a\"),,)(,\"b\r\n+XYZ:\r\n+: 1\r\n^\r\n",
        "\r\nUNDER-VOLTAGE WARNNING\r\nNORMAL POWER DOWN\r\n",
        "\u{e4}\u{1f600}\r\n\u{7f}\r",
    ];
    // One header for each: whole, with a prompt awaited, cut small, repeated.
    let headers: [&[u8]; 4] = [&[0, 0, 0], &[1, 2, 0, 4, 1], &[1, 4, 0, 1, 2, 10, 2], &[2, 1, 200, 3]];
    streams.iter().zip(headers.iter().cycle()).map(|(text, head)| prefixed(head, text.as_bytes())).collect()
}

/// The acts of the machine's scripts, by their octets.
mod act {
    pub(super) const RAW: u8 = 0;
    pub(super) const SAY: u8 = 1;
    pub(super) const SAY_PART: u8 = 3;
    pub(super) const WAIT: u8 = 4;
    pub(super) const PASS: u8 = 6;
    pub(super) const SUBMIT: u8 = 7;
    pub(super) const DURABLE: u8 = 8;
    pub(super) const ABANDON: u8 = 9;
    pub(super) const STORED: u8 = 10;
    pub(super) const RESET: u8 = 11;
    pub(super) const HANG_UP: u8 = 12;
    pub(super) const FAULT: u8 = 13;
    pub(super) const DELIVER: u8 = 14;
    pub(super) const STRANGE: u8 = 15;
}

fn scripts() -> Vec<Vec<u8>> {
    use act::{
        ABANDON, DELIVER, DURABLE, FAULT, HANG_UP, PASS, RAW, RESET, SAY, SAY_PART, STORED, STRANGE, SUBMIT,
        WAIT,
    };
    // A simulated modem, up after four seconds.
    let up = [1, PASS, 12];
    let send = [SUBMIT, 0, 0, 1];
    let with_modem: [&[u8]; 20] = [
        &[],
        &send,
        &[SUBMIT, 20, 1, 1, SUBMIT, 4, 1, 0, PASS, 3, DURABLE, 0, PASS, 8],
        &[SUBMIT, 0, 0, 0, PASS, 13],
        &[SUBMIT, 0, 0, 0, PASS, 4, ABANDON, 0, PASS, 8],
        &[SUBMIT, 255, 0, 0, SUBMIT, 158, 0, 0, SUBMIT, 0, 0, 1, SUBMIT, 0, 0, 1, SUBMIT, 0, 0, 1],
        &[DELIVER, PASS, 8, STORED, PASS, 8, DELIVER, DELIVER, PASS, 9, STORED, STORED, PASS, 10],
        &[SUBMIT, 0, 0, 1, PASS, 3, FAULT, 0, 0, PASS, 17, PASS, 17],
        &[FAULT, 4, 0, SUBMIT, 0, 0, 1, PASS, 14],
        &[SUBMIT, 0, 0, 1, WAIT, WAIT, FAULT, 9, 1, b'X', PASS, 10, PASS, 17],
        &[SUBMIT, 0, 0, 1, WAIT, WAIT, FAULT, 5, 4, 17, PASS, 17, PASS, 17, PASS, 16],
        &[FAULT, 0, 3, SUBMIT, 0, 0, 1, FAULT, 3, 2, b'\r', PASS, 10],
        &[SUBMIT, 0, 0, 1, PASS, 2, SAY, 5, PASS, 10],
        &[SUBMIT, 0, 0, 1, PASS, 2, SAY, 41, PASS, 17],
        &[RESET, 0, PASS, 12, RESET, 2, PASS, 14, RESET, 3, PASS, 15, RESET, 4, PASS, 16, RESET, 5, PASS, 17],
        &[SUBMIT, 0, 0, 1, RESET, 1, HANG_UP, PASS, 13, SUBMIT, 0, 0, 1],
        &[SAY, 14, SAY, 16, SAY, 15, SAY, 17, STORED, STRANGE, 9, PASS, 10, STORED],
        &[SAY, 11, SAY, 12, SAY, 13, PASS, 10, SAY, 36, PASS, 8, SAY, 35, SAY, 43, PASS, 14],
        &[SAY, 33, PASS, 12, SAY, 29, PASS, 16, SAY, 40, SAY_PART, 4, 7, PASS, 17],
        &[RAW, 9, 0, 0x7f, b'~', b'\r', b'\n', b'>', b' ', 0, b'\r', SAY, 47, SAY_PART, 16, 40, PASS, 10],
    ];
    // Nobody but the script: the answers of a bring-up, then messages.
    let ok = [SAY, 0];
    let bring_up = [
        &[0, WAIT][..],
        &ok,
        &ok,
        &ok,
        &[SAY, 23, SAY, 26, SAY, 25, SAY, 25, SAY, 29, SAY, 24, SAY, 25],
        &ok,
        &[SAY, 20, SAY, 22],
        &ok,
        &ok,
        &[SAY, 34, SAY, 38, SAY, 39],
        &ok,
        &ok,
    ]
    .concat();
    let alone: [&[u8]; 8] = [
        &[],
        &[SUBMIT, 0, 0, 1, SAY, 2, SAY, 4, PASS, 10],
        &[SUBMIT, 0, 0, 1, SAY, 2, SAY, 5, SUBMIT, 0, 0, 1, SAY, 6],
        &[SUBMIT, 0, 0, 1, SAY, 2, PASS, 17, PASS, 16, SAY, 4, PASS, 17],
        &[SAY, 11, SAY, 18, SAY, 16, SAY, 0, STORED, SAY, 0],
        &[SAY, 1, SAY, 8, SAY, 9, SAY, 31, SAY, 32, PASS, 16, SAY, 30],
        &[PASS, 17, PASS, 17, PASS, 17, PASS, 17, PASS, 17, SAY, 0, SAY, 0],
        &[SAY, 21, SAY, 37, SAY, 44, SAY, 45, SAY, 46, SAY, 10, SAY, 19, SAY, 27, SAY, 28, SAY, 42],
    ];
    let with_modem = with_modem.iter().map(|script| prefixed(&up, script));
    with_modem.chain(alone.iter().map(|script| prefixed(&bring_up, script))).collect()
}

fn parts() -> Vec<Vec<u8>> {
    // An offer: reference, total, seq, from, content, stamp.
    let offer = |reference, total, seq, content| [0, reference, total, seq, 1, content, 1];
    let two = [offer(1, 2, 0, 0), offer(1, 2, 1, 0)].concat();
    let again = [offer(1, 3, 0, 0), offer(1, 3, 0, 0), offer(1, 3, 0, 1), offer(5, 3, 1, 2), [7; 7]].concat();
    let late = [&offer(2, 2, 0, 0)[..], &[5, 27, 7], &offer(2, 2, 1, 0), &[6, 30, 7]].concat();
    let flood = |from: u8| [&[4, from, 200][..], &[1; 200]].concat();
    let floods: Vec<u8> = (0..8).flat_map(flood).chain([7]).collect();
    let mut all =
        vec![prefixed(&[0], &two), prefixed(&[0], &again), prefixed(&[0], &late), prefixed(&[0], &floods)];
    let order = [3, 1, 1, 0, 8, 2, 5, 5, 7];
    for (cuts, text) in [
        ([10; 9], "Your code is {314159} and nobody else's business, as you know."),
        ([1; 9], "€€€€€€"),
        ([3; 9], "щ😁щ😁щ😁щ😁"),
        ([0; 9], ""),
    ] {
        all.push([&[1][..], &order, &cuts, text.as_bytes()].concat());
    }
    all
}

fn commands() -> Vec<Vec<u8>> {
    let config = "[store]\npath = \"/var/lib/smsotpd/queue.db\"\nkeep = \"30d\"\n\n[log]\nlevel = \"info\"\n";
    let arguments = [
        "1234",
        "12345678",
        "*100#",
        "*101*1#",
        "SM",
        "SM_P",
        "12\"4",
        "1234\r",
        "*100#\x1a",
        "+491701234567",
        "",
    ];
    let mut all: Vec<Vec<u8>> = arguments.iter().map(|text| prefixed(&[0], text.as_bytes())).collect();
    all.push(prefixed(&[1, 13], "+491701234567Your code is 314159".as_bytes()));
    all.push(prefixed(&[1, 11], "0170-123456Код 314159".as_bytes()));
    all.push(prefixed(&[1, 5], "12345\x1a\x1b\r\n\"".as_bytes()));
    all.push(vec![2, 0, 1, 2, 1, 2, 1, 0, 2, 0, 1, 44]);
    all.push(vec![2, 3, 3, 1, 255, 255, 255, 255, 255, 255, 255, 255]);
    all.push(prefixed(&[3], config.as_bytes()));
    all.push(prefixed(&[3], b"[store\npath = 7\n[modem]\nx = \"\xfc\"\n"));
    all
}

fn prefixed(head: &[u8], tail: &[u8]) -> Vec<u8> {
    [head, tail].concat()
}
