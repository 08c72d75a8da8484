//! A client's request: what routing needs to know of it, as facts and byte spans over the body,
//! never a tree.
//!
//! The body is read once, here, and validated whole; every attempt edits the same bytes.

mod body;
mod conversation;
mod feature;
mod field;
mod limits;
mod plugin;
mod preferences;
mod preset;
mod problem;
mod surface;

pub use body::{Request, StreamOptionsEdit, Unfit};
pub use conversation::ConversationId;
pub(crate) use feature::RESPONSE_FORMATS;
pub use limits::Limits;
pub use plugin::AutoRouter;
pub use preferences::{Cutoffs, DataCollection, MaxPrice, Partition, Preferences, SortBy};
pub use preset::{Preset, split as split_preset};
pub use surface::{Page, Paths, Surface};
