//! The TPDUs as a whole: what was written reads the same, and no octets hurt.

use proptest::prelude::*;

use super::*;
use crate::number::Number;
use crate::units::MessageRef;

fn deliver(originator: Address, dcs: Dcs, user_data: UserData, flags: [bool; 4]) -> Deliver {
    let [more, loop_prevention, status_report, reply_path] = flags;
    Deliver {
        more,
        loop_prevention,
        status_report,
        reply_path,
        originator,
        pid: Pid::PLAIN,
        dcs,
        timestamp: Timestamp([0x60, 0x60, 0x72, 0x71, 0x71, 0x11, 0x8a]),
        user_data,
        flaws: Flaws::default(),
    }
}

fn number() -> Address {
    Address::from(&Number::parse("+491701234567", None).unwrap())
}

#[test]
fn the_service_centre_is_split_off() {
    let (centre, tpdu) = split_smsc(&[0x07, 0x91, 0x44, 0x77, 0x58, 0x10, 0x06, 0x50, 0x04]).unwrap();
    assert_eq!(centre.unwrap().text(), "+447785016005");
    assert_eq!(tpdu, [0x04]);
    assert_eq!(split_smsc(&with_default_smsc(&[1, 2])), Ok((None, &[1, 2][..])));
    assert_eq!(split_smsc(&[1, 0x81]).unwrap().0.unwrap().text(), "", "a type without digits");
    let fault = |offset, rule| Err(PduError { field: Field::ServiceCentre, offset, rule });
    assert_eq!(split_smsc(&[0x91, 0x94]), fault(0, Rule::ServiceCentreLength(0x91)));
    assert_eq!(split_smsc(&[2, 0x11, 0x22]), fault(1, Rule::TypeOfAddress(0x11)));
    assert_eq!(split_smsc(&[3, 0x91]), fault(1, Rule::CutOff { wanted: 3, present: 1 }));
    assert_eq!(split_smsc(&[]), fault(0, Rule::CutOff { wanted: 1, present: 0 }));
}

#[test]
fn the_message_type_indicator_decides_unless_told() {
    let fault = |rule| Err(PduError { field: Field::FirstOctet, offset: 0, rule });
    assert_eq!(Pdu::decode(&[3], None), fault(Rule::MessageType(3)));
    assert_eq!(Pdu::decode(&[0], Some(Kind::Submit)), fault(Rule::MessageType(0)));
    assert_eq!(Pdu::decode(&[], None), fault(Rule::CutOff { wanted: 1, present: 0 }));
}

#[test]
fn remains_behind_a_tpdu_are_told_not_refused() {
    let (dcs, data) = UserData::from_text("Hola");
    let mut octets = deliver(number(), dcs, data, [false; 4]).encode().unwrap();
    octets.extend([0xab, 0xcd]);
    let trailing = Deliver::decode(&octets).unwrap().flaws.trailing;
    assert_eq!(trailing, Some(Secret::new(vec![0xab, 0xcd])));
}

#[test]
fn a_cut_message_is_refused_and_its_offset_never_lies_behind_it() {
    let (dcs, data) = UserData::from_text("Your code is 314159");
    let octets = deliver(number(), dcs, data, [false; 4]).encode().unwrap();
    for len in 0..octets.len() {
        let error = decode(&octets[..len], false, None).unwrap_err();
        assert!(error.fault.offset <= len, "{len} of {} octets: {error}", octets.len());
        assert_eq!(error.partial.address, (len >= 9).then(number), "{len}");
    }
}

#[test]
fn a_header_flag_over_no_data_is_tolerated() {
    let mut octets = deliver(number(), Dcs::GSM7, UserData::from_text("").1, [false; 4]).encode().unwrap();
    octets[0] |= 0x40;
    let read = Deliver::decode(&octets).unwrap();
    assert!(read.flaws.empty_udh && read.user_data.header.is_none());
}

#[test]
fn nothing_is_appended_for_what_cannot_be_written() {
    let (dcs, data) = UserData::from_text(&"a".repeat(161));
    let mut octets = vec![0xaa];
    let refused = deliver(number(), dcs, data, [false; 4]).encode_into(&mut octets);
    assert_eq!(refused, Err(EncodeError::UserDataLength { octets: 141, room: 140 }));
    assert_eq!(octets, [0xaa]);
}

fn user_data() -> impl Strategy<Value = (Dcs, UserData)> {
    let text = "[ -Z€]{0,60}|[a-zш😁]{0,30}".prop_map(|text| UserData::from_text(&text));
    let data = prop::collection::vec(any::<u8>(), 0..90).prop_map(|data| {
        let payload = Payload::Octets(Secret::new(data));
        (Dcs::OCTETS, UserData { header: None, payload })
    });
    let header = prop::option::of(prop::collection::vec(any::<u8>(), 0..20));
    (prop_oneof![text, data], header).prop_map(|((dcs, data), header)| {
        let header = header.map(|raw| Header::parse(&raw));
        (dcs, UserData { header, ..data })
    })
}

fn address() -> impl Strategy<Value = Address> {
    let number = "\\+[1-9][0-9]{6,14}|[1-9][0-9]{2,5}"
        .prop_map(|text| Address::from(&Number::parse(&text, None).unwrap()));
    let name = "[A-Za-z0-9 ]{0,11}".prop_map(|name| Address::alphanumeric(&name).unwrap());
    // Any type and any semi-octets, fillers and reserved digits among them.
    let any = (0x80_u8.., prop::collection::vec(any::<u8>(), 10), 0..=20_u8).prop_map(|(toa, value, len)| {
        let octets = [&[len, toa], value.as_slice()].concat();
        Address::read(&mut Cursor::new(&octets)).unwrap()
    });
    prop_oneof![number, name, any]
}

/// TP-PI that agrees with what follows, with its reserved bits and, if allowed, an extension.
fn options(extended: bool) -> impl Strategy<Value = Options> {
    let extension = prop::collection::vec(any::<u8>(), 0..if extended { 4 } else { 1 });
    (any::<Option<u8>>(), prop::option::of(user_data()), 0..16_u8, extension).prop_map(
        |(pid, data, reserved, mut extension)| {
            let last = extension.len().saturating_sub(1);
            for (at, octet) in extension.iter_mut().enumerate() {
                *octet = if at < last { *octet | 0x80 } else { *octet & 0x7f };
            }
            let (dcs, user_data) = data.unzip();
            let mut options = Options::new(pid.map(Pid), dcs, user_data);
            options.indicator.first |= (reserved << 3) | if extension.is_empty() { 0 } else { 0x80 };
            options.indicator.extension = extension;
            options
        },
    )
}

/// An RP-ACK whose TP-PI is extended reads as an RP-ERROR; see `deliver_report`.
fn caused_options() -> impl Strategy<Value = (Option<FailureCause>, Options)> {
    let cause = prop::option::of((0x80_u8..).prop_map(FailureCause));
    cause.prop_flat_map(|cause| (Just(cause), options(cause.is_some())))
}

proptest! {
    #[test]
    fn no_octets_panic(octets in prop::collection::vec(any::<u8>(), 0..200), smsc: bool) {
        for kind in Kind::ALL.map(Some).into_iter().chain([None]) {
            let decoded = decode(&octets, smsc, kind);
            let _ = facts::facts(&decoded, smsc);
            if let Err(error) = decoded {
                prop_assert!(error.fault.offset <= octets.len());
            }
        }
    }

    /// Random octets seldom get past the address; these do, so headers, options and packing are reached. What was read
    /// without a flaw and can be written reads the same again.
    #[test]
    fn no_octets_behind_an_address_panic(
        first: u8, head in prop::collection::vec(any::<u8>(), 0..4), udl in 0..40_u8,
        tail in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        for kind in Kind::ALL {
            let address = [4, 0x91, 0x21, 0x43];
            let time = [0x62, 0x11, 0x10, 0x10, 0x20, 0x30, 0x00];
            let (mti, front) = match kind {
                Kind::Deliver => (0, [&address, head.as_slice(), &time, &[udl]].concat()),
                Kind::DeliverReport => (0, [head.as_slice(), &[udl]].concat()),
                Kind::Submit => (1, [&[0], address.as_slice(), &head, &[udl]].concat()),
                Kind::SubmitReport => (1, [head.as_slice(), &time, &[udl]].concat()),
                Kind::StatusReport => (2, [&[0], address.as_slice(), &time, &time, &head, &[udl]].concat()),
                Kind::Command => (2, [head.as_slice(), &address, &[udl]].concat()),
            };
            let octets = [&[(first & !3) | mti], front.as_slice(), &tail].concat();
            let decoded = decode(&octets, false, Some(kind));
            let _ = facts::facts(&decoded, false);
            let Ok(Decoded { pdu, .. }) = decoded else { continue };
            if let (true, Ok(written)) = (*pdu.flaws() == Flaws::default(), pdu.encode()) {
                prop_assert_eq!(Pdu::decode(&written, Some(kind)), Ok(pdu));
            }
        }
    }

    #[test]
    fn deliver_reads_as_it_was_written((dcs, data) in user_data(), flags: [bool; 4], originator in address()) {
        let deliver = deliver(originator, dcs, data, flags);
        prop_assert_eq!(Deliver::decode(&deliver.encode().unwrap()), Ok(deliver));
    }

    #[test]
    fn submit_reads_as_it_was_written(
        (dcs, user_data) in user_data(), flags: [bool; 3], mr: u8, vp: u8, raw: [u8; 7], destination in address(),
    ) {
        let [reject_duplicates, status_report, reply_path] = flags;
        let validities = [
            None,
            Some(Validity::Relative(vp)),
            Some(Validity::Absolute(Timestamp(raw))),
            Some(Validity::Enhanced(raw)),
        ];
        for validity in validities {
            let submit = Submit {
                reference: MessageRef(mr),
                destination,
                pid: Pid(vp),
                dcs,
                validity,
                reject_duplicates,
                status_report,
                reply_path,
                user_data: user_data.clone(),
                flaws: Flaws::default(),
            };
            prop_assert_eq!(Submit::decode(&submit.encode().unwrap()), Ok(submit));
        }
    }

    #[test]
    fn status_reports_read_as_they_were_written(
        options in prop::option::of(options(true)), flags: [bool; 3], mr: u8, status: u8, stamps: [[u8; 7]; 2],
        recipient in address(),
    ) {
        let [more, loop_prevention, for_command] = flags;
        let [timestamp, discharge] = stamps.map(Timestamp);
        let report = StatusReport {
            more,
            loop_prevention,
            for_command,
            reference: MessageRef(mr),
            recipient,
            timestamp,
            discharge,
            status: Status(status),
            options,
            flaws: Flaws::default(),
        };
        prop_assert_eq!(StatusReport::decode(&report.encode().unwrap()), Ok(report));
    }

    #[test]
    fn reports_read_as_they_were_written((cause, options) in caused_options(), raw: [u8; 7]) {
        let deliver = DeliverReport { cause, options: options.clone(), flaws: Flaws::default() };
        prop_assert_eq!(DeliverReport::decode(&deliver.encode().unwrap()), Ok(deliver));
        let submit = SubmitReport { cause, timestamp: Timestamp(raw), options, flaws: Flaws::default() };
        prop_assert_eq!(SubmitReport::decode(&submit.encode().unwrap()), Ok(submit));
    }

    #[test]
    fn commands_read_as_they_were_written(
        status_report: bool, octets: [u8; 4], recipient in address(),
        data in prop::collection::vec(any::<u8>(), 0..110),
        header in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
    ) {
        let [mr, pid, command, number] = octets;
        let header = header.map(|raw| Header::parse(&raw));
        let command = Command {
            status_report,
            reference: MessageRef(mr),
            pid: Pid(pid),
            command: CommandType(command),
            number,
            recipient,
            data: UserData { header, payload: Payload::Octets(Secret::new(data)) },
            flaws: Flaws::default(),
        };
        prop_assert_eq!(Command::decode(&command.encode().unwrap()), Ok(command));
    }
}
