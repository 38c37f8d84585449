//! The model over HTTP.
