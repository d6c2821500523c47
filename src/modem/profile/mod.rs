//! Firmware notes: what a family of modems is recognised by and does differently, as data with a source for each fact.
//!
//! The notes are TOML files in `firmware-notes/`, compiled in. A quirk that cannot be said here is a reason to add a key,
//! not an `if` with a vendor's name in the machine. The udev rules are generated from the same files.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

mod check;
pub mod note;
mod refusal;

pub use note::{
    Acknowledge, ClassTriple, Delivery, Device, LineEnd, Match, Profile, Usb, UsbId, VendorCommand,
};
pub use refusal::{Refusal, UsbPort};

/// The notes that are compiled in; the first is the one for everybody.
const NOTES: [&str; 42] = [
    include_str!("../../../firmware-notes/generic.toml"),
    include_str!("../../../firmware-notes/benq.toml"),
    include_str!("../../../firmware-notes/cinterion-3g.toml"),
    include_str!("../../../firmware-notes/cinterion-gsm.toml"),
    include_str!("../../../firmware-notes/cinterion-lte.toml"),
    include_str!("../../../firmware-notes/ericsson.toml"),
    include_str!("../../../firmware-notes/falcom.toml"),
    include_str!("../../../firmware-notes/fibocom-l850.toml"),
    include_str!("../../../firmware-notes/foxconn-t77w968.toml"),
    include_str!("../../../firmware-notes/huawei-brovi.toml"),
    include_str!("../../../firmware-notes/huawei-e220.toml"),
    include_str!("../../../firmware-notes/huawei-module.toml"),
    include_str!("../../../firmware-notes/huawei-stick.toml"),
    include_str!("../../../firmware-notes/novatel.toml"),
    include_str!("../../../firmware-notes/option.toml"),
    include_str!("../../../firmware-notes/phone-motorola.toml"),
    include_str!("../../../firmware-notes/phone-samsung.toml"),
    include_str!("../../../firmware-notes/qualcomm-qdl.toml"),
    include_str!("../../../firmware-notes/quectel-2g.toml"),
    include_str!("../../../firmware-notes/quectel-5g.toml"),
    include_str!("../../../firmware-notes/quectel-bg.toml"),
    include_str!("../../../firmware-notes/quectel-ep06.toml"),
    include_str!("../../../firmware-notes/quectel-lte.toml"),
    include_str!("../../../firmware-notes/quectel-uc.toml"),
    include_str!("../../../firmware-notes/siemens-mc35.toml"),
    include_str!("../../../firmware-notes/siemens-tc35.toml"),
    include_str!("../../../firmware-notes/sierra.toml"),
    include_str!("../../../firmware-notes/sierra-aircard.toml"),
    include_str!("../../../firmware-notes/simcom-2g.toml"),
    include_str!("../../../firmware-notes/simcom-a76xx.toml"),
    include_str!("../../../firmware-notes/simcom-lte.toml"),
    include_str!("../../../firmware-notes/simulator.toml"),
    include_str!("../../../firmware-notes/telit-2g.toml"),
    include_str!("../../../firmware-notes/telit-3g.toml"),
    include_str!("../../../firmware-notes/telit-lte.toml"),
    include_str!("../../../firmware-notes/telit-me910.toml"),
    include_str!("../../../firmware-notes/ublox-3g.toml"),
    include_str!("../../../firmware-notes/ublox-gnss.toml"),
    include_str!("../../../firmware-notes/ublox-lte.toml"),
    include_str!("../../../firmware-notes/ublox-r4.toml"),
    include_str!("../../../firmware-notes/wavecom.toml"),
    include_str!("../../../firmware-notes/zte.toml"),
];

impl Profile {
    /// Reads one note.
    ///
    /// # Errors
    /// What is wrong with the file, with line and column.
    pub fn parse(note: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(note)
    }

    /// Vendor and product of every USB device it speaks of, modem or not.
    pub fn identities(&self) -> impl Iterator<Item = (&UsbId, &UsbId)> {
        let others = self.storage.iter().chain(&self.not_a_modem).map(|one| (&one.vendor, &one.product));
        self.usb.iter().map(|usb| (&usb.vendor, &usb.product)).chain(others)
    }

    /// How often an idle modem is asked.
    #[must_use]
    pub fn keep_alive(&self) -> Duration {
        Duration::from_secs(u64::from(self.keep_alive_s.value))
    }

    /// How long it may be away after a restart or as a storage device.
    #[must_use]
    pub fn away(&self) -> Duration {
        Duration::from_secs(u64::from(self.away_s.value))
    }

    /// Quiet time after its port appeared and before the first byte.
    #[must_use]
    pub fn settle(&self) -> Duration {
        Duration::from_secs(u64::from(self.settle_s.value))
    }

    /// Whether the line says that the message files of the card are readable.
    #[must_use]
    pub fn is_ready_line(&self, line: &str) -> bool {
        begins(line, &self.ready)
    }

    /// Whether the line is chatter that may come at any moment and means nothing to us.
    #[must_use]
    pub fn is_noise_line(&self, line: &str) -> bool {
        begins(line, &self.noise)
    }

    /// Whether the radio is jammed, if the line tells.
    #[must_use]
    pub fn jamming(&self, line: &str) -> Option<bool> {
        begins(line, &self.jammed)
            .then_some(true)
            .or_else(|| begins(line, &self.jammed_over).then_some(false))
    }

    /// How long it may stay silent after that.
    #[must_use]
    pub fn wake(&self) -> Duration {
        Duration::from_secs(u64::from(self.wake_s.value))
    }
}

fn begins(line: &str, prefixes: &note::Fact<Vec<String>>) -> bool {
    prefixes.value.iter().any(|start| line.starts_with(start.as_str()))
}

/// What a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It takes AT commands.
    At,
    /// It must not be opened.
    Avoid,
    /// The note does not say.
    Unknown,
}

/// What the notes say of a USB device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity<'a> {
    /// A modem.
    Modem(&'a Profile, &'a Usb),
    /// A modem before its mode switch.
    Storage(&'a Device),
    /// No modem, or none that may be spoken to.
    NoModem(&'a Profile, &'a Device),
    /// Nothing.
    Unknown,
}

impl Usb {
    /// What the port with this `bInterfaceNumber` and class triple is for; what is to be avoided wins, as in the udev rules.
    #[must_use]
    pub fn role(&self, interface: u8, class: &str) -> Role {
        let among = |numbers: &[u8], classes: &[ClassTriple]| {
            numbers.contains(&interface) || classes.iter().any(|one| one.as_str() == class)
        };
        if among(&self.avoid, &self.avoid_class) {
            Role::Avoid
        } else if among(&self.at, &self.at_class) {
            Role::At
        } else {
            Role::Unknown
        }
    }
}

/// The notes in force: those compiled in, and what an administrator put beside or in place of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    generic: Arc<Profile>,
    families: Vec<Arc<Profile>>,
}

impl Library {
    /// The notes that are compiled in.
    #[must_use]
    pub fn compiled_in() -> &'static Arc<Self> {
        static LIBRARY: OnceLock<Arc<Library>> = OnceLock::new();
        LIBRARY.get_or_init(|| {
            let mut notes = NOTES.iter().map(|note| {
                #[expect(clippy::expect_used, reason = "our own text; a test reads every note")]
                Arc::new(Profile::parse(note).expect("a note that is compiled in parses"))
            });
            #[expect(clippy::expect_used, reason = "an array of more than one")]
            let generic = notes.next().expect("there is a generic note");
            Arc::new(Self { generic, families: notes.collect() })
        })
    }

    /// With `note` in place of the one of the same name, or beside the others.
    #[must_use]
    pub fn with(mut self, note: Profile) -> Self {
        let note = Arc::new(note);
        if note.name == self.generic.name {
            self.generic = note;
        } else if let Some(same) = self.families.iter_mut().find(|family| family.name == note.name) {
            *same = note;
        } else {
            self.families.push(note);
        }
        self
    }

    /// The one for modems that no note knows.
    #[must_use]
    pub fn generic(&self) -> Arc<Profile> {
        Arc::clone(&self.generic)
    }

    /// All notes, the generic one first.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Profile>> {
        std::iter::once(&self.generic).chain(&self.families)
    }

    /// The one of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Arc<Profile>> {
        self.all().find(|note| note.name == name).map(Arc::clone)
    }

    /// What the notes say of the USB device with this vendor and product, each four hex digits in lower case.
    #[must_use]
    pub fn identity(&self, vendor: &str, product: &str) -> Identity<'_> {
        let is = |v: &UsbId, p: &UsbId| v.as_str() == vendor && p.as_str() == product;
        let found = self.all().find_map(|note| {
            if let Some(usb) = note.usb.iter().find(|usb| is(&usb.vendor, &usb.product)) {
                return Some(Identity::Modem(note, usb));
            }
            if let Some(one) = note.storage.iter().find(|one| is(&one.vendor, &one.product)) {
                return Some(Identity::Storage(one));
            }
            let one = note.not_a_modem.iter().find(|one| is(&one.vendor, &one.product))?;
            Some(Identity::NoModem(note, one))
        });
        found.unwrap_or(Identity::Unknown)
    }

    /// Whether any modem of the notes has this USB vendor.
    #[must_use]
    pub fn has_vendor(&self, vendor: &str) -> bool {
        self.all().flat_map(|note| &note.usb).any(|usb| usb.vendor.as_str() == vendor)
    }

    /// The one for a modem that says this of itself: the note with the longest matching model, else manufacturer.
    #[must_use]
    pub fn find(&self, manufacturer: Option<&str>, model: Option<&str>) -> Arc<Profile> {
        let score = |note: &Profile| note.matches.iter().filter_map(|m| m.score(manufacturer, model)).max();
        let scored = self.families.iter().filter_map(|note| Some((score(note)?, note)));
        scored.max_by_key(|&(score, _)| score).map_or_else(|| self.generic(), |(_, note)| Arc::clone(note))
    }
}

impl Match {
    /// How many characters agree, models counting more than manufacturers; `None` if anything disagrees.
    fn score(&self, manufacturer: Option<&str>, model: Option<&str>) -> Option<(usize, usize)> {
        Some((agreeing(self.model.as_deref(), model)?, agreeing(self.manufacturer.as_deref(), manufacturer)?))
            .filter(|score| *score != (0, 0))
    }
}

/// Characters of the wanted prefix; 0 if nothing is wanted, `None` if it is wanted and not there.
fn agreeing(wanted: Option<&str>, is: Option<&str>) -> Option<usize> {
    let Some(wanted) = wanted else { return Some(0) };
    let start = is?.get(..wanted.len())?;
    start.eq_ignore_ascii_case(wanted).then_some(wanted.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_note_parses_and_tells_its_sources() {
        for note in Library::compiled_in().all() {
            let name = &note.name;
            assert!(note.fault.iter().all(|fault| !fault.remedy.is_empty()), "{name}");
        }
        assert_eq!(Library::compiled_in().all().count(), NOTES.len());
        assert_eq!(Library::compiled_in().generic().name, "generic");
    }

    #[test]
    fn every_file_is_compiled_in_under_its_own_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/firmware-notes");
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                files += 1;
                let name = path.file_stem().unwrap().to_str().unwrap();
                assert!(Library::compiled_in().named(name).is_some(), "{name}");
            }
        }
        assert_eq!(files, NOTES.len());
    }

    #[test]
    fn no_usb_identity_stands_in_two_notes() {
        let mut seen = std::collections::HashMap::new();
        for note in Library::compiled_in().all() {
            for id in note.identities() {
                assert_eq!(seen.insert(id, &note.name), None, "{id:?} in {}", note.name);
            }
        }
    }

    #[test]
    fn a_modem_finds_its_note() {
        let cases = [
            ("huawei", "E3131", "huawei-stick"),
            ("huawei", "E220", "huawei-e220"),
            ("Huawei Technologies Co., Ltd.", "ME909s-120", "huawei-module"),
            ("Brovi", "E3372-325", "huawei-brovi"),
            ("SIMCOM_Ltd", "SIMCOM_SIM800L", "simcom-2g"),
            ("SIMCOM INCORPORATED", "SIMCOM_SIM7600E-H", "simcom-lte"),
            ("INCORPORATED", "A7602E-H", "simcom-a76xx"),
            ("Quectel", "EC25", "quectel-lte"),
            ("Quectel", "EP06", "quectel-ep06"),
            ("Quectel", "BG96", "quectel-bg"),
            ("Quectel", "RM500Q-GL", "quectel-5g"),
            ("Quectel_Ltd", "Quectel_M95", "quectel-2g"),
            ("ZTE INCORPORATED", "MF190", "zte"),
            ("Sierra Wireless, Incorporated", "MC7455", "sierra"),
            ("Sierra Wireless, Inc.", "AC875", "sierra-aircard"),
            ("Telit", "LE910-EUG", "telit-lte"),
            ("Telit", "HE910-D", "telit-3g"),
            ("Telit", "GE910-QUAD", "telit-2g"),
            ("Telit", "ME910C1-E1", "telit-me910"),
            ("u-blox", "SARA-U201", "ublox-3g"),
            ("u-blox", "TOBY-L210", "ublox-lte"),
            ("u-blox", "SARA-R410M-02B", "ublox-r4"),
            ("Cinterion", "EHS6", "cinterion-3g"),
            ("Cinterion", "PLS8-E", "cinterion-lte"),
            ("Cinterion", "MC75i", "cinterion-gsm"),
            ("SIEMENS", "TC35i", "siemens-tc35"),
            ("SIEMENS", "MC35i", "siemens-mc35"),
            ("WAVECOM MODEM", "MULTIBAND  900E  1800", "wavecom"),
            ("Novatel Wireless Inc.", "Ovation U760", "novatel"),
            ("Option N.V.", "GlobeTrotter HSUPA", "option"),
            ("Nobody", "X1", "generic"),
        ];
        for (manufacturer, model, name) in cases {
            let found = Library::compiled_in().find(Some(manufacturer), Some(model));
            assert_eq!(found.name, name, "{manufacturer} {model}");
        }
        assert_eq!(Library::compiled_in().find(None, None).name, "generic");
    }

    #[test]
    fn a_note_of_the_site_takes_the_place_of_ours_or_stands_beside_it() {
        let note = |name: &str, model: &str| {
            let text = format!("name = {name:?}\ndescription = 'y'\n[[match]]\nmodel = {model:?}");
            Profile::parse(&text).unwrap()
        };
        let library =
            Library::clone(Library::compiled_in()).with(note("zte", "XX")).with(note("mine", "MF1"));
        assert_eq!(library.find(Some("ZTE"), Some("MF190")).name, "mine");
        assert_eq!(library.find(Some("ZTE"), Some("XX1")).name, "zte");
        assert_eq!(library.find(Some("ZTE"), Some("A")).name, "generic");
    }

    #[test]
    fn unknown_keys_and_dangerous_commands_are_refused() {
        let unknown =
            Profile::parse("name = 'x'\ndescription = 'y'\ncolour = 'red'").unwrap_err().to_string();
        assert!(unknown.contains("line 3") && unknown.contains("colour"), "{unknown}");
        let command =
            |text: &str| format!("name='x'\ndescription='y'\nsilence={{ value=[{text:?}], source='z' }}");
        assert!(Profile::parse(&command("^CURC=0")).is_ok());
        for bad in ["^CURC=0\r", "\u{1a}", "A;B", "A\"", ""] {
            assert!(Profile::parse(&command(bad)).is_err(), "{bad:?}");
        }
        let usb = |vendor: &str, class: &str| {
            format!(
                "name='x'\ndescription='y'\n[[usb]]\nvendor={vendor:?}\nproduct='0001'\nat-class=[{class:?}]\nwhat='w'\nsource='s'"
            )
        };
        assert!(Profile::parse(&usb("12d1", "ff/02/02")).is_ok());
        assert!(Profile::parse(&usb("12D1", "ff/02/02")).is_err());
        assert!(Profile::parse(&usb("12d1", "ff/2")).is_err());
    }
}
