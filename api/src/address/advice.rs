//! What is said of a text that is no address: what is wrong with it, and what was probably meant.
//!
//! Such texts are pasted from elsewhere: a URL, an address with a user's password, a DSN of Go's MySQL driver. Nothing is guessed in
//! silence; the text is refused, with the one to write.

mod told;

use std::net::SocketAddr;

use self::told::{Port, Told};
use super::{bracketed_or_name, host_port, is_advertised, is_collector, is_host, is_host_port_or_socket, is_url};

const NO_SOCKET: &str = "a path of a Unix socket is of no use here";

/// Everything that is said of `text`, which is not what `words` call it. Passwords in it are left out.
pub(crate) fn refusal(text: &str, words: &str, advice: &str) -> String {
    let separator = if advice.is_empty() { "" } else { "; " };
    format!("{:?} is not {words}{separator}{advice}", without_secrets(text))
}

/// `text` without a user and password before an @, and without a query.
fn without_secrets(text: &str) -> String {
    let (text, query) = text.split_once('?').map_or((text, ""), |(text, _)| (text, "?…"));
    let Some((before, after)) = text.rsplit_once('@') else { return format!("{text}{query}") };
    let scheme = before.split_once("://").map_or("", |(scheme, _)| &before[..scheme.len() + "://".len()]);
    format!("{scheme}…@{after}{query}")
}

/// What is wrong with `text` where `host:port` belongs. `usual` is the port that such servers mostly have.
pub(crate) fn of_host_port(text: &str, usual: Option<u16>) -> String {
    let mut told = Told::of(text);
    if told.socket().is_some() {
        return NO_SOCKET.to_owned();
    }
    told.bare();
    let meant = told.host_port(usual.map_or(Port::Unknown, Port::Usual));
    told.write(meant, |meant| host_port(meant).is_some())
}

/// What is wrong with `text` where `host:port` or the path of a Unix socket belongs.
pub(crate) fn of_host_port_or_socket(text: &str, usual: u16) -> String {
    let mut told = Told::of(text);
    let meant = told.socket().or_else(|| {
        told.bare();
        told.host_port(Port::Usual(usual))
    });
    told.write(meant, is_host_port_or_socket)
}

/// What is wrong with `text` where `host:port` belongs, or several with commas between.
pub(crate) fn of_host_ports(text: &str, usual: u16) -> String {
    if text.split(',').count() > 16 {
        return "these are more than 16".to_owned();
    }
    let wrong = text.split(',').find(|one| host_port(one).is_none()).unwrap_or(text);
    let advice = of_host_port(wrong, Some(usual));
    if wrong == text { advice } else { format!("{:?}: {advice}", without_secrets(wrong)) }
}

/// What is wrong with `text` where a host without a port belongs.
pub(crate) fn of_host(text: &str) -> String {
    let mut told = Told::of(text);
    if told.socket().is_some() {
        return NO_SOCKET.to_owned();
    }
    told.bare();
    let text = told.rest.clone();
    let meant = if let Some((host, _)) = host_port(&text) {
        told.note("leave out the port, which is a setting of its own");
        Some(host)
    } else if let Some(literal) = bracketed_or_name(&text).filter(|literal| *literal != text) {
        told.note("leave out the brackets");
        Some(literal)
    } else {
        told.host(&text).then_some(text.as_str())
    };
    told.write(meant.map(str::to_owned), is_host)
}

/// What is wrong with `text` where a host with or without a port belongs.
pub(crate) fn of_advertised(text: &str) -> String {
    let mut told = Told::of(text);
    if told.socket().is_some() {
        return NO_SOCKET.to_owned();
    }
    told.bare();
    let meant = if is_advertised(&told.rest) { Some(told.rest.clone()) } else { told.host_port(Port::Optional) };
    told.write(meant, is_advertised)
}

/// What is wrong with `text` where the URL of something on the web belongs.
pub(crate) fn of_url(text: &str) -> String {
    let (mut told, scheme) = web(text);
    let path = told.rest.find('/').map_or_else(String::new, |at| told.rest.split_off(at));
    let meant = told.host_port(Port::Optional).map(|authority| format!("{scheme}://{authority}{path}"));
    told.write(meant, is_url)
}

/// What is wrong with `text` where the URL of a collector belongs, which has no path.
pub(crate) fn of_collector(text: &str) -> String {
    let (mut told, scheme) = web(text.strip_suffix('/').filter(|text| !text.ends_with('/')).unwrap_or(text));
    told.cut_path();
    let meant = told.host_port(Port::Optional).map(|authority| format!("{scheme}://{authority}"));
    told.write(meant, is_collector)
}

/// A URL without scheme and user, and the scheme it should have.
fn web(text: &str) -> (Told, &'static str) {
    let mut told = Told::of(text);
    told.trim();
    let scheme = match told.cut_scheme().as_deref() {
        Some("http") => "http",
        Some("https") => "https",
        _ => {
            told.note("begin with http://, or with https:// for TLS");
            "http"
        }
    };
    told.cut_user();
    (told, scheme)
}

/// What is wrong with `text` where an address to listen on belongs.
pub(crate) fn of_listen(text: &str) -> String {
    let mut told = Told::of(text);
    if told.socket().is_some() {
        return "nothing here listens on a Unix socket".to_owned();
    }
    told.bare();
    let text = if told.rest.parse::<u32>().is_ok() { format!(":{}", told.rest) } else { told.rest.replacen('*', "", 1) };
    let meant = match text.strip_prefix(':').filter(|port| !port.contains(':')) {
        Some(port) => {
            told.note("the host is missing");
            told.port(port).then(|| format!("0.0.0.0:{port}"))
        }
        None => told.host_port(Port::Unknown).map(|meant| meant.replacen("localhost:", "127.0.0.1:", 1)),
    };
    if text.starts_with(char::is_alphabetic) && text.matches(':').count() < 2 {
        told.note("a listener takes an IP address and no name; 0.0.0.0 is all addresses of this machine");
    }
    told.write(meant, |meant| meant.parse::<SocketAddr>().is_ok())
}

#[cfg(test)]
mod tests;
