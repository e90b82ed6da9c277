//! How fields are read that Go writes in a way of its own.

use serde::{Deserialize, Deserializer};

/// Go writes an empty list or map as `null`.
pub(crate) fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Option::deserialize(d).map(Option::unwrap_or_default)
}

/// Consul's catalog takes any number for a port.
pub(crate) fn port<'de, D: Deserializer<'de>>(d: D) -> Result<u16, D::Error> {
    let number = i64::deserialize(d)?;
    u16::try_from(number).map_err(|_| serde::de::Error::custom(format_args!("{number} is not a port: 0 to 65535")))
}
