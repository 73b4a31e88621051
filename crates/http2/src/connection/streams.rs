//! The streams of a connection.

use super::stream::Stream;
use crate::inbox::StreamRef;

/// How many slots a connection without streams keeps.
const KEPT: usize = 2;

/// Streams, each in a slot whose number is the stream's key. Slots are used again.
#[derive(Debug, Default)]
pub(super) struct Streams {
    slots: Vec<Option<Stream>>,
    free: Vec<usize>,
    /// Identifiers with their keys. In order, because identifiers rise.
    index: Vec<(u32, usize)>,
}

impl Streams {
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Adds a stream. Its identifier must be higher than all before.
    pub(super) fn insert(&mut self, stream: Stream) -> StreamRef {
        let id = stream.id;
        let key = if let Some(key) = self.free.pop() {
            self.slots[key] = Some(stream);
            key
        } else {
            self.slots.push(Some(stream));
            self.slots.len() - 1
        };
        self.index.push((id, key));
        StreamRef { key, id }
    }

    /// Returns the key of an identifier.
    pub(super) fn find(&self, id: u32) -> Option<usize> {
        let position = self.index.binary_search_by_key(&id, |(at, _)| *at).ok()?;
        Some(self.index[position].1)
    }

    pub(super) fn get(&self, key: usize) -> Option<&Stream> {
        self.slots.get(key)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, key: usize) -> Option<&mut Stream> {
        self.slots.get_mut(key)?.as_mut()
    }

    /// Returns whether the stream is still there.
    pub(super) fn contains(&self, stream: StreamRef) -> bool {
        self.get(stream.key).is_some_and(|at| at.id == stream.id)
    }

    /// Returns the stream if it is still there.
    pub(super) fn at(&mut self, stream: StreamRef) -> Option<&mut Stream> {
        self.get_mut(stream.key).filter(|at| at.id == stream.id)
    }

    /// Removes a stream.
    pub(super) fn remove(&mut self, key: usize) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        let Some(Stream { id, .. }) = slot else { return };
        let position = self.index.binary_search_by_key(id, |(at, _)| *at);
        *slot = None;
        self.free.push(key);
        if let Ok(position) = position {
            self.index.remove(position);
        }
    }

    /// Returns all keys, those of the oldest streams first.
    pub(super) fn keys(&self) -> Vec<usize> {
        self.index.iter().map(|(_, key)| *key).collect()
    }

    /// Frees the slots if no stream is left, and there are more than a few.
    pub(super) fn shrink(&mut self) {
        if self.is_empty() && self.slots.len() > KEPT {
            *self = Self::default();
        }
    }
}
