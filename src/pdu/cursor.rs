//! The reader over foreign octets. It is the one place of `pdu` that knows about bounds: everything else takes what it
//! needs and passes the error on, so no index is ever computed from what a network sent.

use super::{Field, PduError};

/// A position in octets; taking moves it.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// At the beginning of `octets`.
    #[must_use]
    pub fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    /// The next `n` octets, which belong to `field`.
    ///
    /// # Errors
    /// [`PduError::CutOff`] when there are fewer; nothing is taken then.
    pub fn take(&mut self, n: usize, field: Field) -> Result<&'a [u8], PduError> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(PduError::CutOff(field))?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next octet.
    ///
    /// # Errors
    /// [`PduError::CutOff`] at the end.
    pub fn u8(&mut self, field: Field) -> Result<u8, PduError> {
        let [octet] = self.array(field)?;
        Ok(octet)
    }

    /// The next `N` octets by value.
    ///
    /// # Errors
    /// [`PduError::CutOff`] when there are fewer; nothing is taken then.
    pub fn array<const N: usize>(&mut self, field: Field) -> Result<[u8; N], PduError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(PduError::CutOff(field))?;
        self.rest = rest;
        Ok(*taken)
    }

    /// How many octets are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// All that is left, without taking it.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taking_too_much_takes_nothing() {
        let mut cursor = Cursor::new(&[1, 2, 3]);
        assert_eq!(cursor.u8(Field::Status), Ok(1));
        assert_eq!(cursor.take(3, Field::UserData), Err(PduError::CutOff(Field::UserData)));
        assert_eq!(cursor.array::<2>(Field::Time), Ok([2, 3]));
        assert_eq!(cursor.remaining(), 0);
        assert_eq!(cursor.u8(Field::Status), Err(PduError::CutOff(Field::Status)));
    }
}
