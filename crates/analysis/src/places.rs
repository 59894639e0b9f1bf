//! Names in the order of their first appearance.

use std::collections::HashMap;
use std::hash::Hash;

/// Gives each new name the next place.
pub(crate) struct Places<T> {
    pub(crate) names: Vec<T>,
    index: HashMap<T, usize>,
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self { names: Vec::new(), index: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Places<T> {
    pub(crate) fn of(&mut self, name: T) -> usize {
        if let Some(&place) = self.index.get(&name) {
            return place;
        }
        self.index.insert(name.clone(), self.names.len());
        self.names.push(name);
        self.names.len() - 1
    }
}
