//! A text on the way to the address in it, and what had to be said of it.

use super::super::{bracketed_or_name, is_ipv6, is_numeric, port_number};

/// Whether a port belongs there.
#[derive(Debug, Clone, Copy)]
pub(super) enum Port {
    /// Yes, and mostly this one.
    Usual(u16),
    /// Yes.
    Unknown,
    /// It may be left out.
    Optional,
}

/// What is left of a text, and what was noted of the rest.
pub(super) struct Told {
    pub(super) rest: String,
    notes: Vec<String>,
}

impl Told {
    pub(super) fn of(text: &str) -> Self {
        Self { rest: text.to_owned(), notes: Vec::new() }
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// All that was noted, and what to write, if that is an address.
    pub(super) fn write(mut self, meant: Option<String>, is_address: impl Fn(&str) -> bool) -> String {
        if let Some(meant) = meant.filter(|meant| is_address(meant)) {
            self.note(format!("write {meant:?}"));
        }
        self.notes.join("; ")
    }

    /// The path, if this is a Unix socket, however it is spelled.
    pub(super) fn socket(&mut self) -> Option<String> {
        let text = self.rest.trim();
        let path = ["unix://", "unix:"].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
        let path = path.split_once("unix(").map_or(path, |(_, path)| path.split_once(')').map_or(path, |(path, _)| path));
        if !path.starts_with('/') {
            return None;
        }
        let (path, spaces, more) = (path.to_owned(), text.len() < self.rest.len(), path.len() < text.len());
        if spaces {
            self.note("leave out the spaces around it");
        }
        if more {
            self.note("the path of a socket stands alone");
        }
        Some(path)
    }

    /// Leaves out all that may stand around a host and a port.
    pub(super) fn bare(&mut self) {
        self.trim();
        if let Some(scheme) = self.cut_scheme() {
            let may_be_tls = ["http", "https", "grpc", "grpcs", "mysql", "redis", "rediss"].contains(&scheme.as_str());
            let tls = if may_be_tls { ", TLS is a setting of its own" } else { "" };
            self.note(format!("leave out {scheme}://{tls}"));
        }
        self.cut_user();
        if let Some((address, _)) = self.rest.strip_prefix("tcp(").and_then(|rest| rest.split_once(')')) {
            self.rest = address.to_owned();
            self.note("leave out tcp( and what follows the address");
        }
        self.cut_path();
    }

    /// Makes `host:port` of what is left.
    pub(super) fn host_port(&mut self, wanted: Port) -> Option<String> {
        let text = self.rest.clone();
        if text.contains(',') {
            self.note("this is more than one address");
            return None;
        }
        let (host, port) = split_port(&text);
        let brackets = is_ipv6(host);
        if brackets {
            self.note("an IPv6 address stands in brackets, and the port behind them");
        }
        let host_stands = self.host(host);
        let port_stands = match (port, wanted) {
            (Some(port), _) => self.port(port),
            (None, Port::Optional) => true,
            (None, _) if brackets => true,
            (None, _) => {
                self.note("the port is missing");
                true
            }
        };
        let host = if brackets { format!("[{host}]") } else { host.to_owned() };
        let port = match (port, wanted) {
            (Some(port), _) => format!(":{port}"),
            (None, Port::Usual(port)) => format!(":{port}"),
            (None, Port::Optional) => String::new(),
            (None, Port::Unknown) => return None,
        };
        (host_stands && port_stands).then(|| host + &port)
    }

    /// Notes what is wrong with a host; true if nothing is.
    pub(super) fn host(&mut self, host: &str) -> bool {
        let wrong = if bracketed_or_name(host).is_some() || is_ipv6(host) {
            return true;
        } else if host.is_empty() {
            "the host is missing".to_owned()
        } else if host.contains(char::is_whitespace) {
            "an address has no spaces".to_owned()
        } else if host.contains(['$', '{', '}', '<', '>']) {
            "this looks like a placeholder that was not filled in".to_owned()
        } else if host.contains(['[', ']']) || host.matches(':').count() > 1 {
            format!("{host:?} is no IPv6 address in brackets, such as [::1]")
        } else if is_numeric(host) {
            format!("{host:?} is no IPv4 address")
        } else {
            "the name of a host has letters, digits, '-', '.' and '_' only".to_owned()
        };
        self.note(wrong);
        false
    }

    /// Notes what is wrong with a port; true if nothing is.
    pub(super) fn port(&mut self, port: &str) -> bool {
        let digits = port.strip_prefix(['-', '+']).unwrap_or(port);
        let wrong = if port_number(port).is_some() {
            return true;
        } else if port.is_empty() {
            "the port is missing".to_owned()
        } else if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
            format!("port {port} is out of range, allowed is 1 to 65535")
        } else {
            format!("port {port:?} is no number, allowed is 1 to 65535")
        };
        self.note(wrong);
        false
    }

    pub(super) fn trim(&mut self) {
        let trimmed = self.rest.trim();
        if trimmed.len() < self.rest.len() {
            self.rest = trimmed.to_owned();
            self.note("leave out the spaces around it");
        }
    }

    /// Leaves out the scheme of a URL, and the slashes that follow where it names no server, as in `dns:///name`.
    pub(super) fn cut_scheme(&mut self) -> Option<String> {
        let (scheme, rest) = self.rest.split_once("://")?;
        let (scheme, rest) = (scheme.to_ascii_lowercase(), rest.trim_start_matches('/').to_owned());
        self.rest = rest;
        Some(scheme)
    }

    pub(super) fn cut_user(&mut self) {
        if let Some((_, rest)) = self.rest.rsplit_once('@') {
            self.rest = rest.to_owned();
            self.note("leave out what stands before the @, user and password are settings of their own");
        }
    }

    pub(super) fn cut_path(&mut self) {
        if let Some(at) = self.rest.find(['/', '?', '#']) {
            self.rest.truncate(at);
            self.note("leave out what follows the address");
        }
    }
}

/// The host and the port behind the last colon, if there is one. At the end of an IPv6 address without brackets a short group is rather
/// part of it.
fn split_port(text: &str) -> (&str, Option<&str>) {
    let Some((host, port)) = text.rsplit_once(':') else { return (text, None) };
    let is_port = is_ipv6(host) && port.len() >= 4 && port_number(port).is_some();
    if port.contains(']') || (is_ipv6(text) && !is_port) { (text, None) } else { (host, Some(port)) }
}
