//! A client's request: what routing needs to know of it, as facts and byte spans over the body,
//! never a tree.
//!
//! The body is read once, here, and validated whole; every attempt edits the same bytes.

mod body;
mod content;
mod conversation;
mod feature;
mod field;
mod hosts;
mod limits;
mod model;
mod plugin;
mod preferences;
mod preset;
mod problem;
mod raw;
mod routing;
mod stream;
mod surface;
mod web;

pub use body::{Request, StreamOptionsEdit, Unfit};
pub use conversation::ConversationId;
pub(crate) use feature::RESPONSE_FORMATS;
pub use hosts::Hosts;
pub use limits::Limits;
pub use plugin::AutoRouter;
pub use preferences::{Cutoffs, DataCollection, MaxPrice, Partition, Preferences, SortBy};
pub use preset::{Preset, split as split_preset};
pub use surface::{Page, Paths, Surface};
pub use web::{Cors, is_foreign_form};
