//! The programs `user_info` and `user_client` as others meet them: on the wire, on the command line, at start and at stop.

#[cfg(test)]
mod check;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod running;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod stores;
#[cfg(test)]
mod sweep;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod wire;
