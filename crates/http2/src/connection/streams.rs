//! The streams of a connection.

use super::stream::Stream;
use crate::inbox::StreamRef;

/// How many places a connection without streams keeps.
const KEPT: usize = 2;

/// Streams, each at a place whose number is its key. A place is used again.
#[derive(Debug, Default)]
pub(super) struct Streams {
    places: Vec<Option<Stream>>,
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

    /// Adds a stream, whose identifier is the highest.
    pub(super) fn insert(&mut self, stream: Stream) -> StreamRef {
        let id = stream.id;
        let key = if let Some(key) = self.free.pop() {
            self.places[key] = Some(stream);
            key
        } else {
            self.places.push(Some(stream));
            self.places.len() - 1
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
        self.places.get(key)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, key: usize) -> Option<&mut Stream> {
        self.places.get_mut(key)?.as_mut()
    }

    /// Returns whether the stream is still there.
    pub(super) fn contains(&self, stream: StreamRef) -> bool {
        self.get(stream.key).is_some_and(|at| at.id == stream.id)
    }

    /// Returns the stream if it is still there.
    pub(super) fn at(&mut self, stream: StreamRef) -> Option<&mut Stream> {
        self.get_mut(stream.key).filter(|at| at.id == stream.id)
    }

    /// Removes the stream at a place.
    pub(super) fn remove(&mut self, key: usize) {
        let Some(place) = self.places.get_mut(key) else { return };
        let Some(Stream { id, .. }) = place else { return };
        let position = self.index.binary_search_by_key(id, |(at, _)| *at);
        *place = None;
        self.free.push(key);
        if let Ok(position) = position {
            self.index.remove(position);
        }
    }

    /// Returns all keys, those of the oldest streams first.
    pub(super) fn keys(&self) -> Vec<usize> {
        self.index.iter().map(|(_, key)| *key).collect()
    }

    /// Frees the memory of many places, if none is occupied.
    pub(super) fn shrink(&mut self) {
        if self.is_empty() && self.places.len() > KEPT {
            *self = Self::default();
        }
    }
}
