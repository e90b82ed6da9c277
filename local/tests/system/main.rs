//! The whole system, as a person runs it: `user-info-local` with a file, the services it starts, and what is measured from outside.
//!
//! The programs are those that `make build` builds. Ports are whatever is free; the table that the program prints says which.

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod edits;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod external;
#[cfg(test)]
mod load;
#[cfg(test)]
mod prometheus;
#[cfg(test)]
mod secured;
