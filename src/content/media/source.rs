use std::io::{self, Read, Seek, SeekFrom};

use super::ProbeError;

/// Headers are small and far apart: one page at a time is all that is ever held.
const WINDOW: u64 = 4096;

/// How many boxes, elements, chunks and table entries one probe looks at. An hour at 30 fps with a fragment for each
/// frame stays below; a file made to keep us busy does not.
pub(super) const MAX_STEPS: u32 = 4_000_000;

/// A range of bytes in the file. Fields are read relative to it and never beyond it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Span {
    pub(super) fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// The same range without its first bytes.
    pub(super) fn skip(self, bytes: u64) -> Span {
        Span { start: self.start.saturating_add(bytes).min(self.end), end: self.end }
    }
}

/// Random access to a file through one small window, with a budget.
pub(super) struct Source<R> {
    reader: R,
    len: u64,
    window_start: u64,
    window: Vec<u8>,
    steps: u32,
    #[cfg(test)]
    bytes_read: u64,
}

impl<R: Read + Seek> Source<R> {
    pub(super) fn new(reader: R, len: u64) -> Self {
        Source {
            reader,
            len,
            window_start: 0,
            window: Vec::with_capacity(WINDOW as usize),
            steps: 0,
            #[cfg(test)]
            bytes_read: 0,
        }
    }

    pub(super) fn whole(&self) -> Span {
        Span { start: 0, end: self.len }
    }

    /// To be called once in each turn of every loop whose length the file decides.
    pub(super) fn step(&mut self) -> Result<(), ProbeError> {
        self.steps += 1;
        if self.steps > MAX_STEPS { Err(ProbeError::TooManyParts) } else { Ok(()) }
    }

    pub(super) fn head(&mut self) -> io::Result<&[u8]> {
        self.fill(0)?;
        Ok(&self.window)
    }

    /// The bytes at hand from `at` on: at least one, unless the file ends there.
    pub(super) fn chunk(&mut self, at: u64) -> io::Result<&[u8]> {
        if !self.holds(at, 1) {
            self.fill(at)?;
        }
        Ok(self.window.get((at - self.window_start) as usize..).unwrap_or_default())
    }

    /// `N` bytes at `offset` in `span`; a field that does not fit there is a defect of the file.
    pub(super) fn array<const N: usize>(&mut self, span: Span, offset: u64) -> Result<[u8; N], ProbeError> {
        let field = span.skip(offset);
        if field.len() < N as u64 || offset > span.len() {
            return Err(ProbeError::Malformed { at: span.start, what: "a part is shorter than its fields" });
        }
        if !self.holds(field.start, N as u64) {
            self.fill(field.start)?;
        }
        let from = (field.start - self.window_start) as usize;
        let bytes =
            self.window.get(from..from + N).ok_or(io::ErrorKind::UnexpectedEof).map_err(io::Error::from)?;
        Ok(bytes.try_into().expect("the slice has N bytes"))
    }

    pub(super) fn u8(&mut self, span: Span, offset: u64) -> Result<u8, ProbeError> {
        Ok(u8::from_be_bytes(self.array(span, offset)?))
    }

    pub(super) fn u16(&mut self, span: Span, offset: u64) -> Result<u16, ProbeError> {
        Ok(u16::from_be_bytes(self.array(span, offset)?))
    }

    pub(super) fn u32(&mut self, span: Span, offset: u64) -> Result<u32, ProbeError> {
        Ok(u32::from_be_bytes(self.array(span, offset)?))
    }

    pub(super) fn u64(&mut self, span: Span, offset: u64) -> Result<u64, ProbeError> {
        Ok(u64::from_be_bytes(self.array(span, offset)?))
    }

    fn holds(&self, at: u64, bytes: u64) -> bool {
        at >= self.window_start && at + bytes <= self.window_start + self.window.len() as u64
    }

    fn fill(&mut self, at: u64) -> io::Result<()> {
        self.window.clear();
        self.window_start = at;
        self.reader.seek(SeekFrom::Start(at))?;
        self.reader.by_ref().take(WINDOW).read_to_end(&mut self.window)?;
        #[cfg(test)]
        {
            self.bytes_read += self.window.len() as u64;
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn bytes_held(&self) -> usize {
        self.window.capacity()
    }

    #[cfg(test)]
    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }
}

/// A name taken from the file, safe to print.
pub(super) fn printable(name: &[u8]) -> String {
    let shown: String =
        name.iter().map(|&b| if b.is_ascii_graphic() || b == b' ' { b as char } else { '.' }).collect();
    shown.trim_end().to_owned()
}

/// `value × factor ÷ divisor`, rounded; nothing if it cannot be told.
pub(super) fn ratio(value: u64, factor: u64, divisor: u64) -> Option<u64> {
    let divisor = u128::from(divisor);
    let scaled = u128::from(value) * u128::from(factor) + divisor / 2;
    u64::try_from(scaled.checked_div(divisor)?).ok()
}
