//! A blocking HTTP/1.1 client on a unix socket, small enough that a bench measures the daemon and not its client.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// No answer of the daemon takes longer; a PIN hash on a busy machine is the slowest.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection, kept alive.
pub struct Client {
    stream: BufReader<UnixStream>,
}

/// A status line and a body.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body as it came.
    pub body: String,
    /// Seconds, if it says when to come again.
    pub retry_after: Option<u64>,
}

impl Answer {
    /// The body as JSON; the test fails with the body if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {}", self.body))
    }
}

impl Client {
    /// Connects.
    pub fn connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// `GET`.
    pub fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.request("GET", path, "application/json", "")
    }

    /// `POST` of a form.
    pub fn form(&mut self, path: &str, body: &str) -> io::Result<Answer> {
        self.request("POST", path, "application/x-www-form-urlencoded", body)
    }

    /// `POST` of JSON.
    pub fn json(&mut self, path: &str, body: &str) -> io::Result<Answer> {
        self.request("POST", path, "application/json", body)
    }

    /// Any request.
    pub fn request(&mut self, method: &str, path: &str, kind: &str, body: &str) -> io::Result<Answer> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: smsotpd\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let status = line.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(|| bad(&line))?;
        let (mut length, mut retry_after) = (0, None);
        loop {
            let mut header = String::new();
            self.stream.read_line(&mut header)?;
            let header = header.trim_end();
            if header.is_empty() {
                break;
            }
            let Some((name, value)) = header.split_once(':') else { continue };
            let number = || value.trim().parse().map_err(|_| bad(header));
            if name.eq_ignore_ascii_case("content-length") {
                length = number()?;
            } else if name.eq_ignore_ascii_case("retry-after") {
                retry_after = Some(number()?);
            }
        }
        let mut body = vec![0; usize::try_from(length).map_err(|_| bad("the body is too long"))?];
        self.stream.read_exact(&mut body)?;
        let body = String::from_utf8(body).map_err(|_| bad("body is not UTF-8"))?;
        Ok(Answer { status, body, retry_after })
    }
}
