//! The adapter offline, and against a server that answers as told.

mod flow;
mod prepare;
mod support;
