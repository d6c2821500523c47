//! A firmware note in memory.

/// What is known about a family of modems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: String,
}
