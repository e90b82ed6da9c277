//! What threads share: the atomics and locks of the standard library, and `ArcSwap`. In the tests of this crate each use of one is a step,
//! between which `explore` lets other threads run, in every order.

#[cfg(not(test))]
pub(crate) use arc_swap::ArcSwap;
#[cfg(not(test))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};
#[cfg(not(test))]
pub(crate) use std::sync::{Mutex, RwLock};

#[cfg(test)]
mod explore;
#[cfg(test)]
mod stepping;

#[cfg(test)]
pub(crate) use explore::explore;
#[cfg(test)]
pub(crate) use stepping::{ArcSwap, AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Mutex, RwLock};
