//! Message stores with numbered slots (TS 27.005 3.2.3): `SM` on the SIM, `ME` in the modem, `SR` for status reports, and
//! `MT`, which is ME and SM under one numbering.

/// A store as `+CPMS` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    /// The SIM.
    Sm,
    /// The modem.
    Me,
    /// ME, then SM.
    Mt,
    /// Status reports.
    Sr,
}

impl Memory {
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "SM" => Some(Self::Sm),
            "ME" => Some(Self::Me),
            "MT" => Some(Self::Mt),
            "SR" => Some(Self::Sr),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sm => "SM",
            Self::Me => "ME",
            Self::Mt => "MT",
            Self::Sr => "SR",
        }
    }
}

/// A message or report in its slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    /// TPDU without service centre address.
    pub(super) tpdu: Vec<u8>,
    /// Whether the host has read it.
    pub(super) read: bool,
}

/// All stores of a modem.
#[derive(Debug)]
pub(super) struct Slots {
    size: usize,
    me: Vec<Option<Stored>>,
    sm: Vec<Option<Stored>>,
    sr: Vec<Option<Stored>>,
}

impl Slots {
    pub(super) fn new(size: u16) -> Self {
        let size = usize::from(size);
        Self { size, me: vec![None; size], sm: vec![None; size], sr: vec![None; size] }
    }

    /// Slots in use and slots in all.
    pub(super) fn count(&self, memory: Memory) -> (usize, usize) {
        let used = self.all(memory).count();
        (used, if memory == Memory::Mt { self.size * 2 } else { self.size })
    }

    pub(super) fn is_full(&self, memory: Memory) -> bool {
        let (used, size) = self.count(memory);
        used >= size
    }

    /// Puts it into the first free slot: where it is to be found, and the index there.
    pub(super) fn put(&mut self, memory: Memory, tpdu: Vec<u8>) -> Option<(Memory, usize)> {
        let place = match memory {
            Memory::Mt if self.is_full(Memory::Me) => Memory::Sm,
            Memory::Mt => Memory::Me,
            other => other,
        };
        let slots = self.store(place);
        let free = slots.iter().position(Option::is_none)?;
        *slots.get_mut(free)? = Some(Stored { tpdu, read: false });
        Some((place, free + 1))
    }

    /// The slot with this index, counted from 1; `None` if there is no such slot.
    pub(super) fn slot(&mut self, memory: Memory, index: usize) -> Option<&mut Option<Stored>> {
        let at = index.checked_sub(1)?;
        match memory {
            Memory::Mt if at >= self.size => self.sm.get_mut(at - self.size),
            Memory::Mt => self.me.get_mut(at),
            other => self.store(other).get_mut(at),
        }
    }

    /// Occupied slots with their indexes.
    pub(super) fn all(&self, memory: Memory) -> impl Iterator<Item = (usize, &Stored)> {
        let (first, second): (&[_], &[_]) = match memory {
            Memory::Sm => (&self.sm, &[]),
            Memory::Me => (&self.me, &[]),
            Memory::Sr => (&self.sr, &[]),
            Memory::Mt => (&self.me, &self.sm),
        };
        let both = first.iter().chain(second).enumerate();
        both.filter_map(|(at, slot)| slot.as_ref().map(|stored| (at + 1, stored)))
    }

    fn store(&mut self, memory: Memory) -> &mut Vec<Option<Stored>> {
        match memory {
            Memory::Sm => &mut self.sm,
            Memory::Me | Memory::Mt => &mut self.me,
            Memory::Sr => &mut self.sr,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mt_is_me_then_sm() {
        let mut slots = Slots::new(2);
        let places: Vec<_> = (0..5).map(|n| slots.put(Memory::Mt, vec![n])).collect();
        assert_eq!(places[1], Some((Memory::Me, 2)));
        assert_eq!(places[2], Some((Memory::Sm, 1)));
        assert_eq!(places[4], None);
        assert_eq!(slots.count(Memory::Mt), (4, 4));
        assert_eq!(slots.slot(Memory::Mt, 3).unwrap().as_ref().unwrap().tpdu, [2]);
        assert!(slots.slot(Memory::Mt, 0).is_none() && slots.slot(Memory::Mt, 5).is_none());
        *slots.slot(Memory::Mt, 2).unwrap() = None;
        assert_eq!(slots.put(Memory::Me, vec![9]), Some((Memory::Me, 2)));
        assert_eq!(slots.all(Memory::Sm).map(|(index, _)| index).collect::<Vec<_>>(), [1, 2]);
    }
}
