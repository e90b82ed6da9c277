//! What a registration must be, and what it is completed with; messages are Consul's where it has one.

use user_info_consul::{CheckDefinition, CheckStatus, Registration};

use crate::agent::rejection::Rejection;

/// Bytes of an id or name.
const MAX_NAME: usize = 256;
/// Tags and tagged addresses of a service.
const MAX_PARTS: usize = 64;
/// Checks of a service. Each has 4 KiB of output at most.
pub(super) const MAX_CHECKS: usize = 16;
/// Pairs of metadata, and bytes of a key and of a value, as in Consul.
const MAX_META: (usize, usize, usize) = (64, 128, 512);

/// Checks `registration` and fills in ids and names.
pub(super) fn registration(mut registration: Registration) -> Result<Registration, Rejection> {
    if registration.name.is_empty() {
        return Err(Rejection::invalid("Missing service name"));
    }
    if registration.id.is_empty() {
        registration.id.clone_from(&registration.name);
    }
    registration.checks.extend(registration.check.take());
    short("service name", &registration.name)?;
    short("service ID", &registration.id)?;
    few("checks", registration.checks.len(), MAX_CHECKS)?;
    few("tags", registration.tags.len(), MAX_PARTS)?;
    few("tagged addresses", registration.tagged_addresses.len(), MAX_PARTS)?;
    meta(&registration)?;
    let count = registration.checks.len();
    for (i, definition) in registration.checks.iter_mut().enumerate() {
        check(definition)?;
        if definition.check_id.is_empty() {
            let number = if count > 1 { format!(":{}", i + 1) } else { String::new() };
            definition.check_id = format!("service:{}{number}", registration.id);
        }
        if definition.name.is_empty() {
            definition.name = format!("Service '{}' check", registration.name);
        }
    }
    Ok(registration)
}

fn check(definition: &CheckDefinition) -> Result<(), Rejection> {
    short("check ID", &definition.check_id)?;
    short("check name", &definition.name)?;
    if let Some(kind) = &definition.unsupported {
        return Err(Rejection::invalid(format!("Invalid check: this agent runs TTL and TCP checks, not {kind}")));
    }
    if !definition.tcp.is_empty() && definition.interval.is_zero() {
        return Err(Rejection::invalid("Invalid check: Interval must be > 0 for Script, HTTP, H2PING, TCP or UDP checks"));
    }
    if definition.tcp.is_empty() && definition.ttl.is_zero() {
        return Err(Rejection::invalid("Invalid check: TTL must be > 0 for TTL checks"));
    }
    if !definition.status.is_empty() && CheckStatus::parse(&definition.status).is_none() {
        return Err(Rejection::invalid("Status for checks must 'passing', 'warning', 'critical'"));
    }
    Ok(())
}

fn meta(registration: &Registration) -> Result<(), Rejection> {
    let (pairs, key_size, value_size) = MAX_META;
    let invalid = |what: String| Err(Rejection::invalid(format!("Invalid Service Meta: {what}")));
    if registration.meta.len() > pairs {
        return invalid(format!("Node metadata cannot contain more than {pairs} key/value pairs"));
    }
    for (key, value) in &registration.meta {
        let odd = |c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-';
        let why = if key.is_empty() {
            "Key cannot be blank".to_owned()
        } else if key.contains(odd) {
            "Key contains invalid characters".to_owned()
        } else if key.len() > key_size {
            format!("Key is too long (limit: {key_size} characters)")
        } else if value.len() > value_size {
            format!("Value is too long (limit: {value_size} characters)")
        } else {
            continue;
        };
        return invalid(format!("Couldn't load metadata pair ('{key}', '{value}'): {why}"));
    }
    Ok(())
}

fn short(what: &str, text: &str) -> Result<(), Rejection> {
    if text.len() <= MAX_NAME { Ok(()) } else { Err(Rejection::invalid(format!("{what} is longer than {MAX_NAME} bytes"))) }
}

/// Refuses more than `most` of something.
pub(super) fn few(what: &str, count: usize, most: usize) -> Result<(), Rejection> {
    if count <= most { Ok(()) } else { Err(Rejection::invalid(format!("{count} {what}; at most {most}"))) }
}
