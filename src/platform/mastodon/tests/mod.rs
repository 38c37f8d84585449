//! The adapter against a server that answers as told.

mod amending;
mod flow;
mod login;
mod looking;
mod prepare;
mod support;
