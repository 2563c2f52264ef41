//! Raw bytes that replace hyper's response: partial responses, wrong lengths, and invalid HTTP.

use std::io;

use tokio::{io::AsyncWriteExt, net::TcpStream, task::yield_now};

use super::plan::{Act, Manner};

/// The last bytes of a connection.
pub struct Takeover {
    bytes: Vec<u8>,
    byte_by_byte: bool,
    /// Ends with RST, which discards bytes in flight.
    resets: bool,
}

/// A GOAWAY frame with any last stream and the reason ENHANCE_YOUR_CALM.
const GO_AWAY: [u8; 17] = [
    0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 11,
];

impl Takeover {
    /// Resets without a byte.
    pub fn reset() -> Self {
        Self {
            bytes: Vec::new(),
            byte_by_byte: false,
            resets: true,
        }
    }

    /// Makes the planned bytes.
    pub fn of(id: usize, act: Act) -> Self {
        let receipt = receipt(id);
        let honest = head(act, receipt.len());
        let bytes = match act.manner {
            Manner::CutHead => honest[..honest.len() * (id % 10) / 10].to_owned(),
            Manner::CutBody | Manner::ResetBody => head(act, receipt.len() + 100) + &receipt,
            Manner::ShortLength => head(act, receipt.len() / 2) + &receipt,
            Manner::RawDrip => honest + &receipt,
            Manner::Garbage => garbage(id).to_owned(),
            Manner::Oversized => oversized(id, act),
            _ => String::new(),
        };
        let bytes = match act.manner {
            Manner::GoAway => GO_AWAY.to_vec(),
            _ => bytes.into_bytes(),
        };
        Self {
            bytes,
            byte_by_byte: act.manner == Manner::RawDrip,
            resets: matches!(act.manner, Manner::Reset | Manner::ResetBody),
        }
    }

    /// Writes the bytes. The caller drops the connection.
    pub async fn perform(self, stream: &mut TcpStream) -> io::Result<()> {
        let size = if self.byte_by_byte { 1 } else { usize::MAX };
        for piece in self.bytes.chunks(size) {
            stream.write_all(piece).await?;
            yield_now().await;
        }
        if self.resets {
            stream.set_zero_linger()?;
        }
        Ok(())
    }
}

/// Returns the body of every response.
pub fn receipt(id: usize) -> String {
    format!(r#"{{"ok": true, "id": {id}, "message": "by the plan"}}"#)
}

/// Returns a head with this `Content-Length`.
fn head(act: Act, length: usize) -> String {
    start(act) + &format!("content-length: {length}\r\n\r\n")
}

/// Returns the status line and the first headers.
fn start(act: Act) -> String {
    let mut start = format!("HTTP/1.1 {} Chaos\r\n", act.status);
    for (name, value) in act.wait.headers() {
        start += &format!("{name}: {value}\r\n");
    }
    start
}

/// Returns a greeting of another protocol, or invalid HTTP.
fn garbage(id: usize) -> &'static str {
    const ALL: [&str; 8] = [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "220 mail.example.com ESMTP\r\n",
        "<html><title>Maintenance</title></html>",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "\0\x16\x03\x01\x02\0\x01\0",
    ];
    ALL[id % ALL.len()]
}

/// Returns a head with too many headers for hyper's client, or with about as many bytes as it accepts.
fn oversized(id: usize, act: Act) -> String {
    let start = start(act);
    if id % 2 == 0 {
        start + &"x-more: of the same\r\n".repeat(200) + "\r\n"
    } else {
        start + "x-large: " + &"large".repeat(100_000) + "\r\n\r\n"
    }
}
