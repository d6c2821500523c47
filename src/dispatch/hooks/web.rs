//! Calls over HTTP: webhooks, posted and signed, and the addresses that Kannel's clients gave. No redirect is followed, no proxy of the
//! environment is used: a story goes where the configuration says and nowhere else.

use std::time::Duration;

use data_encoding::HEXLOWER;
use jiff::tz::TimeZone;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};

use super::sign;
use crate::clock;
use crate::queue::callback::{Callback, Facts, Report, is_allowed};
use crate::secret::Secret;
use crate::store::{ParcelId, Turned};
use crate::units::UnixMs;

/// A receiver on the same network connects at once.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Kannel's clients have no limit of their own.
const CALLBACK_LIMIT: Duration = Duration::from_secs(10);

/// The client for all of them.
///
/// # Errors
/// What the library says.
pub(super) fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_LIMIT)
        .user_agent(concat!("smsotpd/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Posts a story.
pub(super) async fn post(
    client: &Client,
    url: &str,
    secret: &Secret,
    (id, event): (ParcelId, &str),
    body: Vec<u8>,
    limit: Duration,
) -> Result<(), String> {
    let signature = sign::value(secret, clock::wall().0.div_euclid(1_000), &body);
    let request = client
        .post(url)
        .timeout(limit)
        .header("content-type", "application/json")
        .header("smsotpd-event", event)
        .header("smsotpd-delivery", HEXLOWER.encode(&id.0))
        .header(sign::HEADER, signature);
    answered(request.body(body)).await
}

/// Calls the address of a Kannel client.
pub(super) async fn call_back(
    client: &Client,
    (callback, report): &(Callback, Report),
    turned: &Turned,
    allowed: &[String],
) -> Result<(), String> {
    let address = callback.address(&Facts {
        report: *report,
        to: &turned.to,
        id: turned.id,
        at: turned.at,
        time: &kannel_time(turned.at),
        words: &words(*report, turned),
        reference: turned.reference,
        channel: turned.channel.as_deref().unwrap_or_default(),
        caller: &turned.caller,
    });
    if !is_allowed(&address, allowed) {
        return Err("its address is not (or no longer) below one of `[kannel] dlr-allow`".to_owned());
    }
    answered(client.get(address).timeout(CALLBACK_LIMIT)).await
}

/// What Kannel's own connections give for `%A`.
fn words(report: Report, turned: &Turned) -> String {
    let cause = turned.cause.as_deref().unwrap_or_default();
    match report {
        Report::Submitted | Report::Buffered => "ACK/".to_owned(),
        Report::Rejected => format!("NACK/{cause}"),
        Report::Delivered | Report::Failed if cause.is_empty() => turned.state.to_string(),
        Report::Delivered | Report::Failed => cause.to_owned(),
    }
}

fn kannel_time(at: UnixMs) -> String {
    let time = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    time.to_zoned_datetime(TimeZone::UTC).strftime("%Y-%m-%d+%H:%M:%S").to_string()
}

async fn answered(request: RequestBuilder) -> Result<(), String> {
    match request.send().await {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) if response.status().is_redirection() => {
            Err(format!("{}: redirects are not followed; name the place itself", response.status()))
        }
        Ok(response) => Err(response.status().to_string()),
        // Without the address: there may be a token in it.
        Err(error) => Err(innermost(&error.without_url())),
    }
}

/// What lies at the bottom of it: "error sending request" helps nobody.
fn innermost(error: &reqwest::Error) -> String {
    let first: &(dyn std::error::Error + 'static) = error;
    let causes = std::iter::successors(Some(first), |error| std::error::Error::source(*error));
    causes.last().map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_kannels() {
        assert_eq!(kannel_time(UnixMs(1_795_475_963_274)), "2026-11-23+23:19:23");
    }
}
