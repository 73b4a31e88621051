//! The dynamic table (RFC 7541, section 2.3.2).

use std::collections::VecDeque;

/// A dynamic table of entries, the newest first. The sum of their sizes is limited.
#[derive(Debug)]
pub(super) struct Table<E> {
    entries: VecDeque<(E, usize)>,
    size: usize,
    limit: usize,
}

impl<E> Table<E> {
    pub(super) fn new(limit: usize) -> Self {
        Self { entries: VecDeque::new(), size: 0, limit }
    }

    /// Returns the entry at a position. The newest is at 0.
    #[inline]
    pub(super) fn get(&self, position: usize) -> Option<&E> {
        self.entries.get(position).map(|(entry, _)| entry)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &E> {
        self.entries.iter().map(|(entry, _)| entry)
    }

    /// Returns the limit of the size, in bytes.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the memory that the table takes, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.entries.capacity() * size_of::<(E, usize)>() + self.size
    }

    /// Adds an entry, and evicts the oldest until it fits. An entry that is larger than the limit
    /// empties the table (RFC 7541, section 4.4).
    pub(super) fn insert(&mut self, entry: E, size: usize) {
        self.evict(self.limit.saturating_sub(size));
        if size <= self.limit {
            self.entries.push_front((entry, size));
            self.size += size;
        }
    }

    /// Changes the limit, and evicts the oldest until the rest fits.
    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.evict(limit);
    }

    fn evict(&mut self, most: usize) {
        while self.size > most
            && let Some((_, size)) = self.entries.pop_back()
        {
            self.size -= size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(table: &Table<u8>) -> Vec<u8> {
        table.iter().copied().collect()
    }

    #[test]
    fn the_oldest_are_evicted_until_an_entry_fits() {
        let mut table = Table::new(100);
        for entry in 0..3 {
            table.insert(entry, 33);
        }
        assert_eq!(entries(&table), [2, 1, 0]);
        table.insert(3, 35);
        assert_eq!(entries(&table), [3, 2]);
        table.insert(4, 100);
        assert_eq!(entries(&table), [4]);
        table.insert(5, 101);
        assert!(entries(&table).is_empty());
    }

    #[test]
    fn a_lower_limit_evicts_at_once() {
        let mut table = Table::new(100);
        table.insert(0, 50);
        table.insert(1, 50);
        table.set_limit(99);
        assert_eq!(entries(&table), [1]);
        table.set_limit(0);
        table.set_limit(100);
        assert!(entries(&table).is_empty());
    }
}
