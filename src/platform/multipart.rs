//! A form of texts and one file (`multipart/form-data`, RFC 7578), the file streamed as any upload is.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::error::Error;
use super::upload::{FileBody, Part, Watch};
use crate::domain::ids::hex;
use crate::domain::retry::ErrorKind;

/// Bytes of randomness in a boundary: no text and no file holds it by chance.
const BOUNDARY_BYTES: usize = 16;

/// What goes out. The names are ours, so that nothing in them needs to be escaped.
#[derive(Debug)]
pub struct Form {
    pub fields: Vec<(&'static str, String)>,
    /// The field that holds the file.
    pub name: &'static str,
    /// As the server is told it: letters, digits, `.`, `-` and `_`.
    pub file_name: String,
    pub content_type: &'static str,
    pub part: Part,
}

impl Form {
    /// The body with the value of its `Content-Type`. Its length is known beforehand.
    ///
    /// # Errors
    ///
    /// `Local` when the system has no random numbers.
    pub(super) fn stream(self, operation: &'static str) -> Result<(reqwest::Body, String, Watch), Error> {
        let mut random = [0; BOUNDARY_BYTES];
        getrandom::fill(&mut random)
            .map_err(|why| Error::new(operation, ErrorKind::Local, "no-random", why.to_string()))?;
        let boundary = hex(&random);
        let mut head = String::new();
        for (name, value) in &self.fields {
            head += &format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
        }
        head += &format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: {}\r\n\r\n",
            self.name, self.file_name, self.content_type
        );
        let tail = format!("\r\n--{boundary}--\r\n");
        let (file, watch) = self.part.body();
        let framed = Framed { head: Some(head.into()), file, tail: Some(tail.into()) };
        Ok((reqwest::Body::wrap(framed), format!("multipart/form-data; boundary={boundary}"), watch))
    }
}

/// The file between what comes before it and behind it.
struct Framed {
    head: Option<Bytes>,
    file: FileBody,
    tail: Option<Bytes>,
}

impl Body for Framed {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if let Some(head) = self.head.take() {
            return Poll::Ready(Some(Ok(Frame::data(head))));
        }
        if !self.file.is_end_stream() {
            return Pin::new(&mut self.file).poll_frame(ctx);
        }
        Poll::Ready(self.tail.take().map(|tail| Ok(Frame::data(tail))))
    }

    fn is_end_stream(&self) -> bool {
        self.tail.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let around =
            [&self.head, &self.tail].into_iter().flatten().map(|bytes| bytes.len() as u64).sum::<u64>();
        SizeHint::with_exact(around + self.file.size_hint().exact().unwrap_or_default())
    }
}
