//! Octets of the fuzzer taken one after the other. At their end there are zeros, so that any octets are a whole script.

/// What is left of the input.
#[derive(Debug, Clone, Copy)]
pub struct Feed<'a>(&'a [u8]);

impl<'a> Feed<'a> {
    /// All of `data`.
    #[must_use]
    pub fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next octet; 0 at the end.
    pub fn octet(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// The next `count` octets; fewer at the end.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.take(usize::MAX)
    }

    /// One of `choices` as the next octet says.
    pub fn pick<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        let at = usize::from(self.octet()) % choices.len();
        &choices[at]
    }
}
