//! Addresses of servers and URLs, each as a parser, which needs no regular expressions, and as the pattern that schemas carry.
//!
//! A test compares the two for random text.

/// A host name, an IPv4 address, or an IPv6 address in brackets with an optional zone.
macro_rules! host {
    () => {
        r"(?:[^\s:/,\[\]]+|\[[0-9A-Fa-f:.]+(?:%[0-9A-Za-z._~-]+)?\])"
    };
}

/// A number from 1 to 65535; zeros may stand before it.
macro_rules! port {
    () => {
        "0*(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
    };
}

/// The pattern of what [`host_port`] reads.
pub const HOST_PORT: &str = concat!("^", host!(), ":", port!(), "$");

/// The pattern of one to sixteen [`HOST_PORT`], with commas between them.
pub const HOST_PORTS: &str = concat!("^", host!(), ":", port!(), "(?:,", host!(), ":", port!(), "){0,15}$");

/// The pattern of what [`host_port`] reads, or the absolute path of a Unix socket.
pub const HOST_PORT_OR_SOCKET: &str = concat!("^(?:/|", host!(), ":", port!(), "$)");

/// The pattern of an address on the web, with a host and perhaps a path.
pub const URL: &str = r"^https?://[^\s/]+(/\S*)?$";

/// The pattern of the address of a collector of traces: `http://` or `https://`, a host, and perhaps a port and a slash.
pub const COLLECTOR: &str = concat!(r"^https?://(?:[-._0-9A-Za-z]+|\[[0-9A-Fa-f:.]+\])(?::", port!(), ")?/?$");

/// Reads `host:port`: the host, without the brackets of an IPv6 address, and the port, 1 to 65535.
///
/// The host is not looked up, so a name that nobody has is read, too.
///
/// ```
/// use user_info_api::address::host_port;
///
/// assert_eq!(host_port("db.example.com:3306"), Some(("db.example.com", 3306)));
/// assert_eq!(host_port("[::1]:3306"), Some(("::1", 3306)));
/// assert_eq!(host_port("db:70000"), None);
/// ```
pub fn host_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let port = port.parse().ok().filter(|port| digits && *port > 0)?;
    match host.strip_prefix('[') {
        Some(literal) => literal.strip_suffix(']').filter(|literal| is_ipv6(literal)),
        None => Some(host).filter(|host| is_name(host)),
    }
    .map(|host| (host, port))
}

/// Whether `text` is `host:port`, as [`host_port`] reads it, or the absolute path of a Unix socket.
pub(crate) fn is_host_port_or_socket(text: &str) -> bool {
    text.starts_with('/') || host_port(text).is_some()
}

/// Whether `text` is an address on the web, with a host and perhaps a path.
pub(crate) fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && !rest.contains(char::is_whitespace))
}

/// Whether `text` is the address of a collector of traces: a URL with a host, perhaps a port, and no path.
pub(crate) fn is_collector(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")) else { return false };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let address = if rest.ends_with(']') || !rest.contains(':') { &format!("{rest}:80") } else { rest };
    host_port(address).is_some_and(|(host, _)| !host.contains('%') && (address.starts_with('[') || is_plain(host)))
}

fn is_plain(host: &str) -> bool {
    host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

fn is_name(host: &str) -> bool {
    !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || ":/,[]".contains(c))
}

fn is_ipv6(literal: &str) -> bool {
    let (address, zone) = literal.split_once('%').map_or((literal, None), |(address, zone)| (address, Some(zone)));
    let of = |text: &str, more: &str, letter: fn(&char) -> bool| !text.is_empty() && text.chars().all(|c| letter(&c) || more.contains(c));
    of(address, ":.", char::is_ascii_hexdigit) && zone.is_none_or(|zone| of(zone, "._~-", char::is_ascii_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_with_a_port_are_read() {
        for (text, read) in [
            ("db:3306", ("db", 3306)),
            ("db_1.example.com:1", ("db_1.example.com", 1)),
            ("10.0.0.1:65535", ("10.0.0.1", 65535)),
            ("db:00080", ("db", 80)),
            ("[::1]:3306", ("::1", 3306)),
            ("[::ffff:10.0.0.1]:80", ("::ffff:10.0.0.1", 80)),
            ("[fe80::1%eth0]:80", ("fe80::1%eth0", 80)),
        ] {
            assert_eq!(host_port(text), Some(read), "{text}");
        }
        for text in
            ["", "db", "db:", ":80", "db:0", "db:65536", "db:70000", "db:+80", "db:-1", "db:port", "::1:80", "[]:80", "[::1:80", "[::1]"]
        {
            assert_eq!(host_port(text), None, "{text}");
        }
        for text in ["a b:80", "http://db:80", "a,b:80", "a:80,b:80", "[::1%]:80", "[::1 ]:80", "db\u{a0}:80", "db:80 ", "db:80\n"] {
            assert_eq!(host_port(text), None, "{text:?}");
        }
    }

    #[test]
    fn p8_the_address_of_a_collector_is_a_url_without_path() {
        for url in [
            "http://127.0.0.1:4317",
            "https://otel.example.com:4317/",
            "http://otel-collector.monitoring",
            "http://[::1]:4317",
            "https://[2001:db8::1]",
        ] {
            assert!(is_collector(url), "{url}");
        }
        for url in [
            "",
            "127.0.0.1:4317",
            "localhost:4317",
            "grpc://127.0.0.1:4317",
            "http://",
            "http://:4317",
            "http://127.0.0.1:0",
            "http://127.0.0.1:70000",
            "http://127.0.0.1:+1",
            "http://127.0.0.1:4318/v1/traces",
            "http:// 127.0.0.1:4317",
            "http://::1:4317",
            "http://me:secret@127.0.0.1:4317",
        ] {
            assert!(!is_collector(url), "{url}");
        }
    }

    #[cfg(feature = "crd")]
    mod patterns {
        use proptest::prelude::*;
        use regex::Regex;

        use super::*;

        fn pattern(text: &str) -> Regex {
            Regex::new(text).expect("a pattern")
        }

        #[test]
        fn every_port_is_judged_alike() {
            let regex = pattern(HOST_PORT);
            for port in 0..=100_000 {
                let text = format!("db:{port}");
                assert_eq!(regex.is_match(&text), (1..=65535).contains(&port), "{text}");
                assert_eq!(host_port(&text).is_some(), (1..=65535).contains(&port), "{text}");
            }
        }

        #[test]
        fn a_list_has_up_to_sixteen_addresses() {
            let regex = pattern(HOST_PORTS);
            for (count, taken) in [(1, true), (16, true), (17, false)] {
                assert_eq!(regex.is_match(&vec!["[::1]:8500"; count].join(",")), taken, "{count}");
            }
            assert!(!regex.is_match("a:8500,b:70000") && !regex.is_match("a:8500,") && !regex.is_match(""));
        }

        proptest! {
            #![proptest_config(ProptestConfig::with_cases(1024))]

            #[test]
            fn the_parsers_take_what_the_patterns_take(
                text in prop_oneof![
                    "\\PC{0,12}",
                    "[a\\[\\]:/,.%é \n\u{a0}]{0,6}:[0-9+]{0,6}",
                    "\\[[0-9a-g:.%]{0,8}\\]:[0-9]{1,5}",
                    "https?:/?/?[a:/ \u{a0}]{0,6}",
                    "https?://[a_%é]{0,2}(\\[[0-9a-g:%]{0,4}\\])?(:[0-9+]{0,6})?/{0,2}",
                ],
            ) {
                prop_assert_eq!(host_port(&text).is_some(), pattern(HOST_PORT).is_match(&text), "{:?}", text);
                prop_assert_eq!(is_host_port_or_socket(&text), pattern(HOST_PORT_OR_SOCKET).is_match(&text), "{:?}", text);
                prop_assert_eq!(is_url(&text), pattern(URL).is_match(&text), "{:?}", text);
                prop_assert_eq!(is_collector(&text), pattern(COLLECTOR).is_match(&text), "{:?}", text);
            }
        }
    }
}
