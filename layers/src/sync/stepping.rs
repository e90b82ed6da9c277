//! The atomics and locks, each of whose uses is a step.

use std::ops::Deref;
use std::sync::atomic::Ordering;
use std::sync::{LockResult, MutexGuard, RwLockReadGuard, RwLockWriteGuard, TryLockError, TryLockResult};

use super::explore::{blocked, step};

/// An atomic whose methods are those of the standard library, after a step.
macro_rules! atomic {
    ($name:ident, $value:ty) => {
        #[derive(Debug, Default)]
        pub(crate) struct $name(std::sync::atomic::$name);

        impl $name {
            pub(crate) const fn new(value: $value) -> Self {
                Self(std::sync::atomic::$name::new(value))
            }
        }

        impl Deref for $name {
            type Target = std::sync::atomic::$name;

            fn deref(&self) -> &Self::Target {
                step();
                &self.0
            }
        }
    };
}

/// What is to be stored is reckoned before the step.
macro_rules! stored {
    ($name:ident, $value:ty) => {
        impl $name {
            pub(crate) fn store(&self, value: $value, order: Ordering) {
                step();
                self.0.store(value, order);
            }
        }
    };
}

/// `fetch_update` reads, reckons, and writes if nobody has written meanwhile: these are two steps.
macro_rules! updated {
    ($name:ident, $value:ty) => {
        impl $name {
            pub(crate) fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                mut next: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                let mut old = self.load(fetch);
                while let Some(new) = next(old) {
                    match self.compare_exchange(old, new, set, fetch) {
                        Ok(old) => return Ok(old),
                        Err(current) => old = current,
                    }
                }
                Err(old)
            }
        }
    };
}

atomic!(AtomicBool, bool);
atomic!(AtomicU32, u32);
atomic!(AtomicU64, u64);
atomic!(AtomicUsize, usize);
stored!(AtomicBool, bool);
stored!(AtomicU32, u32);
stored!(AtomicU64, u64);
updated!(AtomicU64, u64);
updated!(AtomicUsize, usize);

#[derive(Debug, Default)]
pub(crate) struct ArcSwap<T>(arc_swap::ArcSwap<T>);

impl<T> ArcSwap<T> {
    pub(crate) fn from_pointee(value: T) -> Self {
        Self(arc_swap::ArcSwap::from_pointee(value))
    }
}

impl<T> Deref for ArcSwap<T> {
    type Target = arc_swap::ArcSwap<T>;

    fn deref(&self) -> &Self::Target {
        step();
        &self.0
    }
}

/// Locks in one step; while another thread has the lock, others run.
fn lock<G>(try_lock: impl Fn() -> TryLockResult<G>, wait: impl FnOnce() -> LockResult<G>) -> LockResult<G> {
    step();
    loop {
        match try_lock() {
            Ok(guard) => return Ok(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Err(poisoned),
            Err(TryLockError::WouldBlock) if blocked() => {}
            Err(TryLockError::WouldBlock) => return wait(),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        lock(|| self.0.try_lock(), || self.0.lock())
    }
}

#[derive(Debug, Default)]
pub(crate) struct RwLock<T>(std::sync::RwLock<T>);

impl<T> RwLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::sync::RwLock::new(value))
    }

    pub(crate) fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        lock(|| self.0.try_read(), || self.0.read())
    }

    pub(crate) fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        lock(|| self.0.try_write(), || self.0.write())
    }
}
