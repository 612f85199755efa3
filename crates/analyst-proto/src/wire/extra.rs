//! Members that a message has beyond those it is known for.

use super::Text;
use crate::WireError;
use crate::codec::compact;
use std::fmt;

/// The members of an object that nobody knows: a name and JSON without white space between its
/// tokens for each, in the order of their names. `Debug` shows the names.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Extra(Vec<(Text, Text)>);

impl Extra {
    /// Puts a member here, in place of one of that name. True if there was one.
    ///
    /// One that the message knows is not written: set its field instead.
    ///
    /// # Errors
    ///
    /// [`WireError`] if `json` is none, or nested too deep.
    pub fn set(&mut self, name: impl Into<Text>, json: impl Into<Text>) -> Result<bool, WireError> {
        let json = compact(&json.into())?;
        Ok(self.insert(name.into(), json))
    }

    /// The JSON of the member of that name.
    pub fn get(&self, name: &str) -> Option<&Text> {
        let at = self.find(name).ok()?;
        self.0.get(at).map(|(_, json)| json)
    }

    /// Name and JSON of each.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, &Text)> {
        self.0.iter().map(|(name, json)| (name, json))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same in bytes of their own.
    #[must_use]
    pub(crate) fn detached(&self) -> Self {
        let members = self.0.iter();
        Self(
            members
                .map(|(name, json)| (name.detached(), json.detached()))
                .collect(),
        )
    }

    /// Puts a member here whose JSON has been looked at.
    pub(crate) fn insert(&mut self, name: Text, json: Text) -> bool {
        match self.find(&name) {
            Ok(at) => {
                if let Some(member) = self.0.get_mut(at) {
                    *member = (name, json);
                }
                true
            }
            Err(at) => {
                self.0.insert(at, (name, json));
                false
            }
        }
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0
            .binary_search_by(|(known, _)| known.as_str().cmp(name))
    }
}

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(name, _)| name.shown());
        f.debug_list().entries(names).finish()
    }
}
