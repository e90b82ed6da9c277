//! Servers of HTTP that never end what they answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{sleep, spawn};
use std::time::Duration;

/// An answer that never ends: how it begins, and what follows over and over.
#[derive(Debug, Clone, Copy)]
pub struct Endless {
    begin: &'static str,
    more: &'static str,
    /// How often the latter follows at once; slowly if not at all.
    times: usize,
}

/// All kinds there are.
pub const ALL: [Endless; 9] = [
    Endless { begin: "", more: "", times: 0 },
    Endless { begin: "", more: "HTTP/1.1 103 Early Hints\r\n\r\n", times: 1000 },
    Endless { begin: "HTTP/1.1 200 ", more: "a", times: 10_000 },
    Endless { begin: "HTTP/1.1 200 OK\r\n", more: "x: aaaaaaaaaaaaaaaa\r\n", times: 1000 },
    Endless { begin: "HTTP/1.1 200 OK\r\nx: ", more: "a", times: 10_000 },
    Endless { begin: "HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n", more: "a", times: 10_000 },
    Endless { begin: "HTTP/1.1 200 OK\r\n\r\n", more: "aaaaaaaa", times: 10_000 },
    Endless { begin: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", more: "1\r\na\r\n", times: 10_000 },
    Endless { begin: "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", more: "a", times: 0 },
];

impl Endless {
    /// Answers so for as long as the test runs.
    pub fn serve(self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                spawn(move || self.answer(stream));
            }
        });
        address
    }

    fn answer(self, mut stream: TcpStream) -> std::io::Result<()> {
        let _ = stream.read(&mut [0; 4096])?;
        stream.write_all(self.begin.as_bytes())?;
        let more = self.more.repeat(self.times.max(1));
        loop {
            stream.write_all(more.as_bytes())?;
            if self.times == 0 {
                sleep(Duration::from_millis(50));
            }
        }
    }
}
