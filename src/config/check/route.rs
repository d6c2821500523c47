//! `[[route]]`: rules that name channels, each name held to what there can be.

use toml::de::DeValue;

use super::super::finding::Fault;
use super::super::raw::{self, Section};
use super::super::{Route, Sim};
use super::prefixes;
use crate::provider::PROVIDERS;
use crate::queue::message::Lane;
use crate::queue::prefix::ANYWHERE;
use crate::units::Iccid;

/// What names the rest.
const REST: &str = "*";

pub(super) fn routes(tables: Vec<Section<'_, '_>>, sims: &[Sim]) -> Vec<Route> {
    let mut routes = Vec::with_capacity(tables.len());
    for at in tables {
        let mut route = Route { prefixes: Vec::new(), lanes: Vec::new(), channels: Vec::new() };
        prefixes(&at, "prefix", &mut route.prefixes);
        if route.prefixes.iter().any(|prefix| prefix == ANYWHERE) {
            route.prefixes.clear();
        }
        for value in array(&at, "lane", "an array of lanes such as [\"login\"]") {
            route.lanes.extend(at.word_of::<Lane>("lane", value));
        }
        for value in array(&at, "channels", "an array of channels such as [\"shelf 2\", \"*\"]") {
            route.channels.extend(channel(&at, value, sims, &route.channels));
        }
        if at.value("channels").is_none() {
            let remedy = "write channels = [...], best first: \"gsm\", the ICCID or the name of a [[sim]], or \"*\" for the rest";
            at.fault("channels", None, Fault::Missing(remedy));
        }
        at.done();
        routes.push(route);
    }
    routes
}

fn array<'d, 't>(at: &Section<'d, 't>, key: &'static str, wanted: &'static str) -> Vec<&'t raw::Value<'d>> {
    let Some(value) = at.value(key) else { return Vec::new() };
    let DeValue::Array(values) = value.get_ref() else {
        at.fault(key, Some(value), Fault::Type { found: raw::kind(value), wanted });
        return Vec::new();
    };
    values.iter().collect()
}

/// A channel that there can be, and that the rule does not name yet.
fn channel(at: &Section<'_, '_>, value: &raw::Value<'_>, sims: &[Sim], named: &[String]) -> Option<String> {
    let text = at.text_of("channels", value)?;
    let known = text == REST
        || PROVIDERS.contains(&text.as_str())
        || sims.iter().any(|sim| sim.name.as_ref() == Some(&text))
        || Iccid::parse(&text).is_some();
    if !known {
        let remedy = "write \"gsm\", the ICCID of a SIM, the name of a [[sim]], or \"*\" for the rest";
        at.fault("channels", Some(value), Fault::Text { value: text, remedy });
        return None;
    }
    if named.contains(&text) {
        at.fault("channels", Some(value), Fault::Twice(text));
        return None;
    }
    Some(text)
}
