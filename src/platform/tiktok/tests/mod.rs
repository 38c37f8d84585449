//! Tests of the adapter as a whole.

mod flow;
mod looking;
mod noise;
mod prepare;
mod standin;
mod support;
