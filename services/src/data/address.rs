//! Addresses of servers, as the configuration spells them.

use std::path::Path;

use user_info_api::address::host_port;

/// Where a server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address<'a> {
    /// Host name or IP address, and port.
    Tcp(&'a str, u16),
    /// Path of a Unix socket.
    Unix(&'a Path),
}

impl<'a> Address<'a> {
    /// Parses `host:port` (an IPv6 address in brackets) or an absolute path.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        if text.starts_with('/') {
            return Some(Self::Unix(Path::new(text)));
        }
        host_port(text).map(|(host, port)| Self::Tcp(host, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_paths_are_told_apart() {
        assert_eq!(Address::parse("db.example:3306"), Some(Address::Tcp("db.example", 3306)));
        assert_eq!(Address::parse("[::1]:6379"), Some(Address::Tcp("::1", 6379)));
        assert_eq!(Address::parse("/run/mysqld.sock"), Some(Address::Unix(Path::new("/run/mysqld.sock"))));
        assert_eq!(Address::parse("db.example"), None);
        assert_eq!(Address::parse("db.example:port"), None);
    }
}
