//! `GET /v1/events`: what happens, as server-sent events (HTML Living Standard, 9.2) while the connection lasts.
//!
//! An admin hears everything, others what becomes of their own messages. A stream holds a few kilobytes and a place in the window of
//! the newest stories: who reads more slowly than things happen falls out of it, is told so in a last event and let go. With
//! `Last-Event-ID` a stream goes on where it was, if that is still known; else its first event says that there is a gap.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;

use super::Api;
use super::caller::{Caller, Role};
use super::listen::Peer;
use super::problem::{self, Problem};
use crate::store::feed::{Heard, Listener};
use crate::store::{Numbers, Story};

/// Streams at once: each holds one of the socket's connections.
pub(super) const STREAMS: usize = 8;
/// Octets on their way to a reader, beside those in the socket.
const BUFFER: usize = 16 << 10;
/// A stream in which nothing happens says so, well within the patience of connections.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A reader that takes nothing for so long has gone.
const WRITE_LIMIT: Duration = Duration::from_secs(30);
const ENDPOINT: &str = "/v1/events";

pub(super) async fn follow(
    State(api): State<Arc<Api>>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    headers: HeaderMap,
) -> Response {
    let response = followed(&api, caller, &headers).unwrap_or_else(|problem| problem.response());
    api.answered(ENDPOINT, response)
}

fn followed(api: &Api, caller: Caller, headers: &HeaderMap) -> Result<Response, Problem> {
    if !caller.may(Role::Send) {
        return Err(problem::FORBIDDEN);
    }
    let permit = Arc::clone(&api.streams).try_acquire_owned().map_err(|_| {
        let detail = format!("{STREAMS} streams of events are open, which are the most; end one of them");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-streams", detail)
    })?;
    let after = headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default());
    let listener = api.parts.store.feed().listen(after);
    let (ours, theirs) = tokio::io::duplex(BUFFER);
    let stream = Stream { caller, listener, to: ours, stop: api.parts.stopping.clone(), _permit: permit };
    tokio::spawn(stream.run());
    let mut response = Response::new(Body::from_stream(ReaderStream::new(theirs)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// One connection's events.
struct Stream {
    caller: Caller,
    listener: Listener,
    to: DuplexStream,
    stop: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl Stream {
    /// Until the reader goes, falls behind, or the daemon stops.
    async fn run(mut self) {
        let mut going = self.say(": here is what happens from now on\n\n").await;
        while going {
            let heard = tokio::select! {
                () = self.stop.cancelled() => None,
                heard = self.listener.next() => Some(heard),
                // Nobody writes there, so it ends when the reader has gone.
                _ = self.to.read_u8() => return,
                () = tokio::time::sleep(KEEP_ALIVE) => {
                    going = self.say(":\n\n").await;
                    continue;
                }
            };
            going = match heard {
                Some(Heard::Story(name, story)) => match self.told(&story) {
                    Some(told) => {
                        let event = story.event().as_str();
                        self.say(&format!("id: {name}\nevent: {event}\ndata: {told}\n\n")).await
                    }
                    None => true,
                },
                Some(Heard::Gap) => {
                    self.say(&notice("gap", "what was named is not known any more; stories were missed"))
                        .await
                }
                Some(Heard::Behind) => {
                    self.say(&notice("behind", "the reader was too slow; look around and follow again"))
                        .await;
                    false
                }
                None => {
                    self.say(&notice("stopping", "the daemon stops")).await;
                    false
                }
            };
        }
    }

    /// The story as this caller may hear it. A text from a phone is read in the inbox.
    fn told(&self, story: &Story) -> Option<serde_json::Value> {
        let own = matches!(story, Story::Message(turned) if *turned.caller == *self.caller.name);
        (own || self.caller.may(Role::Admin)).then(|| story.told(Numbers::Full, false))
    }

    /// `false` if nobody reads any more.
    async fn say(&mut self, text: &str) -> bool {
        let said = tokio::time::timeout(WRITE_LIMIT, self.to.write_all(text.as_bytes())).await;
        matches!(said, Ok(Ok(())))
    }
}

/// An event of the stream itself; it has no id, for nothing can be followed behind it.
fn notice(event: &str, detail: &str) -> String {
    format!("event: {event}\ndata: {}\n\n", json!({"event": event, "detail": detail}))
}
