//! Tests of the adapter as a whole.

mod flow;
mod inquiry;
mod known;
mod looking;
mod noise;
mod prepare;
mod standin;
pub(super) mod support;
