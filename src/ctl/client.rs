//! HTTP over the daemon's unix socket: one request, one JSON answer, refusals of both dialects as one type.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::failure::{Failure, Refusal};

/// The daemon answers in milliseconds; a minute covers a store whose disk is in trouble.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// A USSD step waits up to a minute for the modem's line and another for the network.
const NETWORK_LIMIT: Duration = Duration::from_secs(150);
/// A local socket connects at once or waits for a full backlog.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// A listing of the largest page stays far below this.
const LARGEST_ANSWER: usize = 16 << 20;
/// The host of every URL; the socket is the address.
const HOST: &str = "http://smsotpd";

/// A way to the daemon.
pub(super) struct Client {
    socket: PathBuf,
    limit: Duration,
    http: reqwest::Client,
    runtime: Runtime,
}

impl Client {
    /// For the daemon that listens on `socket`; nothing is connected yet.
    pub(super) fn new(socket: PathBuf) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::Local("this process gets no event loop", error))?;
        let http = reqwest::Client::builder()
            .unix_socket(socket.clone())
            .connect_timeout(CONNECT_LIMIT)
            .user_agent(concat!("smsotpctl/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Failure::Local("this process gets no HTTP client", io::Error::other(error)))?;
        Ok(Self { socket, limit: ANSWER_LIMIT, http, runtime })
    }

    /// The same, waiting no longer than `limit`.
    pub(super) fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Asks for `path` with these query parameters.
    pub(super) fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value, Failure> {
        self.exchange(self.request(Method::GET, path).query(query))
    }

    /// Asks for an answer that has no end, and gives each line of it to `take` until that fails or the daemon ends.
    pub(super) fn lines(
        &self,
        path: &str,
        mut take: impl FnMut(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.runtime.block_on(async {
            let request = self.http.get(format!("{HOST}{path}"));
            let mut response = request.send().await.map_err(|error| self.unanswered(&error))?;
            let status = response.status().as_u16();
            if status != 200 {
                return judge(status, &body(response).await?).map(drop);
            }
            let mut rest = Vec::new();
            loop {
                let chunk = tokio::time::timeout(self.limit, response.chunk()).await;
                let chunk = chunk.map_err(|_| Failure::Cut("it fell silent".to_owned()))?;
                let chunk = chunk.map_err(|error| Failure::Cut(innermost(&error)))?;
                let Some(chunk) = chunk else { return Err(Failure::Cut("the stream ended".to_owned())) };
                rest.extend_from_slice(&chunk);
                while let Some(end) = rest.iter().position(|octet| *octet == b'\n') {
                    let line: Vec<u8> = rest.drain(..=end).collect();
                    take(String::from_utf8_lossy(&line).trim_end())?;
                }
                if rest.len() > LARGEST_ANSWER {
                    return Err(Failure::Answer("a line without end".to_owned()));
                }
            }
        })
    }

    /// Posts JSON, with further headers.
    pub(super) fn post_json(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.exchange(self.request(Method::POST, path).json(body))
    }

    /// The same, where the answer comes from a network that may wait for another one.
    pub(super) fn post_json_patiently(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.exchange(self.request(Method::POST, path).json(body).timeout(NETWORK_LIMIT))
    }

    /// Posts a form, as privacyIDEA's calls want it.
    pub(super) fn post_form(&self, path: &str, form: &[(&str, &str)]) -> Result<Value, Failure> {
        self.exchange(self.request(Method::POST, path).form(form))
    }

    /// Deletes what is at `path`.
    pub(super) fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.exchange(self.request(Method::DELETE, path))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{HOST}{path}"));
        request.timeout(self.limit).header("accept", "application/json")
    }

    fn exchange(&self, request: RequestBuilder) -> Result<Value, Failure> {
        self.runtime.block_on(async {
            let response = request.send().await.map_err(|error| self.unanswered(&error))?;
            let status = response.status().as_u16();
            let body = body(response).await?;
            judge(status, &body)
        })
    }

    /// No answer at all: the kernel's word on the socket tells why.
    fn unanswered(&self, error: &reqwest::Error) -> Failure {
        let Some(os) = os_error(error).filter(|_| error.is_connect()) else {
            return Failure::Cut(innermost(error));
        };
        let socket = self.socket.clone();
        let error = io::Error::new(os.kind(), plain(os));
        match os.kind() {
            io::ErrorKind::PermissionDenied => Failure::Closed { socket, error },
            _ => Failure::Down { socket, error },
        }
    }
}

async fn body(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Failure::Cut(innermost(&error)))? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Err(Failure::Answer(format!("more than {LARGEST_ANSWER} octets; ask for fewer rows")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Success with its JSON, or a refusal: problem+json, privacyIDEA's `result.error`, or a bare status.
fn judge(status: u16, body: &[u8]) -> Result<Value, Failure> {
    let answer = match body {
        [] => Ok(Value::Null),
        body => serde_json::from_slice::<Value>(body),
    };
    let refused =
        answer.as_ref().is_ok_and(|answer| answer.pointer("/result/status") == Some(&Value::Bool(false)));
    if (200..300).contains(&status) && !refused {
        return answer.map_err(|error| Failure::Answer(format!("no JSON: {error}")));
    }
    let answer = answer.unwrap_or(Value::Null);
    let first = |pointers: &[&str]| {
        let found = pointers.iter().find_map(|pointer| answer.pointer(pointer));
        found.map_or_else(String::new, super::render::plain)
    };
    Err(Failure::Refused(Refusal {
        // privacyIDEA may refuse under a 200; its caller gave something wrong then.
        status: if refused && status < 300 { 400 } else { status },
        code: first(&["/code", "/result/error/code"]),
        text: first(&["/detail", "/title", "/result/error/message"]),
    }))
}

fn os_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    causes(error).find_map(|error| error.downcast_ref::<io::Error>())
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map_or_else(String::new, ToString::to_string)
}

/// The error and what caused it, outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| <dyn Error>::source(*error))
}

/// Without Rust's "(os error 2)".
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, body: &str) -> Refusal {
        match judge(status, body.as_bytes()) {
            Err(Failure::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_dialects_of_refusal_are_read() {
        let ours = refusal(
            422,
            r#"{"type":"about:blank","title":"No","status":422,"detail":"too long","code":"too-long"}"#,
        );
        assert_eq!((ours.status, ours.code.as_str(), ours.text.as_str()), (422, "too-long", "too long"));
        let theirs =
            refusal(400, r#"{"result":{"status":false,"error":{"code":905,"message":"ERR905: no"}}}"#);
        assert_eq!((theirs.code.as_str(), theirs.text.as_str()), ("905", "ERR905: no"));
        assert_eq!(refusal(200, r#"{"result":{"status":false,"error":{"code":904}}}"#).status, 400);
        assert_eq!(refusal(502, "<html>").to_string(), "the daemon refused with HTTP status 502");
    }

    #[test]
    fn an_answer_without_body_is_null_and_one_without_json_is_told() {
        assert_eq!(judge(204, b"").unwrap(), Value::Null);
        assert!(matches!(judge(200, b"hello"), Err(Failure::Answer(_))));
    }
}
