//! Until `crate::at` is merged: the two of its types that stand in the machine's words (`at::Final`, `at::command::Pin`).

/// `crate::at::Final`, which has all error codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Final {
    /// `ERROR` without a reason.
    Error,
}

/// `crate::at::command::Pin`, 4 to 8 digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin(crate::secret::Secret);
