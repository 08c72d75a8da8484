//! Routing: which endpoints may serve a request, in which order, and why each other one was
//! dropped.
//!
//! Filter → order → [`Plan`]; pure: the same inputs, seed included, give the same plan.
//! Semantics: OpenRouter's provider routing, as in `docs/routing.md`.

mod auto;
mod figures;
mod filter;
mod health;
mod histogram;
mod order;
mod plan;
mod rule;
mod sticky;

pub use auto::{Choice, choose};
pub use figures::Window;
pub use health::{Health, Measure, Observation, Standing};
pub use plan::{Circumstances, Plan, Step, plan};
pub use rule::{By, Compared, Placing, Rule};
pub(crate) use sticky::{Place, conversation, is_cheaper_cached};

#[cfg(test)]
mod tests;
