//! What the type of a key cannot say: ranges, and that lists and texts are such as the machine, the bring-up and the udev rules
//! can take. A site's note is held to it as ours are; serde gives the error its line, the text here says what to write.

use serde::de::{Deserialize, Deserializer, Error};

use super::note::{Device, Fact, IccidForm, Match, Store, Usb};

/// Longest name of a note: it becomes a file name and a label.
const NAME_MAX: usize = 64;
/// Longest prefix of a line: more is no prefix.
const PREFIX_MAX: usize = 64;

fn checked<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
    fits: impl FnOnce(&T) -> bool,
    wanted: &str,
) -> Result<T, D::Error> {
    let value = T::deserialize(from)?;
    if fits(&value) { Ok(value) } else { Err(D::Error::custom(wanted)) }
}

fn is_line(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(char::is_control)
}

pub(super) fn name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let fits = |name: &String| (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(known);
    checked(from, fits, "write a name of small letters, digits and '-', as the file's without .toml")
}

pub(super) fn matches<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Match>, D::Error> {
    let some = |text: &Option<String>| text.as_ref().is_none_or(|text| is_line(text));
    let fits = |one: &Match| {
        (one.manufacturer.is_some() || one.model.is_some()) && some(&one.manufacturer) && some(&one.model)
    };
    checked(
        from,
        |all: &Vec<Match>| all.iter().all(fits),
        "write `manufacturer`, `model` or both, none of them empty",
    )
}

pub(super) fn usb<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Usb>, D::Error> {
    let all = Vec::<Usb>::deserialize(from)?;
    for one in &all {
        let id = format!("{}:{}", one.vendor.as_str(), one.product.as_str());
        let wrong = |wanted: &str| Err(D::Error::custom(format!("{id}: {wanted}")));
        if one.at.is_empty() && one.at_class.is_empty() {
            return wrong("write its AT ports, `at = [2]` or `at-class = [\"ff/02/02\"]`");
        }
        let both = one.at.iter().any(|at| one.avoid.contains(at))
            || one.at_class.iter().any(|class| one.avoid_class.contains(class));
        if both {
            return wrong("a port stands among those to open and those to avoid; keep one of them");
        }
        if !is_line(&one.what) || !is_line(&one.source) {
            return wrong("write `what` and `source` as one line each");
        }
    }
    Ok(all)
}

pub(super) fn devices<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Device>, D::Error> {
    let fits = |one: &Device| is_line(&one.what) && is_line(&one.source);
    checked(from, |all: &Vec<Device>| all.iter().all(fits), "write `what` and `source` as one line each")
}

/// Seconds of a pause or a limit.
pub(super) fn seconds<'de, D: Deserializer<'de>, const LEAST: u32, const MOST: u32>(
    from: D,
) -> Result<Fact<u32>, D::Error> {
    let fits = |fact: &Fact<u32>| (LEAST..=MOST).contains(&fact.value);
    checked(from, fits, &format!("write seconds from {LEAST} to {MOST}"))
}

/// Numbers that a command takes, in the order of preference.
pub(super) fn choices<'de, D: Deserializer<'de>, const LEAST: usize, const HIGHEST: u8>(
    from: D,
) -> Result<Fact<Vec<u8>>, D::Error> {
    let fits = |fact: &Fact<Vec<u8>>| {
        fact.value.len() >= LEAST && fact.value.iter().all(|choice| *choice <= HIGHEST)
    };
    checked(from, fits, &format!("write at least {LEAST} numbers, each from 0 to {HIGHEST}"))
}

pub(super) fn places<'de, D: Deserializer<'de>>(from: D) -> Result<Fact<u8>, D::Error> {
    checked(
        from,
        |fact: &Fact<u8>| (1..=3).contains(&fact.value),
        "write how many stores +CPMS takes, 1 to 3",
    )
}

pub(super) fn stores<'de, D: Deserializer<'de>>(from: D) -> Result<Fact<Vec<Store>>, D::Error> {
    let fits = |fact: &Fact<Vec<Store>>| !fact.value.is_empty();
    checked(from, fits, "write at least one of \"SM\", \"ME\" and \"MT\"")
}

pub(super) fn iccid<'de, D: Deserializer<'de>>(from: D) -> Result<Fact<Vec<IccidForm>>, D::Error> {
    let fits = |fact: &Fact<Vec<IccidForm>>| !fact.value.is_empty();
    checked(from, fits, "write at least one form, such as \"ccid\"")
}

/// An empty prefix would fit every line, answers included.
pub(super) fn prefixes<'de, D: Deserializer<'de>>(from: D) -> Result<Fact<Vec<String>>, D::Error> {
    let prefix = |text: &String| is_line(text) && text.is_ascii() && text.len() <= PREFIX_MAX;
    let fits = |fact: &Fact<Vec<String>>| fact.value.iter().all(prefix);
    checked(from, fits, "write the beginnings of lines as the modem sends them, each with 1 to 64 characters")
}
