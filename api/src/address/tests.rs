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
                "/[ab \n]{0,4}",
                "[a0-9.:]{0,12}",
                "[a\\[\\]:/,.%é \n\u{a0}]{0,6}:[0-9+]{0,6}",
                "\\[[0-9a-g:.%]{0,8}\\]:[0-9]{1,5}",
                "https?:/?/?[a:/ \u{a0}]{0,6}",
                "https?://[a_%é]{0,2}(\\[[0-9a-g:%]{0,4}\\])?(:[0-9+]{0,6})?/{0,2}",
            ],
        ) {
            // Of what looks like an IPv6 address the parser alone knows whether it is one.
            let (brackets, bare) = (text.contains('['), text.matches(':').count() > 1);
            for (parsed, matched, ipv6) in [
                (host_port(&text).is_some(), HOST_PORT, brackets),
                (is_host_ports(&text), HOST_PORTS, brackets),
                (is_host_port_or_socket(&text), HOST_PORT_OR_SOCKET, brackets),
                (is_host(&text), HOST, bare),
                (is_advertised(&text), ADVERTISED, brackets || bare),
                (is_url(&text), URL, brackets),
                (is_collector(&text), COLLECTOR, brackets),
            ] {
                let matches = pattern(matched).is_match(&text);
                prop_assert!(parsed == matches || (ipv6 && matches), "{:?} and {}", text, matched);
            }
        }
    }
}
