//! HTTP with peers that are not trusted: what they can make this process hold, and for how long, is bounded.
//!
//! [`serve`] is a listener with a bound for each thing that a caller may do slowly, much or never; [`Http1`] is the same for one connection
//! that someone else has accepted, [`Paced`] and [`Answers`] are parts of it for who serves connections by other means. [`read`] reads the
//! answer of a server.

mod answers;
mod bounds;
mod http1;
mod lost;
mod paced;
mod peer;
mod read;
mod serve;

pub use answers::Answers;
pub use bounds::Bounds;
pub use http1::{Http1, until_stopped};
pub use lost::cut_off_the_lost;
pub use paced::Paced;
pub use peer::Peer;
pub use read::{ReadError, read};
pub use serve::serve;
